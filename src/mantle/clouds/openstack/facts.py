"""What a cloud offers: flavors, images, quotas. Names become ids here."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from mantle.clouds import ports as p
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.errors import Service

FactT = TypeVar("FactT", bound=p.Flavor | p.Image)

KEPT_SECONDS = 60.0


class Offers(Generic[FactT]):
    """A list that seldom changes: read again after a minute, or when something is missed."""

    def __init__(self, noun: str, read: Callable[[], Awaitable[Sequence[FactT]]]) -> None:
        self._noun = noun
        self._read = read
        self._known: Sequence[FactT] = ()
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def all(self, *, anew: bool = False) -> Sequence[FactT]:
        """Every one of them."""
        asked = asyncio.get_running_loop().time()
        async with self._lock:
            now = asyncio.get_running_loop().time()
            # Whoever waited for the lock has just been answered by the one who held it.
            if self._until <= now or (anew and self._until - KEPT_SECONDS < asked):
                self._known = await self._read()
                self._until = now + KEPT_SECONDS
            return self._known

    def forget(self) -> None:
        """Something of it was made or deleted here."""
        self._until = 0.0

    async def id_of(self, name_or_id: str) -> str:
        """The id; `Refused` lists what there is."""
        for anew in (False, True):
            known = await self.all(anew=anew)
            for key in ("id", "name"):
                found = [each.id for each in known if getattr(each, key) == name_or_id]
                if len(found) == 1:
                    return found[0]
                if found:
                    raise p.Refused(
                        f"{len(found)} {self._noun}s are named {name_or_id!r}.",
                        remedy=f"Use one of their ids: {', '.join(found)}.",
                    )
        names = ", ".join(sorted(each.name for each in known)[:20]) or "none"
        raise p.Refused(f"There is no {self._noun} {name_or_id!r}.", remedy=f"There are: {names}.")


class Facts:
    """One project's."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.flavors = Offers("flavor", self._flavors)
        self.images = Offers("image", self._images)

    async def _flavors(self) -> Sequence[p.Flavor]:
        answer = await self._caller.get(Service.COMPUTE, "/flavors/detail")
        return [
            p.Flavor(
                id=each["id"],
                name=each["name"],
                vcpus=each["vcpus"],
                ram_mib=each["ram"],
                disk_gib=each["disk"],
            )
            for each in answer["flavors"]
        ]

    async def _images(self) -> Sequence[p.Image]:
        found: list[p.Image] = []
        marker: tuple[tuple[str, str], ...] = ()
        while True:
            answer = await self._caller.get(Service.IMAGE, "/images", ("limit", "500"), *marker)
            found += [_image(each) for each in answer["images"] if each["status"] == "active"]
            if "next" not in answer or not answer["images"]:
                return found
            marker = (("marker", answer["images"][-1]["id"]),)

    async def quotas(self) -> Sequence[p.Quota]:
        """Of each service that says them; without limit is not said."""
        door = await self._caller.door()
        asked = [
            self._asked(service, read)
            for service, read in (
                (Service.COMPUTE, self._of_compute),
                (Service.NETWORK, self._of_network),
                (Service.VOLUME, self._of_volumes),
            )
            if door.has(service)
        ]
        found = [quota for part in await asyncio.gather(*asked) for quota in part]
        return [each for each in found if each.limit >= 0]

    async def _asked(
        self, _: Service, read: Callable[[], Awaitable[list[p.Quota]]]
    ) -> list[p.Quota]:
        """A service that does not tell its quotas leaves them unknown."""
        try:
            return await read()
        except (p.Denied, p.Missing, p.Refused):
            return []

    async def _of_compute(self) -> list[p.Quota]:
        limits = await self._caller.get(Service.COMPUTE, "/limits")
        absolute = limits["limits"]["absolute"]
        return [_absolute(absolute, "servers", "totalInstancesUsed", "maxTotalInstances")]

    async def _of_volumes(self) -> list[p.Quota]:
        limits = await self._caller.get(Service.VOLUME, "/limits")
        absolute = limits["limits"]["absolute"]
        return [_absolute(absolute, "volumes", "totalVolumesUsed", "maxTotalVolumes")]

    async def _of_network(self) -> list[p.Quota]:
        project_id = (await self._caller.door()).project_id
        answer = await self._caller.get(Service.NETWORK, f"/quotas/{project_id}/details.json")
        quotas: dict[str, Any] = answer["quota"]
        return [
            p.Quota(
                what=what,
                used=quotas[name]["used"] + quotas[name].get("reserved", 0),
                limit=quotas[name]["limit"],
            )
            for name, what in NETWORK_QUOTAS
            if name in quotas
        ]


NETWORK_QUOTAS = (
    ("network", "networks"),
    ("subnet", "subnets"),
    ("port", "ports"),
    ("router", "routers"),
    ("floatingip", "floating_ips"),
    ("security_group", "security_groups"),
)


def _absolute(absolute: dict[str, int], what: str, used: str, limit: str) -> p.Quota:
    return p.Quota(what=what, used=absolute.get(used, 0), limit=absolute.get(limit, -1))


def _image(raw: dict[str, Any]) -> p.Image:
    return p.Image(
        id=raw["id"],
        name=raw.get("name") or "",
        description=raw.get("os_distro") or "",
        min_ram_mib=raw.get("min_ram") or 0,
    )
