"""Networks, subnets, ports and routers: Neutron's plain objects, as tables."""

from typing import Any

from mantle.clouds import ports as p
from mantle.clouds.openstack import marks, states
from mantle.clouds.openstack.collection import RestCollection
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.kind import Kind, Raw, Search, differing, given
from mantle.model.ids import Token

KEPT_SECONDS = 1.5


QOS = {"qos_policy_id": ("/qos/policies", "policies")}
POOLS = {"subnetpool_id": ("/subnetpools", "subnetpools")}


def token_of(raw: Raw) -> Token:
    """From the description."""
    return marks.described(raw.get("description"))[1]


def base(raw: Raw) -> dict[str, Any]:
    """What every Neutron object says."""
    return {
        "id": raw["id"],
        "name": raw.get("name") or "",
        "token": token_of(raw),
        "status": states.NETWORK.get(str(raw.get("status", "N/A")), p.ObjectStatus.BUILDING),
        "created_at": states.seconds(raw.get("created_at")),
    }


# --- networks --------------------------------------------------------------------------------


def _network_fields(spec: p.NetworkSpec) -> dict[str, Any]:
    return given(
        {
            "name": spec.name,
            "admin_state_up": spec.admin_state_up,
            "shared": spec.shared or None,
            "port_security_enabled": spec.port_security_enabled,
            "mtu": spec.mtu,
            "dns_domain": spec.dns_domain or None,
        }
    )


def _network(raw: Raw) -> p.Network:
    return p.Network(
        **base(raw),
        spec=p.NetworkSpec(
            name=raw["name"],
            admin_state_up=raw["admin_state_up"],
            shared=bool(raw.get("shared")),
            port_security_enabled=raw.get("port_security_enabled"),
            mtu=raw.get("mtu"),
            dns_domain=raw.get("dns_domain") or "",
            tags=marks.other_tags(raw.get("tags") or ()),
        ),
        subnet_ids=tuple(raw.get("subnets") or ()),
        external=bool(raw.get("router:external")),
        mtu=raw.get("mtu") or 1500,
        more=_more(raw, "qos_policy_id", "l2_adjacency", "segments"),
    )


def _more(raw: Raw, *names: str) -> dict[str, Any]:
    """What this Neutron says beyond what every cloud does."""
    return {name: raw[name] for name in names if raw.get(name) is not None}


NETWORKS = Kind(
    name="networks",
    noun="network",
    service=Service.NETWORK,
    path="/networks",
    one="network",
    many="networks",
    search=Search.IDS_AND_DESCRIPTIONS,
    body=lambda spec, token: {
        **_network_fields(spec),
        "description": marks.description("", token),
    },
    change=lambda spec, raw: differing(_network_fields(spec), raw),
    read=_network,
    token_of=token_of,
    named=QOS,
    user_tags=lambda spec: spec.tags,
    shared=True,
    kept_seconds=KEPT_SECONDS,
)

# --- subnets ---------------------------------------------------------------------------------


def _subnet_fields(spec: p.SubnetSpec) -> dict[str, Any]:
    """What can change later as well."""
    fields = given(
        {
            "name": spec.name,
            "enable_dhcp": spec.enable_dhcp,
            "dns_nameservers": list(spec.dns_nameservers),
            "host_routes": [
                {"destination": destination, "nexthop": nexthop}
                for destination, nexthop in spec.host_routes
            ],
            "allocation_pools": [
                {"start": start, "end": end} for start, end in spec.allocation_pools
            ]
            or None,
        }
    )
    if spec.gateway_ip is not None:
        fields["gateway_ip"] = spec.gateway_ip or None
    return fields


