"""Servers: boot, change, resize, rebuild, power, console.

Note on resizing. Nova resizes and then waits for somebody to confirm. A tag written before the
resize says that Mantle is that somebody; whoever next looks at the server and finds it waiting
confirms. So nothing that a restart could forget is needed, and a resize that a person began is
left for that person to confirm.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from mantle.clouds import ports as p
from mantle.clouds.openstack import marks, states
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.collection import RestCollection
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.facts import Facts
from mantle.clouds.openstack.kind import Kind, Raw, Search, given
from mantle.clouds.openstack.networks import Ports
from mantle.model.ids import Token

NOVA = Service.COMPUTE
RESIZING = "mantle-resizing"

POWER: Mapping[p.Power, tuple[dict[str, Any], p.ObjectStatus]] = {
    p.Power.ON: ({"os-start": None}, p.ObjectStatus.ACTIVE),
    p.Power.OFF: ({"os-stop": None}, p.ObjectStatus.STOPPED),
    p.Power.REBOOT: ({"reboot": {"type": "SOFT"}}, p.ObjectStatus.BUILDING),
    p.Power.HARD_REBOOT: ({"reboot": {"type": "HARD"}}, p.ObjectStatus.DELETING),
    p.Power.SUSPEND: ({"suspend": None}, p.ObjectStatus.SUSPENDED),
    p.Power.RESUME: ({"resume": None}, p.ObjectStatus.ACTIVE),
}
"""The action, and the state in which there is nothing left to do."""

DEEDS = {"migrate": p.Move.COLD.value, "live-migration": p.Move.LIVE.value}
"""Nova's names of what was done to a server that differ from ours."""


def _read(raw: Raw, by_mac: Mapping[str, str]) -> p.Server:
    image = raw.get("image") or {}
    tags = raw.get("tags") or ()
    return p.Server(
        id=raw["id"],
        name=raw.get("name") or "",
        token=marks.tagged(tags),
        status=states.server_status(raw),
        fault=(raw.get("fault") or {}).get("message", ""),
        created_at=states.seconds(raw.get("created")),
        spec=p.ServerSpec(
            name=raw.get("name") or "",
            flavor=(raw.get("flavor") or {}).get("original_name", ""),
            image=image.get("id") if isinstance(image, Mapping) else None,
            key_name=raw.get("key_name"),
            metadata=dict(raw.get("metadata") or {}),
            security_groups=tuple(
                sorted({each["name"] for each in raw.get("security_groups") or ()})
            ),
            availability_zone=raw.get("OS-EXT-AZ:availability_zone") or None,
            config_drive=True if raw.get("config_drive") else None,
            tags=marks.other_tags(tags),
        ),
        addresses=tuple(
            _address(network, each, by_mac)
            for network, entries in (raw.get("addresses") or {}).items()
            for each in entries
        ),
        host=raw.get("OS-EXT-SRV-ATTR:host") or raw.get("hostId") or "",
        instance_name=raw.get("OS-EXT-SRV-ATTR:instance_name") or "",
    )


def _address(network: str, raw: Raw, by_mac: Mapping[str, str]) -> p.Address:
    mac = raw.get("OS-EXT-IPS-MAC:mac_addr") or ""
    return p.Address(
        address=raw["addr"],
        network=network,
        version=raw["version"],
        type=raw.get("OS-EXT-IPS:type") or "fixed",
        mac_address=mac,
        port_id=by_mac.get(mac, ""),
    )


SERVERS = Kind(
    name="servers",
    noun="server",
    service=NOVA,
    path="/servers",
    one="server",
    many="servers",
    details="/detail",
    search=Search.TAGS,
    body=lambda spec, token: given(
        {
            "name": spec.name,
            "key_name": spec.key_name,
            "user_data": base64.b64encode(spec.user_data.encode()).decode()
            if spec.user_data
            else None,
            "metadata": dict(spec.metadata) or None,
            "availability_zone": spec.availability_zone,
            "config_drive": spec.config_drive,
            "adminPass": spec.admin_password,
            "security_groups": [{"name": each} for each in spec.security_groups] or None,
            "networks": [_nic(each) for each in spec.nics] or ("none" if spec.no_nics else "auto"),
            "OS-DCF:diskConfig": spec.disk_config,
            "tags": [marks.tag(token), *spec.tags],
        }
    ),
    read=lambda raw: _read(raw, {}),
    token_of=lambda raw: marks.tagged(raw.get("tags") or ()),
)


