"""What joins two Neutron objects and is none itself: router interfaces, floating addresses' ends.

An interface is a port. Mantle makes that port itself, marked like any other, and then gives it to
the router: so the token is in the cloud before the deed, and after a crash the port is found, on
its router or not yet. Its name says which router it is for.

An association is a field of a floating address; a tag is written there first.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from mantle.clouds import ports as p
from mantle.clouds.openstack import marks
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.collection import RestCollection
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.kind import Raw
from mantle.clouds.openstack.networks import base
from mantle.model.ids import Token

NET = Service.NETWORK
NAME = "mantle-interface-"
INTERFACE_TAG = "mantle-interface:"
ASSOCIATION_TAG = "mantle-association:"


def _tag_path(path: str, object_id: str, tag: str) -> str:
    return f"{path}/{object_id}/tags/{quote(tag, safe='')}"


def _with_prefix(raw: Raw, prefix: str) -> Token:
    tags = raw.get("tags") or ()
    return Token(next((each.removeprefix(prefix) for each in tags if each.startswith(prefix)), ""))


class RouterInterfaces:
    """A router on a subnet, or on a port made before."""

    def __init__(
        self, caller: Caller, ports: RestCollection[Any, Any], subnets: RestCollection[Any, Any]
    ) -> None:
        self._caller = caller
        self._ports = ports
        self._subnets = subnets
        self._locks: dict[Token, asyncio.Lock] = {}

    async def create(self, spec: p.RouterInterfaceSpec, token: Token) -> p.RouterInterface:
        async with self._locks.setdefault(token, asyncio.Lock()):
            try:
                raw = await self._marked(token)
                if raw is None:
                    raw = await self._port_for(spec, token)
                if not _is_interface(raw):
                    await self._join(spec.router_id, raw["id"])
                    raw = {**raw, "device_id": spec.router_id}
                return _interface(raw, token)
            finally:
                self._locks.pop(token, None)

    async def find(self, token: Token) -> p.RouterInterface | None:
        """What a crash left half done is finished here: the port's name says where it belongs."""
        raw = await self._marked(token)
        if raw is None:
            return None
        if not _is_interface(raw):
            router_id = str(raw.get("name", "")).removeprefix(NAME)
            if not router_id or router_id == raw.get("name"):
                return None
            await self._join(router_id, raw["id"])
            raw = {**raw, "device_id": router_id}
        return _interface(raw, token)

    async def get(self, object_id: str) -> p.RouterInterface:
        return _interface(await self._raw(object_id))

    async def list(self) -> Sequence[p.RouterInterface]:
        found = [
            _interface(raw)
            for owner in OWNERS
            for raw in await self._ports.raws(("device_owner", owner))
        ]
        return sorted(found, key=lambda each: each.created_at)

    async def update(self, object_id: str, spec: p.RouterInterfaceSpec) -> p.RouterInterface:
        found = await self.get(object_id)
        if found.spec != spec:
            raise p.Refused("A router interface cannot change.", remedy="Have it replaced.")
        return found

    async def delete(self, object_id: str) -> None:
        raw = await self._raw(object_id)
        path = f"/routers/{raw['device_id']}/remove_router_interface"
        await self._caller.put(NET, path, {"port_id": raw["id"]})
        self._ports.forget()

    # --- inside ------------------------------------------------------------------------------

    async def _port_for(self, spec: p.RouterInterfaceSpec, token: Token) -> Raw:
        if spec.port_id is not None:
            path = _tag_path("/ports", spec.port_id, INTERFACE_TAG + token)
            await self._caller.put(NET, path)
            raw: Raw = (await self._caller.get(NET, f"/ports/{spec.port_id}"))["port"]
            return raw
        assert spec.subnet_id is not None, "a subnet or a port is given"
        subnet = await self._subnets.raw(spec.subnet_id)
        if not subnet["gateway_ip"]:
            raise p.Refused(
                f"Subnet {spec.subnet_id} has no gateway address for the router to take.",
                remedy="Give the subnet a gateway_ip, or the interface a port.",
            )
        fixed = {"subnet_id": spec.subnet_id, "ip_address": subnet["gateway_ip"]}
        body = {
            "name": f"{NAME}{spec.router_id}",
            "network_id": subnet["network_id"],
            "fixed_ips": [fixed],
            "security_groups": [],
            "description": marks.description("", token),
        }
        made: Raw = (await self._caller.post(NET, "/ports", {"port": body}))["port"]
        return made

    async def _join(self, router_id: str, port_id: str) -> None:
        path = f"/routers/{quote(router_id, safe='')}/add_router_interface"
        await self._caller.put(NET, path, {"port_id": port_id})
        self._ports.forget()

    async def _marked(self, token: Token) -> Raw | None:
        for param in (
            ("description", marks.description("", token)),
            ("tags", INTERFACE_TAG + token),
        ):
            for raw in await self._ports.raws(param):
                return raw
        return None

    async def _raw(self, object_id: str) -> Raw:
        router_id, _, rest = object_id.partition(":")
        what, _, other = rest.partition("=")
        params = {
            "subnet_id": ("fixed_ips", f"subnet_id={other}"),
            "port_id": ("id", other),
        }
        found = (
            await self._ports.raws(("device_id", router_id), params[what])
            if what in params and other
            else []
        )
        for raw in found:
            if _is_interface(raw):
                return raw
        raise p.Missing(f"There is no router interface {object_id!r} in this project.")


