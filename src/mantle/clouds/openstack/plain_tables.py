"""How each kind of plain object looks in its service: one row each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from mantle.clouds.openstack.door import Pairs


class Marked(Enum):
    """Where the token stands."""

    DESCRIPTION = "at the end of the description"
    TAGS = "among the tags"
    FIELD = "in a field of its own: Keystone keeps what it does not know"
    NOWHERE = "nowhere: there can be only one of its like"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One kind, as its service has it."""

    path: str
    one: str
    """The envelope of one."""
    many: str
    mark: Marked
    asks: tuple[str, ...] = ()
    """Fields that can be asked for, as they are read back."""
    changes: tuple[str, ...] = ()
    """Those of them that change in place; `name` as well, where it does."""
    update: str = "PUT"
    """The method that changes."""
    params: Pairs = ()
    """Of an administrator's lists."""
    details: str = ""
    any_id: bool = False
    """Ids need not be UUIDs."""
    said: Mapping[str, str] | None = None
    """Fields that are read by another name than they are written by."""
    id_field: str = "id"
    balanced: bool = False
    """Part of Octavia's tree, which may be changing."""


D, T, F, N = Marked.DESCRIPTION, Marked.TAGS, Marked.FIELD, Marked.NOWHERE
EVEN_PRIVATE = (("is_public", "None"),)


def _keystone(one: str, *asks: str, many: str = "", fixed: tuple[str, ...] = ()) -> Table:
    many = many or f"{one}s"
    changes = ("name", *(each for each in asks if each not in fixed))
    return Table(
        path=f"/{many}", one=one, many=many, mark=F, asks=asks, changes=changes, update="PATCH",
        any_id=True,
    )  # fmt: skip