def _subnet(raw: Raw) -> p.Subnet:
    pools = tuple((each["start"], each["end"]) for each in raw["allocation_pools"])
    return p.Subnet(
        **base(raw),
        spec=p.SubnetSpec(
            name=raw["name"],
            network_id=raw["network_id"],
            cidr=raw["cidr"],
            ip_version=raw["ip_version"],
            gateway_ip=raw["gateway_ip"] or "",
            enable_dhcp=raw["enable_dhcp"],
            allocation_pools=pools,
            dns_nameservers=tuple(raw.get("dns_nameservers") or ()),
            host_routes=tuple(
                (each["destination"], each["nexthop"]) for each in raw.get("host_routes") or ()
            ),
            tags=marks.other_tags(raw.get("tags") or ()),
        ),
        gateway_ip=raw["gateway_ip"] or "",
        allocation_pools=pools,
    )


SUBNETS = Kind(
    name="subnets",
    noun="subnet",
    service=Service.NETWORK,
    path="/subnets",
    one="subnet",
    many="subnets",
    search=Search.IDS_AND_DESCRIPTIONS,
    body=lambda spec, token: {
        **_subnet_fields(spec),
        **({"cidr": spec.cidr} if spec.cidr else {}),
        "network_id": spec.network_id,
        "ip_version": spec.ip_version,
        "description": marks.description("", token),
    },
    change=lambda spec, raw: differing(_subnet_fields(spec), raw),
    fixed=lambda spec, raw: "cidr" if spec.cidr not in {"", raw["cidr"]} else "",
    read=_subnet,
    token_of=token_of,
    named=POOLS,
    user_tags=lambda spec: spec.tags,
    shared=True,
    kept_seconds=KEPT_SECONDS,
)

# --- ports -----------------------------------------------------------------------------------


def _port_fields(spec: p.PortSpec) -> dict[str, Any]:
    return given(
        {
            "name": spec.name,
            "admin_state_up": spec.admin_state_up,
            "security_groups": None if spec.security_groups is None else list(spec.security_groups),
            "mac_address": spec.mac_address,
            "port_security_enabled": spec.port_security_enabled,
            "dns_name": spec.dns_name or None,
            "device_id": spec.device_id or None,
            "device_owner": spec.device_owner or None,
            "fixed_ips": [
                given({"subnet_id": each.subnet_id, "ip_address": each.ip_address})
                for each in spec.fixed_ips
            ]
            or None,
        }
    )


def _port_change(spec: p.PortSpec, raw: Raw) -> dict[str, Any]:
    """Addresses are compared by what was asked for: the service chose the rest."""
    wanted = _port_fields(spec)
    if "fixed_ips" in wanted and _as_asked(wanted["fixed_ips"], raw["fixed_ips"]):
        del wanted["fixed_ips"]
    pairs = [
        given({"ip_address": address, "mac_address": mac or raw.get("mac_address")})
        for mac, address in spec.allowed_address_pairs
    ]
    return differing({**wanted, "allowed_address_pairs": pairs}, raw)


def _as_asked(asked: list[dict[str, str]], present: list[dict[str, str]]) -> bool:
    left = list(present)
    for each in asked:
        fits = next((one for one in left if each.items() <= one.items()), None)
        if fits is None:
            return False
        left.remove(fits)
    return not left


def _port(raw: Raw) -> p.Port:
    fixed = tuple(
        p.FixedIp(subnet_id=each["subnet_id"], ip_address=each["ip_address"])
        for each in raw.get("fixed_ips") or ()
    )
    return p.Port(
        **base(raw),
        spec=p.PortSpec(
            name=raw["name"],
            network_id=raw["network_id"],
            fixed_ips=fixed,
            security_groups=tuple(raw.get("security_groups") or ()),
            admin_state_up=raw["admin_state_up"],
            mac_address=raw.get("mac_address"),
            device_id=raw.get("device_id") or "",
            device_owner=raw.get("device_owner") or "",
            allowed_address_pairs=tuple(
                (each.get("mac_address") or "", each["ip_address"])
                for each in raw.get("allowed_address_pairs") or ()
            ),
            port_security_enabled=raw.get("port_security_enabled"),
            dns_name=raw.get("dns_name") or "",
            tags=marks.other_tags(raw.get("tags") or ()),
        ),
        fixed_ips=fixed,
        mac_address=raw.get("mac_address") or "",
        device_id=raw.get("device_id") or "",
        device_owner=raw.get("device_owner") or "",
        more=_more(raw, "qos_policy_id", "dns_assignment", "propagate_uplink_status"),
    )


