"""Settings of what exists anyway: how each is read, added to and taken from; one row each.

All of them may be repeated: what is there already is not added, what is gone is not removed.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mantle.clouds import ports as p
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.errors import Service

Values = Mapping[str, Any]
NOVA, NEUTRON, CINDER = Service.COMPUTE, Service.NETWORK, Service.VOLUME
KEYSTONE, GLANCE, OCTAVIA = Service.IDENTITY, Service.IMAGE, Service.BALANCER


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a service has one kind of setting."""

    read: Callable[[Caller, str], Awaitable[Values]]
    add: Callable[[Caller, str, Values], Awaitable[None]]
    remove: Callable[[Caller, str, Sequence[str]], Awaitable[None]]
    whole: bool = False
    """Taking away takes all: `remove` is told no names."""


class OpenStackSettings:
    """One kind of setting, of one project's view. Implements `ports.Settings`."""

    def __init__(self, caller: Caller, way: Way) -> None:
        self._caller = caller
        self._way = way

    async def get(self, target: str) -> Values:
        """What is set."""
        return await self._way.read(self._caller, target)

    async def put(self, target: str, values: Values, before: Values) -> None:
        """What was put before and differs goes first: two may not be had at once."""
        held = await self._way.read(self._caller, target)
        old = [
            name
            for name in before
            if name in held and (name not in values or _other(held[name], values[name]))
        ]
        if old and not (self._way.whole and values):
            await self._way.remove(self._caller, target, old)
            held = {name: value for name, value in held.items() if name not in old}
        new = {
            name: value
            for name, value in values.items()
            if name not in held or _other(held[name], value)
        }
        if new:
            await self._way.add(self._caller, target, dict(values) if self._way.whole else new)

    async def drop(self, target: str, values: Values) -> None:
        """Only these, and only as far as they are there."""
        with suppress(p.Missing):
            held = await self._way.read(self._caller, target)
            old = [name for name in values if name in held]
            if old:
                await self._way.remove(self._caller, target, old)


def _other(held: Any, wanted: Any) -> bool:
    return bool(held != wanted and str(held) != str(wanted))


def settings_of(caller: Caller, kind: str) -> OpenStackSettings:
    """The settings of a kind of `clouds/plain.py`."""
    return OpenStackSettings(caller, WAYS[kind])


# --- quotas ----------------------------------------------------------------------------------


def _quotas(
    service: Service, path: str, one: str, defaults: str, said: Mapping[str, str] | None = None
) -> Way:
    """Removing one puts the cloud's own value in its place."""
    words = said or {}
    ours = {word: name for name, word in words.items()}

    async def read(caller: Caller, target: str) -> Values:
        found = (await caller.get(service, f"{path}/{target}"))[one]
        return {ours.get(name, name): value for name, value in found.items() if name != "id"}

    async def add(caller: Caller, target: str, values: Values) -> None:
        body = {one: {words.get(name, name): value for name, value in values.items()}}
        await caller.put(service, f"{path}/{target}", body)

    async def remove(caller: Caller, target: str, names: Sequence[str]) -> None:
        found = (await caller.get(service, defaults.format(target)))[one]
        wanted = [words.get(name, name) for name in names]
        own = {name: found[name] for name in wanted if name in found}
        if own:
            await caller.put(service, f"{path}/{target}", {one: own})

    return Way(read=read, add=add, remove=remove)


# --- Keystone --------------------------------------------------------------------------------


def _roles(who: str) -> Way:
    async def read(caller: Caller, target: str) -> Values:
        answer = await caller.get(KEYSTONE, "/role_assignments", (f"{who}.id", target))
        found = {}
        for each in answer["role_assignments"]:
            for place in ("project", "domain"):
                where = each.get("scope", {}).get(place)
                if where:
                    found[f"{place}s/{where['id']}/{each['role']['id']}"] = True
        return found

    async def add(caller: Caller, target: str, values: Values) -> None:
        for name in values:
            await caller.put(KEYSTONE, path_of(name, target))

    async def remove(caller: Caller, target: str, names: Sequence[str]) -> None:
        for name in names:
            with suppress(p.Missing):
                await caller.delete(KEYSTONE, path_of(name, target))

    def path_of(name: str, target: str) -> str:
        place, where, role = name.split("/")
        return f"/{place}/{where}/{who}s/{target}/roles/{role}"

    return Way(read=read, add=add, remove=remove)


async def _groups(caller: Caller, user: str) -> Values:
    answer = await caller.get(KEYSTONE, f"/users/{user}/groups")
    return {each["id"]: True for each in answer["groups"]}


async def _join(caller: Caller, user: str, values: Values) -> None:
    for group in values:
        await caller.put(KEYSTONE, f"/groups/{group}/users/{user}")


async def _leave(caller: Caller, user: str, groups: Sequence[str]) -> None:
    for group in groups:
        with suppress(p.Missing):
            await caller.delete(KEYSTONE, f"/groups/{group}/users/{user}")


# --- maps of texts ---------------------------------------------------------------------------