def _nic(nic: p.Nic) -> dict[str, str]:
    if nic.port_id is not None:
        return given({"port": nic.port_id, "tag": nic.tag})
    return given({"uuid": nic.network_id, "fixed_ip": nic.fixed_ip, "tag": nic.tag})


class OpenStackServers(RestCollection[p.ServerSpec, p.Server]):
    """Servers have power and a console besides."""

    def __init__(self, kind: Kind, caller: Caller, facts: Facts, ports: Ports) -> None:
        super().__init__(kind, caller)
        self._facts = facts
        self._ports = ports
        self._explanations: dict[tuple[str, str], str] = {}

    def _object(self, raw: Raw) -> p.Server:
        server = _read(raw, self._ports.by_mac)
        if server.token:
            self._tokens[server.id] = server.token
        return server

    async def make(self, spec: p.ServerSpec, token: Token) -> Raw:
        fields = self.kind.body(spec, token)
        fields["flavorRef"] = await self._facts.flavors.id_of(spec.flavor)
        if spec.image is not None:
            fields["imageRef"] = await self._facts.images.id_of(spec.image)
        if spec.block_devices:
            fields["block_device_mapping_v2"] = [
                await self._disk(at, each) for at, each in enumerate(spec.block_devices)
            ]
            if spec.image is not None:
                fields["block_device_mapping_v2"].insert(0, _root(fields["imageRef"]))
        body: dict[str, Any] = {"server": fields}
        if spec.scheduler_hints:
            body["os:scheduler_hints"] = dict(spec.scheduler_hints)
        self._ports.doubt()
        made = (await self.caller.post(NOVA, "/servers", body))["server"]
        # The answer to a boot is little more than an id; what was asked for fills it.
        return {
            **made,
            "name": spec.name,
            "status": "BUILD",
            "tags": fields["tags"],
            "metadata": dict(spec.metadata),
            "flavor": {"original_name": spec.flavor},
            "image": {"id": fields["imageRef"]} if "imageRef" in fields else "",
        }

    async def _disk(self, at: int, disk: p.BlockDevice) -> dict[str, Any]:
        """One entry of Nova's second format."""
        if disk.swap_mib is not None or disk.ephemeral_gib is not None:
            return _scratch(disk)
        if disk.volume_id is not None:
            source: dict[str, Any] = {"source_type": "volume", "uuid": disk.volume_id}
        elif disk.snapshot_id is not None:
            source = {"source_type": "snapshot", "uuid": disk.snapshot_id}
        elif disk.image is not None:
            image = await self._facts.images.id_of(disk.image)
            source = {"source_type": "image", "uuid": image}
        else:
            source = {"source_type": "blank"}
        # Of several disks the first without a place of its own is booted from, if it has a system.
        first = 0 if at == 0 and disk.image is not None else -1
        index = disk.boot_index if disk.boot_index is not None else first
        return given(
            {
                **source,
                "destination_type": "volume",
                "volume_size": disk.size_gib,
                "boot_index": index,
                "device_name": disk.device_name,
                "delete_on_termination": disk.delete_on_termination,
                "device_type": disk.device_type,
                "disk_bus": disk.disk_bus,
                "volume_type": disk.volume_type,
            }
        )

    async def seen(self, raws: Sequence[Raw]) -> Sequence[Raw]:
        """What waits for Mantle's confirmation is confirmed."""
        return list(await asyncio.gather(*(self._settled(raw) for raw in raws)))

    async def _explained(self, raw: Raw) -> Raw:
        """In ERROR, with the action that ended so and its request: what an operator looks for."""
        said = str((raw.get("fault") or {}).get("message") or "no reason was given").rstrip(".")
        known = (raw["id"], said)
        if known not in self._explanations:
            actions: list[Raw] = []
            with suppress(p.CloudError):
                path = f"/servers/{raw['id']}/os-instance-actions"
                actions = (await self.caller.get(NOVA, path))["instanceActions"]
            last = actions[0] if actions else {}
            told = f"Nova: {last.get('action', 'create')}: {said}"
            request = f", request {last['request_id']}" if last.get("request_id") else ""
            if len(self._explanations) > 1000:
                self._explanations.clear()
            self._explanations[known] = told + request
        return {**raw, "fault": {"message": self._explanations[known]}}

    async def _settled(self, raw: Raw) -> Raw:
        if raw.get("status") == "ERROR":
            return await self._explained(raw)
        if RESIZING not in (raw.get("tags") or ()) or raw.get("OS-EXT-STS:task_state"):
            return raw
        # Two who look at the same moment confirm twice: the second is told that nothing waits.
        with suppress(p.Clash, p.Missing, p.Refused):
            if raw.get("status") == "VERIFY_RESIZE":
                await self._act(raw["id"], {"confirmResize": None})
            elif raw.get("status") in {"ACTIVE", "SHUTOFF"}:
                await self.caller.delete(NOVA, f"/servers/{raw['id']}/tags/{RESIZING}")
        return raw

    async def get(self, object_id: str) -> p.Server:
        raw = await self.raw(object_id)
        if raw.get("status") != "BUILD":
            # Its ports are now as the server made them.
            self._ports.doubt()
        if raw.get("status") == "ACTIVE" and self._unknown(raw):
            for each in await self._ports.raws(("device_id", object_id)):
                self._ports.by_mac[each["mac_address"]] = each["id"]
        return self._object(raw)

    def _unknown(self, raw: Raw) -> bool:
        return any(
            each.get("OS-EXT-IPS-MAC:mac_addr") not in self._ports.by_mac
            for entries in (raw.get("addresses") or {}).values()
            for each in entries
        )

    # --- changing ----------------------------------------------------------------------------

    async def update(self, object_id: str, spec: p.ServerSpec) -> p.Server:
        """Name, metadata, tags and interfaces at once; a resize last, for it takes its time."""
        raw = await self.own(object_id)
        path = f"/servers/{object_id}"
        if spec.name != raw["name"]:
            await self.caller.put(NOVA, path, {"server": {"name": spec.name}})
        if dict(spec.metadata) != (raw.get("metadata") or {}):
            await self.caller.put(NOVA, f"{path}/metadata", {"metadata": dict(spec.metadata)})
        tags = raw.get("tags") or ()
        if sorted(spec.tags) != list(marks.other_tags(tags)):
            own = [each for each in tags if each.startswith("mantle")]
            await self.caller.put(NOVA, f"{path}/tags", {"tags": [*own, *spec.tags]})
        if spec.nics:
            await self._rewire(object_id, spec.nics)
        if spec.admin_password is not None:
            await self._act(object_id, {"changePassword": {"adminPass": spec.admin_password}})
        if spec.flavor not in {"", (raw.get("flavor") or {}).get("original_name")}:
            await self._resize(raw, await self._facts.flavors.id_of(spec.flavor))
        return await self.get(object_id)

    async def _resize(self, raw: Raw, flavor_id: str) -> None:
        current = (raw.get("flavor") or {}).get("original_name", "")
        if raw.get("status") in {"RESIZE", "VERIFY_RESIZE"}:
            return
        if current and await self._facts.flavors.id_of(current) == flavor_id:
            return
        await self.caller.put(NOVA, f"/servers/{raw['id']}/tags/{RESIZING}")
        await self._act(raw["id"], {"resize": {"flavorRef": flavor_id}})

    async def remove(self, object_id: str) -> None:
        self._ports.forget()
        await super().remove(object_id)

    async def _rewire(self, server_id: str, nics: Sequence[p.Nic]) -> None:
        """Attach what is wanted and not there, detach what is there and not wanted."""
        self._ports.forget()
        left = list(await self._ports.raws(("device_id", server_id)))
        missing = []
        for nic in nics:
            fits = next((each for each in left if _serves(each, nic)), None)
            if fits is None:
                missing.append(nic)
            else:
                left.remove(fits)
        for port in left:
            await self.caller.delete(NOVA, f"/servers/{server_id}/os-interface/{port['id']}")
        for nic in missing:
            body = (
                given({"port_id": nic.port_id, "tag": nic.tag})
                if nic.port_id is not None
                else given(
                    {
                        "net_id": nic.network_id,
                        "fixed_ips": [{"ip_address": nic.fixed_ip}] if nic.fixed_ip else None,
                    }
                )
            )
            path = f"/servers/{server_id}/os-interface"
            await self.caller.post(NOVA, path, {"interfaceAttachment": body})

    async def rebuild(self, server_id: str, spec: p.ServerSpec) -> p.Server:
        await self.own(server_id)
        fields: dict[str, Any] = {"name": spec.name}
        if spec.image is not None:
            fields["imageRef"] = await self._facts.images.id_of(spec.image)
        if spec.user_data:
            fields["user_data"] = base64.b64encode(spec.user_data.encode()).decode()
        await self._act(server_id, {"rebuild": fields})
        return await self.get(server_id)

    async def power(self, server_id: str, power: p.Power) -> None:
        raw = await self.own(server_id)
        action, already = POWER[power]
        if states.server_status(raw) is already:
            return
        await self._act(server_id, action)

    async def resize(self, server_id: str, flavor: str) -> None:
        raw = await self.own(server_id)
        await self._resize(raw, await self._facts.flavors.id_of(flavor))

    async def migrate(self, server_id: str, how: p.Move, host: str | None) -> None:
        await self.own(server_id)
        if how is p.Move.LIVE:
            await self._act(
                server_id, {"os-migrateLive": {"host": host, "block_migration": "auto"}}
            )
            return
        # Nova waits for a confirmation as after a resize, and the same tag says whose it is.
        await self.caller.put(NOVA, f"/servers/{server_id}/tags/{RESIZING}")
        await self._act(server_id, {"migrate": {"host": host} if host else None})

    async def deeds(self, server_id: str) -> Sequence[p.Deed]:
        await self.own(server_id)
        answer = await self.caller.get(NOVA, f"/servers/{server_id}/os-instance-actions")
        return [
            p.Deed(
                id=each["request_id"],
                verb=DEEDS.get(each["action"], each["action"]),
                at=states.seconds(each.get("start_time")),
            )
            for each in answer["instanceActions"]
        ]

    async def console(self, server_id: str, lines: int) -> str:
        await self.own(server_id)
        if lines <= 0:
            return ""
        answer = await self._act(server_id, {"os-getConsoleOutput": {"length": lines}})
        return str((answer or {}).get("output") or "")

    async def _act(self, server_id: str, action: dict[str, Any]) -> Any:
        return await self.caller.post(NOVA, f"/servers/{server_id}/action", action)