TABLES: Mapping[str, Table] = {
    # --- Neutron -----------------------------------------------------------------------------
    "qos_policies": Table(
        path="/qos/policies", one="policy", many="policies", mark=D,
        asks=("description", "shared"), changes=("name", "description", "shared"),
    ),
    "rbac_policies": Table(
        path="/rbac-policies", one="rbac_policy", many="rbac_policies", mark=N,
        asks=("object_type", "object_id", "action", "target_tenant"), changes=("target_tenant",),
    ),
    "address_scopes": Table(
        path="/address-scopes", one="address_scope", many="address_scopes", mark=N,
        asks=("shared", "ip_version"), changes=("name", "shared"),
    ),
    "subnet_pools": Table(
        path="/subnetpools", one="subnetpool", many="subnetpools", mark=D,
        asks=(
            *("prefixes", "address_scope_id", "default_quota", "default_prefixlen"),
            *("min_prefixlen", "max_prefixlen", "is_default", "shared", "tags"),
        ),
        changes=(
            *("name", "prefixes", "address_scope_id", "default_quota", "default_prefixlen"),
            *("min_prefixlen", "max_prefixlen", "is_default"),
        ),
    ),
    "segments": Table(
        path="/segments", one="segment", many="segments", mark=D,
        asks=("network_id", "network_type", "physical_network", "segmentation_id", "description"),
        changes=("name", "description"),
    ),
    "trunks": Table(
        path="/trunks", one="trunk", many="trunks", mark=D,
        asks=("port_id", "description", "admin_state_up"),
        changes=("name", "description", "admin_state_up"),
    ),
    "metering_labels": Table(
        path="/metering/metering-labels", one="metering_label", many="metering_labels", mark=D,
        asks=("description", "shared"),
    ),
    "metering_rules": Table(
        path="/metering/metering-label-rules", one="metering_label_rule",
        many="metering_label_rules", mark=N,
        asks=("metering_label_id", "remote_ip_prefix", "direction", "excluded"),
    ),
    "security_group_rules": Table(
        path="/security-group-rules", one="security_group_rule", many="security_group_rules",
        mark=D,
        asks=(
            *("security_group_id", "description", "direction", "ethertype", "port_range_min"),
            *("port_range_max", "protocol", "remote_group_id", "remote_ip_prefix"),
        ),
    ),
    # --- Nova --------------------------------------------------------------------------------
    "flavors": Table(
        path="/flavors", one="flavor", many="flavors", mark=D, details="/detail", any_id=True,
        params=EVEN_PRIVATE,
        asks=(
            *("id", "ram", "vcpus", "disk", "swap", "rxtx_factor"),
            *("OS-FLV-EXT-DATA:ephemeral", "os-flavor-access:is_public"),
        ),
    ),
    "host_aggregates": Table(
        path="/os-aggregates", one="aggregate", many="aggregates", mark=N, any_id=True,
        asks=("availability_zone",), changes=("name", "availability_zone"),
    ),
    # --- Cinder ------------------------------------------------------------------------------
    "volume_types": Table(
        path="/types", one="volume_type", many="volume_types", mark=D, params=EVEN_PRIVATE,
        asks=("description", "is_public"), changes=("name", "description", "is_public"),
        said={"is_public": "os-volume-type-access:is_public"},
    ),
    "qos_specs": Table(path="/qos-specs", one="qos_specs", many="qos_specs", mark=N),
    # --- Keystone ----------------------------------------------------------------------------
    "domains": _keystone("domain", "description", "enabled"),
    "projects": _keystone(
        "project", "domain_id", "description", "enabled", "parent_id", "tags",
        fixed=("domain_id", "parent_id"),
    ),
    "groups": _keystone("group", "domain_id", "description", fixed=("domain_id",)),
    "users": _keystone(
        "user", "domain_id", "description", "enabled", "email", "password", "default_project_id",
        fixed=("domain_id",),
    ),
    "roles": _keystone("role", "domain_id", fixed=("domain_id",)),
    "regions": _keystone("region", "id", "parent_region_id", "description", fixed=("id",)),
    "services": _keystone("service", "description", "type", "enabled"),
    "endpoints": _keystone("endpoint", "region_id", "service_id", "interface", "url", "enabled"),
    # --- Octavia -----------------------------------------------------------------------------
    "l7_policies": Table(
        path="/lbaas/l7policies", one="l7policy", many="l7policies", mark=T, balanced=True,
        asks=(
            *("description", "admin_state_up", "action", "redirect_pool_id", "redirect_url"),
            *("position", "listener_id"),
        ),
        changes=(
            *("name", "description", "admin_state_up", "action", "redirect_pool_id"),
            *("redirect_url", "position"),
        ),
    ),
    "balancer_flavor_profiles": Table(
        path="/lbaas/flavorprofiles", one="flavorprofile", many="flavorprofiles", mark=N,
        asks=("flavor_data", "provider_name"), changes=("name", "flavor_data", "provider_name"),
    ),
    "balancer_flavors": Table(
        path="/lbaas/flavors", one="flavor", many="flavors", mark=D,
        asks=("description", "enabled", "flavor_profile_id"),
        changes=("name", "description", "enabled"),
    ),
    "balancer_zone_profiles": Table(
        path="/lbaas/availabilityzoneprofiles", one="availability_zone_profile",
        many="availability_zone_profiles", mark=N,
        asks=("availability_zone_data", "provider_name"),
        changes=("name", "availability_zone_data", "provider_name"),
    ),
    "balancer_zones": Table(
        path="/lbaas/availabilityzones", one="availability_zone", many="availability_zones",
        mark=D, id_field="name", any_id=True,
        asks=("description", "enabled", "availability_zone_profile_id"),
        changes=("description", "enabled"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """A kind that lives below another one, as its service has it."""

    parents: str
    path: str
    """Of one parent's, with `{}` for its id."""
    one: str
    many: str
    mark: Marked
    asks: tuple[str, ...]
    listed: str = ""
    """The parent's field that tells whether it has any; empty where none does."""
    balanced: bool = False


def _qos(kind: str, *asks: str) -> Below:
    return Below(
        parents="qos_policies", path=f"/qos/policies/{{}}/{kind}_rules", one=f"{kind}_rule",
        many=f"{kind}_rules", mark=N, asks=asks, listed="rules",
    )  # fmt: skip


BELOW: Mapping[str, Below] = {
    "bandwidth_limit_rules": _qos("bandwidth_limit", "max_kbps", "max_burst_kbps", "direction"),
    "dscp_marking_rules": _qos("dscp_marking", "dscp_mark"),
    "minimum_bandwidth_rules": _qos("minimum_bandwidth", "min_kbps", "direction"),
    "minimum_packet_rate_rules": _qos("minimum_packet_rate", "min_kpps", "direction"),
    "l7_rules": Below(
        parents="l7_policies", path="/lbaas/l7policies/{}/rules", one="rule", many="rules", mark=T,
        asks=("admin_state_up", "type", "compare_type", "invert", "key", "value"),
        listed="rules", balanced=True,
    ),
    "port_forwardings": Below(
        parents="floating_ips", path="/floatingips/{}/port_forwardings", one="port_forwarding",
        many="port_forwardings", mark=D, listed="port_forwardings",
        asks=(
            *("internal_ip_address", "internal_port", "external_port", "internal_port_id"),
            "protocol",
        ),
    ),
}  # fmt: skip
