"""The way back: from an object to the properties that ask for it.

A type writes down its `spec(ctx)`, and beside it `written(found, peer)`, which is read against it:
each property is what the spec says, ids of objects that are taken over together become references.
What a cloud does not tell is in `unreadable`, by name, and never guessed.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mantle.clouds.ports import CloudObject
from mantle.model.schema import Property, ResourceSchema
from mantle.resources.kit import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """The objects that are taken over together, by type and id. A call gives what refers to one."""

    objects: Mapping[tuple[str, str], CloudObject] = field(default_factory=dict)
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """What their resources are called."""

    def __call__(self, kind: str, object_id: str | None) -> Any:
        """A reference to a peer, else the id itself, else None."""
        if not object_id:
            return None
        name = self.names.get((kind, object_id))
        return object_id if name is None else {"get_resource": name}

    def find(self, kind: str, object_id: str | None) -> Any:
        """The peer with this id, if it is one."""
        return self.objects.get((kind, object_id or ""))


def nothing_elsewhere(_: Any, __: Peers) -> frozenset[str]:
    """For types whose spec is theirs alone."""
    return frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverse:
    """How a type's objects are read back."""

    written: Callable[[Any, Peers], Mapping[str, Any]]
    """The properties; those that are None, empty or the schema's default are left out."""
    spec: Callable[[Context], Awaitable[Any]]
    """The type's own: what the properties ask for must be what is there."""
    dry_spec: Callable[[Context], Awaitable[Any]]
    """The same without making anything: to try a value out."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Property to why it cannot be read back."""
    unseen: frozenset[str] = frozenset()
    """The spec's fields that the unreadable properties would set."""
    elsewhere: Callable[[Any, Peers], frozenset[str]] = nothing_elsewhere
    """Fields that a peer asks for instead."""

    def properties(self, schema: ResourceSchema, found: Any, peers: Peers) -> dict[str, Any]:
        """What stands in a template for this object."""
        values = self.written(found, peers)
        # What has no name is given none: a row notes the name its object has, also an empty one.
        return _kept(schema.properties, {**values, "name": values.get("name") or None})

    def differing(self, asked: Any, found: Any, peers: Peers) -> list[str]:
        """Fields of the object that its properties do not ask for; empty when all is said."""
        wanted = flat(msgspec.to_builtins(asked))
        there = msgspec.to_builtins(found)
        fields = {**there, **flat(there.get("spec") or {})}
        skipped = {"extra"} | self.unseen | self.elsewhere(found, peers)
        return sorted(
            name
            for name, value in wanted.items()
            if name in fields and name not in skipped and not _same(value, fields[name])
        )


def flat(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec as one map: a plain object's fields are beside its name."""
    own = dict(spec)
    fields = own.pop("fields", None) or {}
    return {**own, **fields}


def _same(one: Any, other: Any) -> bool:
    nothing: tuple[Any, ...] = (None, "", [], {})
    return one == other or (one in nothing and other in nothing)


def _kept(known: Mapping[str, Property], values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says nothing: a null, an empty list or map, the schema's default."""
    found = {}
    for name, value in values.items():
        schema = known.get(name)
        kept = _inside(schema, value)
        if kept is None or kept in ([], {}) or (schema is not None and kept == schema.default):
            continue
        found[name] = kept
    return found


def _inside(schema: Property | None, value: Any) -> Any:
    if schema is None:
        return value
    if isinstance(value, Mapping) and schema.fields is not None and "get_resource" not in value:
        return _kept(schema.fields, value)
    if isinstance(value, list) and schema.items is not None:
        return [_inside(schema.items, item) for item in value]
    return value