def _specs(service: Service, path: str) -> Way:
    """Extra specs: set many at once, deleted one by one."""

    async def read(caller: Caller, target: str) -> Values:
        found: Values = (await caller.get(service, path.format(target)))["extra_specs"]
        return found

    async def add(caller: Caller, target: str, values: Values) -> None:
        await caller.post(service, path.format(target), {"extra_specs": dict(values)})

    async def remove(caller: Caller, target: str, names: Sequence[str]) -> None:
        for name in names:
            with suppress(p.Missing):
                await caller.delete(service, f"{path.format(target)}/{quote(name, safe='')}")

    return Way(read=read, add=add, remove=remove)


async def _qos_read(caller: Caller, target: str) -> Values:
    found: Values = (await caller.get(CINDER, f"/qos-specs/{target}"))["qos_specs"]["specs"]
    return found


async def _qos_add(caller: Caller, target: str, values: Values) -> None:
    await caller.put(CINDER, f"/qos-specs/{target}", {"qos_specs": dict(values)})


async def _qos_remove(caller: Caller, target: str, names: Sequence[str]) -> None:
    await caller.put(CINDER, f"/qos-specs/{target}/delete_keys", {"keys": list(names)})


async def _aggregate(caller: Caller, target: str) -> Values:
    found: Values = (await caller.get(NOVA, f"/os-aggregates/{target}"))["aggregate"]
    return found


async def _metadata_read(caller: Caller, target: str) -> Values:
    found: Values = (await _aggregate(caller, target))["metadata"]
    return found


async def _metadata_add(caller: Caller, target: str, values: Values) -> None:
    body = {"set_metadata": {"metadata": dict(values)}}
    await caller.post(NOVA, f"/os-aggregates/{target}/action", body)


async def _metadata_remove(caller: Caller, target: str, names: Sequence[str]) -> None:
    await _metadata_add(caller, target, dict.fromkeys(names))


# --- sets ------------------------------------------------------------------------------------


def _actions(
    service: Service,
    listed: str,
    read_ids: Callable[[Any], Sequence[str]],
    path: str,
    verbs: tuple[str, str],
    word: str,
) -> Way:
    """Members that are added and removed by an action each."""

    async def read(caller: Caller, target: str) -> Values:
        return dict.fromkeys(read_ids(await caller.get(service, listed.format(target))), True)

    async def add(caller: Caller, target: str, values: Values) -> None:
        for name in values:
            await caller.post(service, path.format(target), {verbs[0]: {word: name}})

    async def remove(caller: Caller, target: str, names: Sequence[str]) -> None:
        for name in names:
            with suppress(p.Missing, p.Refused):
                await caller.post(service, path.format(target), {verbs[1]: {word: name}})

    return Way(read=read, add=add, remove=remove)


async def _associated(caller: Caller, target: str) -> Values:
    answer = await caller.get(CINDER, f"/qos-specs/{target}/associations")
    return {each["id"]: True for each in answer["qos_associations"]}


async def _associate(caller: Caller, target: str, values: Values) -> None:
    for name in values:
        await caller.get(CINDER, f"/qos-specs/{target}/associate", ("vol_type_id", name))


async def _dissociate(caller: Caller, target: str, names: Sequence[str]) -> None:
    for name in names:
        with suppress(p.Missing):
            await caller.get(CINDER, f"/qos-specs/{target}/disassociate", ("vol_type_id", name))


async def _members(caller: Caller, target: str) -> Values:
    answer = await caller.get(GLANCE, f"/images/{target}/members")
    return {each["member_id"]: True for each in answer["members"]}


async def _admit(caller: Caller, target: str, values: Values) -> None:
    for name in values:
        await caller.post(GLANCE, f"/images/{target}/members", {"member": name})


async def _dismiss(caller: Caller, target: str, names: Sequence[str]) -> None:
    for name in names:
        with suppress(p.Missing):
            await caller.delete(GLANCE, f"/images/{target}/members/{name}")


# --- one value -------------------------------------------------------------------------------

ENCRYPTION = ("provider", "control_location", "cipher", "key_size")


async def _encryption(caller: Caller, target: str) -> Values:
    found = await caller.get(CINDER, f"/types/{target}/encryption")
    return {name: found[name] for name in ENCRYPTION if found.get(name) is not None}


async def _encrypt(caller: Caller, target: str, values: Values) -> None:
    found = await caller.get(CINDER, f"/types/{target}/encryption")
    body = {"encryption": dict(values)}
    if found.get("encryption_id"):
        path = f"/types/{target}/encryption/{found['encryption_id']}"
        await caller.put(CINDER, path, body)
    else:
        await caller.post(CINDER, f"/types/{target}/encryption", body)


async def _decrypt(caller: Caller, target: str, _: Sequence[str]) -> None:
    found = await caller.get(CINDER, f"/types/{target}/encryption")
    if found.get("encryption_id"):
        await caller.delete(CINDER, f"/types/{target}/encryption/{found['encryption_id']}")


# --- routers and trunks ----------------------------------------------------------------------