OWNERS = (
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
)


def _is_interface(raw: Raw) -> bool:
    return raw.get("device_owner") in OWNERS


def _interface(raw: Raw, token: Token | None = None) -> p.RouterInterface:
    tag = _with_prefix(raw, INTERFACE_TAG)
    own = marks.described(raw.get("description"))[1] if _is_own_port(raw) else Token("")
    router_id = raw["device_id"]
    if tag:
        spec = p.RouterInterfaceSpec(router_id=router_id, port_id=raw["id"])
        object_id = f"{router_id}:port_id={raw['id']}"
    else:
        subnet_id = raw["fixed_ips"][0]["subnet_id"] if raw.get("fixed_ips") else ""
        spec = p.RouterInterfaceSpec(router_id=router_id, subnet_id=subnet_id)
        object_id = f"{router_id}:subnet_id={subnet_id}"
    facts = {**base(raw), "id": object_id, "name": "", "token": token or tag or own}
    return p.RouterInterface(**facts, spec=spec)


def _is_own_port(raw: Raw) -> bool:
    return str(raw.get("name", "")).startswith(NAME)


class Associations:
    """A floating address's end, as an object of its own."""

    def __init__(self, caller: Caller, floating: RestCollection[Any, Any]) -> None:
        self._caller = caller
        self._floating = floating

    async def create(
        self, spec: p.FloatingIpAssociationSpec, token: Token
    ) -> p.FloatingIpAssociation:
        raw = await self._floating.own(spec.floating_ip_id)
        if _with_prefix(raw, ASSOCIATION_TAG) != token:
            await self._retag(raw, token)
        return await self._lead(spec, token)

    async def find(self, token: Token) -> p.FloatingIpAssociation | None:
        for raw in await self._floating.raws(("tags", ASSOCIATION_TAG + token)):
            if raw.get("port_id"):
                return _association(raw)
        return None

    async def get(self, object_id: str) -> p.FloatingIpAssociation:
        return _association(await self._raw(object_id))

    async def list(self) -> Sequence[p.FloatingIpAssociation]:
        found = [
            _association(raw)
            for raw in await self._floating.raws()
            if raw.get("port_id") and _with_prefix(raw, ASSOCIATION_TAG)
        ]
        return sorted(found, key=lambda each: each.created_at)

    async def update(
        self, object_id: str, spec: p.FloatingIpAssociationSpec
    ) -> p.FloatingIpAssociation:
        raw = await self._raw(object_id)
        return await self._lead(spec, _with_prefix(raw, ASSOCIATION_TAG))

    async def delete(self, object_id: str) -> None:
        raw = await self._raw(object_id)
        await self._change(object_id, {"port_id": None})
        await self._retag(raw, None)

    async def _raw(self, object_id: str) -> Raw:
        raw = await self._floating.own(object_id)
        if not raw.get("port_id") or not _with_prefix(raw, ASSOCIATION_TAG):
            raise p.Missing(f"The floating address {object_id!r} leads nowhere.")
        return raw

    async def _lead(
        self, spec: p.FloatingIpAssociationSpec, token: Token
    ) -> p.FloatingIpAssociation:
        change: dict[str, Any] = {"port_id": spec.port_id}
        if spec.fixed_ip_address:
            change["fixed_ip_address"] = spec.fixed_ip_address
        raw = await self._change(spec.floating_ip_id, change)
        return _association(raw, token)

    async def _change(self, object_id: str, change: dict[str, Any]) -> Raw:
        answer = await self._caller.put(NET, f"/floatingips/{object_id}", {"floatingip": change})
        self._floating.forget()
        raw: Raw = answer["floatingip"]
        return raw

    async def _retag(self, raw: Raw, token: Token | None) -> None:
        kept = [each for each in raw.get("tags") or () if not each.startswith(ASSOCIATION_TAG)]
        tags = [*kept, ASSOCIATION_TAG + token] if token else kept
        await self._caller.put(NET, f"/floatingips/{raw['id']}/tags", {"tags": tags})


def _association(raw: Raw, token: Token | None = None) -> p.FloatingIpAssociation:
    return p.FloatingIpAssociation(
        **{
            **base(raw),
            "name": "",
            "token": token or _with_prefix(raw, ASSOCIATION_TAG),
            "status": p.ObjectStatus.ACTIVE,
        },
        spec=p.FloatingIpAssociationSpec(
            floating_ip_id=raw["id"],
            port_id=raw["port_id"],
            fixed_ip_address=raw.get("fixed_ip_address"),
        ),
    )