def _scratch(disk: p.BlockDevice) -> dict[str, Any]:
    """Swap or a second disk on the host itself. Nova counts swap in mebibytes, here alone."""
    swap = disk.swap_mib is not None
    return given(
        {
            "source_type": "blank",
            "destination_type": "local",
            "guest_format": "swap" if swap else disk.ephemeral_format,
            "volume_size": disk.swap_mib if swap else disk.ephemeral_gib,
            "boot_index": -1,
            "delete_on_termination": True,
            "device_name": disk.device_name,
            "device_type": disk.device_type,
            "disk_bus": disk.disk_bus,
        }
    )


def _root(image_id: str) -> dict[str, Any]:
    """An image beside other disks has to be named as the one to boot from."""
    return {
        "source_type": "image",
        "uuid": image_id,
        "destination_type": "local",
        "boot_index": 0,
        "delete_on_termination": True,
    }


def _serves(port: Raw, nic: p.Nic) -> bool:
    if nic.port_id is not None:
        return bool(port["id"] == nic.port_id)
    addresses = {each["ip_address"] for each in port["fixed_ips"]}
    return port["network_id"] == nic.network_id and (
        nic.fixed_ip is None or nic.fixed_ip in addresses
    )


# --- groups ----------------------------------------------------------------------------------


def _group_token(raw: Raw) -> Token:
    return marks.described(raw["name"])[1]


def _group(raw: Raw) -> p.ServerGroup:
    name, token = marks.described(raw["name"])
    return p.ServerGroup(
        id=raw["id"],
        name=name,
        token=token,
        spec=p.ServerGroupSpec(
            name=name,
            policy=raw["policy"],
            max_servers_per_host=(raw.get("rules") or {}).get("max_server_per_host"),
        ),
    )


def _group_body(spec: p.ServerGroupSpec, token: Token) -> dict[str, Any]:
    """A group has nothing but its name to carry a token."""
    limit = spec.max_servers_per_host
    return given(
        {
            "name": marks.description(spec.name, token),
            "policy": spec.policy,
            "rules": None if limit is None else {"max_server_per_host": limit},
        }
    )


SERVER_GROUPS = Kind(
    name="server_groups",
    noun="server group",
    service=NOVA,
    path="/os-server-groups",
    one="server_group",
    many="server_groups",
    search=Search.NONE,
    body=_group_body,
    fixed=lambda spec, raw: "policy" if spec != _group(raw).spec else "",
    read=_group,
    token_of=_group_token,
)