async def _router(caller: Caller, target: str) -> Values:
    """Only a project's own: an administrator's token would see others'."""
    found: Values = (await caller.get(NEUTRON, f"/routers/{target}"))["router"]
    if found["project_id"] != (await caller.door()).project_id:
        raise p.Missing(f"There is no router {target!r} of this project.")
    return found


async def _routes(caller: Caller, target: str) -> Values:
    found = (await _router(caller, target))["routes"]
    return {f"{each['destination']} {each['nexthop']}": True for each in found}


def _as_routes(names: Sequence[str]) -> dict[str, Any]:
    pairs = [name.split(" ") for name in names]
    return {"router": {"routes": [{"destination": to, "nexthop": by} for to, by in pairs]}}


async def _add_routes(caller: Caller, target: str, values: Values) -> None:
    await caller.put(NEUTRON, f"/routers/{target}/add_extraroutes", _as_routes(list(values)))


async def _remove_routes(caller: Caller, target: str, names: Sequence[str]) -> None:
    await caller.put(NEUTRON, f"/routers/{target}/remove_extraroutes", _as_routes(names))


async def _gateway(caller: Caller, target: str) -> Values:
    found = (await _router(caller, target)).get("external_gateway_info") or {}
    return {"network_id": found["network_id"]} if found else {}


async def _lead_out(caller: Caller, target: str, values: Values) -> None:
    body = {"router": {"external_gateway_info": dict(values)}}
    await caller.put(NEUTRON, f"/routers/{target}", body)


async def _shut(caller: Caller, target: str, _: Sequence[str]) -> None:
    await _lead_out(caller, target, {})


async def _sub_ports(caller: Caller, target: str) -> Values:
    found = (await caller.get(NEUTRON, f"/trunks/{target}"))["trunk"]["sub_ports"]
    return {
        each["port_id"]: f"{each['segmentation_type']} {each['segmentation_id']}" for each in found
    }


async def _add_ports(caller: Caller, target: str, values: Values) -> None:
    parts = {port: value.split(" ") for port, value in values.items()}
    wanted = [
        {"port_id": port, "segmentation_type": kind, "segmentation_id": int(number)}
        for port, (kind, number) in parts.items()
    ]
    await caller.put(NEUTRON, f"/trunks/{target}/add_subports", {"sub_ports": wanted})


async def _remove_ports(caller: Caller, target: str, names: Sequence[str]) -> None:
    wanted = [{"port_id": port} for port in names]
    await caller.put(NEUTRON, f"/trunks/{target}/remove_subports", {"sub_ports": wanted})


WAYS: Mapping[str, Way] = {
    "compute_quotas": _quotas(NOVA, "/os-quota-sets", "quota_set", "/os-quota-sets/{}/defaults"),
    "volume_quotas": _quotas(CINDER, "/os-quota-sets", "quota_set", "/os-quota-sets/{}/defaults"),
    "network_quotas": _quotas(NEUTRON, "/quotas", "quota", "/quotas/{}/default"),
    "balancer_quotas": _quotas(
        OCTAVIA,
        "/lbaas/quotas",
        "quota",
        "/lbaas/quotas/defaults",
        {"healthmonitor": "health_monitor", "loadbalancer": "load_balancer"},
    ),
    "user_roles": _roles("user"),
    "group_roles": _roles("group"),
    "user_groups": Way(read=_groups, add=_join, remove=_leave),
    "flavor_specs": _specs(NOVA, "/flavors/{}/os-extra_specs"),
    "type_specs": _specs(CINDER, "/types/{}/extra_specs"),
    "qos_specs_values": Way(read=_qos_read, add=_qos_add, remove=_qos_remove),
    "flavor_access": _actions(
        NOVA,
        "/flavors/{}/os-flavor-access",
        lambda answer: [each["tenant_id"] for each in answer["flavor_access"]],
        "/flavors/{}/action",
        ("addTenantAccess", "removeTenantAccess"),
        "tenant",
    ),
    "type_access": _actions(
        CINDER,
        "/types/{}/os-volume-type-access",
        lambda answer: [each["project_id"] for each in answer["volume_type_access"]],
        "/types/{}/action",
        ("addProjectAccess", "removeProjectAccess"),
        "project",
    ),
    "aggregate_hosts": _actions(
        NOVA,
        "/os-aggregates/{}",
        lambda answer: answer["aggregate"]["hosts"],
        "/os-aggregates/{}/action",
        ("add_host", "remove_host"),
        "host",
    ),
    "aggregate_metadata": Way(read=_metadata_read, add=_metadata_add, remove=_metadata_remove),
    "qos_associations": Way(read=_associated, add=_associate, remove=_dissociate),
    "image_members": Way(read=_members, add=_admit, remove=_dismiss),
    "type_encryptions": Way(read=_encryption, add=_encrypt, remove=_decrypt, whole=True),
    "extra_routes": Way(read=_routes, add=_add_routes, remove=_remove_routes),
    "router_gateways": Way(read=_gateway, add=_lead_out, remove=_shut, whole=True),
    "trunk_ports": Way(read=_sub_ports, add=_add_ports, remove=_remove_ports),
}
