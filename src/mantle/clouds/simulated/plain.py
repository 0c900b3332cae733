"""Plain objects and settings in memory: what every kind of `clouds/plain.py` has in common."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mantle.clouds.plain import KINDS, PlainKind
from mantle.clouds.ports import Missing, PlainObject, PlainSpec, Refused, Unavailable
from mantle.clouds.simulated.faults import Faults, Moment
from mantle.clouds.simulated.kinds import Kind, Needs
from mantle.clouds.simulated.world import World
from mantle.model.ids import ProjectId

GIVEN_ELSEWHERE = frozenset({"default"})
"""Ids that every cloud has: Keystone's first domain."""


def alike(kind: str, spec: Any) -> tuple[Any, ...]:
    """What makes such an object the only one; nothing where there can be several."""
    known = KINDS.get(kind)
    if known is None or not known.once:
        return ()
    return tuple(_value(spec, name) for name in known.once)


def _value(spec: PlainSpec, name: str) -> Any:
    return getattr(spec, name) if name in {"name", "parent_id"} else spec.fields.get(name)


def _kind(known: PlainKind) -> Kind:
    def make(_: World, __: ProjectId, base: dict[str, Any], spec: PlainSpec) -> PlainObject:
        fields = {name: each for name, each in spec.fields.items() if name not in known.secrets}
        return PlainObject(
            **base,
            spec=replace(spec, fields=fields),
            kind=known.name,
            told={**fields, "id": base["id"], "name": spec.name},
        )

    def needs(spec: PlainSpec) -> Needs:
        found = [
            (collection, spec.fields.get(name))
            for name, collection in known.refers.items()
            if spec.fields.get(name) not in GIVEN_ELSEWHERE
        ]
        return [*found, (known.parent, spec.parent_id)] if known.parent else found

    def id_of(spec: PlainSpec) -> str:
        return str(_value(spec, known.given_id) or "")

    def seen(world: World, project: ProjectId, found: Any) -> PlainObject:
        parts = {
            name: _AS_TOLD.get(setting, dict)(world.settings.get((project, setting, found.id), {}))
            for name, setting in known.tells.items()
        }
        plain: PlainObject = found
        return replace(plain, told={**plain.told, **parts})

    return Kind(
        name=known.name,
        make=make,
        needs=needs,
        id_of=id_of if known.given_id else None,
        related=seen if known.tells else None,
    )


def _sub_ports(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    split = {port: str(value).split(" ") for port, value in values.items()}
    return [
        {"port_id": port, "segmentation_type": kind, "segmentation_id": int(number)}
        for port, (kind, number) in split.items()
    ]


_AS_TOLD: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "aggregate_hosts": list,
    "trunk_ports": _sub_ports,
}
"""How a service tells these settings with their object; the others are maps there as well."""


PLAIN: Mapping[str, Kind] = {name: _kind(known) for name, known in KINDS.items()}


class SimulatedSettings:
    """One kind of setting of one project."""

    def __init__(self, world: World, faults: Faults, project: ProjectId, kind: str) -> None:
        self._world = world
        self._faults = faults
        self._project = project
        self._kind = kind

    async def get(self, target: str) -> Mapping[str, Any]:
        """What is set; nothing is no target."""
        await self._arrives("get")
        found = self._world.settings.get((self._project, self._kind, target))
        if found is None:
            raise Missing(f"{self._kind}: nothing is set at {target!r}.")
        return found

    async def put(self, target: str, values: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        """What was put there before and is no longer wanted goes."""
        await self._arrives("put")
        if not target:
            raise Refused(f"{self._kind}: a target is needed.")
        slot = (self._project, self._kind, target)
        old = self._world.settings.get(slot, {})
        kept = {name: each for name, each in old.items() if name not in before}
        self._world.settings[slot] = {**kept, **values}
        self._replies("put")

    async def drop(self, target: str, values: Mapping[str, Any]) -> None:
        """These go; an empty target is forgotten."""
        await self._arrives("drop")
        held = self._world.settings.get((self._project, self._kind, target), {})
        for name in values:
            held.pop(name, None)
        if not held:
            self._world.settings.pop((self._project, self._kind, target), None)
        self._replies("drop")

    async def _arrives(self, verb: str) -> None:
        self._world.calls += 1
        if self._faults.latency_seconds:
            await asyncio.sleep(self._faults.latency_seconds)
        if self._faults.hook is not None:
            self._faults.hook(Moment.BEFORE, f"{self._kind}.{verb}")
        if self._faults.strikes(self._faults.lost_request):
            raise Unavailable(f"{self._kind}.{verb}: the request was lost (simulated).")

    def _replies(self, verb: str) -> None:
        if self._faults.hook is not None:
            self._faults.hook(Moment.AFTER, f"{self._kind}.{verb}")
        if self._faults.strikes(self._faults.lost_reply):
            raise Unavailable(f"{self._kind}.{verb}: the reply was lost (simulated).")