PORTS = Kind(
    name="ports",
    noun="port",
    service=Service.NETWORK,
    path="/ports",
    one="port",
    many="ports",
    search=Search.IDS_AND_DESCRIPTIONS,
    body=lambda spec, token: {
        **_port_fields(spec),
        "network_id": spec.network_id,
        "description": marks.description("", token),
        "allowed_address_pairs": [
            given({"ip_address": address, "mac_address": mac or None})
            for mac, address in spec.allowed_address_pairs
        ],
    },
    change=_port_change,
    read=_port,
    token_of=token_of,
    named=QOS,
    user_tags=lambda spec: spec.tags,
    kept_seconds=1.0,
)

# --- routers ---------------------------------------------------------------------------------


def _gateway(spec: p.RouterSpec) -> dict[str, Any] | None:
    if spec.external_network_id is None:
        return None
    addresses = [
        given({"subnet_id": each.subnet_id, "ip_address": each.ip_address})
        for each in spec.external_fixed_ips
    ]
    return given(
        {
            "network_id": spec.external_network_id,
            "enable_snat": spec.enable_snat,
            "external_fixed_ips": addresses or None,
        }
    )


def _router_change(spec: p.RouterSpec, raw: Raw) -> dict[str, Any]:
    change = differing({"name": spec.name, "admin_state_up": spec.admin_state_up}, raw)
    wanted, present = _gateway(spec), raw.get("external_gateway_info")
    asked = dict(wanted or {})
    addresses = asked.pop("external_fixed_ips", [])
    kept = _as_asked(addresses, (present or {}).get("external_fixed_ips") or [])
    same = kept and all((present or {}).get(name) == value for name, value in asked.items())
    if not same or bool(wanted) != bool(present):
        change["external_gateway_info"] = wanted
    return change


def _router(raw: Raw) -> p.Router:
    gateway = raw.get("external_gateway_info") or {}
    return p.Router(
        **base(raw),
        spec=p.RouterSpec(
            name=raw["name"],
            admin_state_up=raw["admin_state_up"],
            external_network_id=gateway.get("network_id"),
            enable_snat=gateway.get("enable_snat"),
            tags=marks.other_tags(raw.get("tags") or ()),
        ),
        external_fixed_ips=tuple(
            p.FixedIp(subnet_id=each["subnet_id"], ip_address=each["ip_address"])
            for each in gateway.get("external_fixed_ips") or ()
        ),
    )


ROUTERS = Kind(
    name="routers",
    noun="router",
    service=Service.NETWORK,
    path="/routers",
    one="router",
    many="routers",
    search=Search.IDS_AND_DESCRIPTIONS,
    body=lambda spec, token: given(
        {
            "name": spec.name,
            "admin_state_up": spec.admin_state_up,
            "external_gateway_info": _gateway(spec),
            "description": marks.description("", token),
        }
    ),
    change=_router_change,
    read=_router,
    token_of=token_of,
    user_tags=lambda spec: spec.tags,
    kept_seconds=KEPT_SECONDS,
)


class Ports(RestCollection[p.PortSpec, p.Port]):
    """Ports are told to whoever wants to know whose an address is."""

    def _object(self, raw: Raw) -> p.Port:
        port = super()._object(raw)
        self.by_mac[port.mac_address] = port.id
        return port

    @property
    def by_mac(self) -> dict[str, str]:
        """Port ids by MAC address, of the ports seen so far."""
        if not hasattr(self, "_by_mac"):
            self._by_mac: dict[str, str] = {}
        return self._by_mac
