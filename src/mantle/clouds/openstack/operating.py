"""What an operator sees and does: hosts, their guests, and the cloud's own services.

Nova, Neutron and Cinder each have services of their own and say them in their own way; a service's
id begins with whose it is (`compute:…`, `network:…`, `volume:binary@host`). All of it needs the
role admin there; a member's credentials are answered with `Denied`, which is the cloud's word.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mantle.clouds import ports as p
from mantle.clouds.openstack import states
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.errors import Service

NOVA, NEUTRON, CINDER = Service.COMPUTE, Service.NETWORK, Service.VOLUME


class Operating:
    """One project's credentials, looking at what belongs to no project."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def hosts(self) -> Sequence[p.Host]:
        """Every hypervisor, with what its compute service says of taking servers."""
        hypervisors, services = await asyncio.gather(
            self._caller.get(NOVA, "/os-hypervisors/detail"),
            self._caller.get(NOVA, "/os-services", ("binary", "nova-compute")),
        )
        by_host = {each["host"]: each for each in services["services"]}
        found = [_host(each, by_host) for each in hypervisors["hypervisors"]]
        return sorted(found, key=lambda host: host.name)

    async def guests(self, host: str) -> Sequence[p.Guest]:
        """Of all projects; a host without servers has none."""
        answer = await self._caller.get(NOVA, "/os-hypervisors/detail", ("with_servers", "true"))
        for each in answer["hypervisors"]:
            if host in {each["service"]["host"], each["hypervisor_hostname"]}:
                found = [
                    p.Guest(id=one["uuid"], name=one["name"]) for one in each.get("servers") or ()
                ]
                # Nova has their `instance names` here; people know the display names.
                return await self._named(host, found)
        raise p.Missing(f"There is no host {host!r}.")

    async def _named(self, host: str, guests: Sequence[p.Guest]) -> Sequence[p.Guest]:
        if not guests:
            return guests
        params = (("all_tenants", "1"), ("host", host))
        answer = await self._caller.get(NOVA, "/servers", *params)
        names = {each["id"]: each["name"] for each in answer["servers"]}
        found = [p.Guest(id=each.id, name=names.get(each.id, each.name)) for each in guests]
        return sorted(found, key=lambda guest: (guest.name, guest.id))

    async def services(self) -> Sequence[p.CloudService]:
        """Of the services that the catalog has."""
        door = await self._caller.door()
        asked = [self._compute()]
        if door.has(NEUTRON):
            asked.append(self._network())
        if door.has(CINDER):
            asked.append(self._volume())
        found = [each for part in await asyncio.gather(*asked) for each in part]
        return sorted(found, key=lambda each: (each.host, each.name))

    async def _compute(self) -> list[p.CloudService]:
        answer = await self._caller.get(NOVA, "/os-services")
        return [_service(f"compute:{each['id']}", each) for each in answer["services"]]

    async def _volume(self) -> list[p.CloudService]:
        answer = await self._caller.get(CINDER, "/os-services")
        return [
            _service(f"volume:{each['binary']}@{each['host']}", each) for each in answer["services"]
        ]

    async def _network(self) -> list[p.CloudService]:
        answer = await self._caller.get(NEUTRON, "/agents")
        return [
            p.CloudService(
                id=f"network:{each['id']}",
                name=each["agent_type"],
                host=each["host"],
                up=bool(each["alive"]),
                enabled=bool(each["admin_state_up"]),
                reason=each.get("description") or "",
                zone=each.get("availability_zone") or "",
                seen_at=states.seconds(each.get("heartbeat_timestamp")),
            )
            for each in answer["agents"]
        ]

    async def set_service(self, service_id: str, enabled: bool, reason: str) -> None:
        """Each service in its own words."""
        kind, _, rest = service_id.partition(":")
        binary, _, host = rest.partition("@")
        match kind:
            case "compute":
                change: dict[str, Any] = {"status": "enabled" if enabled else "disabled"}
                if not enabled and reason:
                    change["disabled_reason"] = reason
                await self._caller.put(NOVA, f"/os-services/{quote(rest, safe='')}", change)
            case "network":
                fields = {"admin_state_up": enabled, "description": "" if enabled else reason}
                path = f"/agents/{quote(rest, safe='')}"
                await self._caller.put(NEUTRON, path, {"agent": fields})
            case "volume" if host:
                fields = {"host": host, "binary": binary}
                verb = "enable" if enabled else "disable"
                if not enabled and reason:
                    verb, fields = "disable-log-reason", {**fields, "disabled_reason": reason}
                await self._caller.put(CINDER, f"/os-services/{verb}", fields)
            case _:
                raise p.Missing(f"There is no service {service_id!r}.")


def _host(raw: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]) -> p.Host:
    name = str(raw["service"]["host"])
    service = services.get(name, {})
    return p.Host(
        name=name,
        kind=raw.get("hypervisor_type") or "",
        up=raw.get("state") == "up",
        enabled=raw.get("status") == "enabled",
        reason=raw["service"].get("disabled_reason") or "",
        zone=service.get("zone") or "",
        vcpus=raw.get("vcpus") or 0,
        vcpus_used=raw.get("vcpus_used") or 0,
        ram_mib=raw.get("memory_mb") or 0,
        ram_used_mib=raw.get("memory_mb_used") or 0,
        servers=raw.get("running_vms") or 0,
    )


def _service(service_id: str, raw: Mapping[str, Any]) -> p.CloudService:
    return p.CloudService(
        id=service_id,
        name=raw["binary"],
        host=raw["host"],
        up=raw.get("state") == "up",
        enabled=raw.get("status") == "enabled",
        reason=raw.get("disabled_reason") or "",
        zone=raw.get("zone") or "",
        seen_at=states.seconds(raw.get("updated_at")),
    )
