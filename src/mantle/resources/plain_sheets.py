"""What the types that are plain objects say of themselves: a sheet each."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mantle.model.schema import Neighbourhood, ResourceSchema
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context

Resolve = Callable[[Context, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class To:
    """The field that a property becomes, and how its value becomes the field's."""

    name: str
    resolve: Resolve
    kind: str = ""
    """The resource type that an id there is of, when it is one."""
    back: Callable[[Mapping[str, Any], Peers], Any] | None = None
    """The property's value, from all the fields; None: the field's own, or what has its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A property that the service is told by requests of its own."""

    setting: str
    values: Callable[[Context, Any], Awaitable[Mapping[str, Any]]]
    told: str = ""
    """The field that the service tells it in, with the object (`PlainKind.tells`)."""
    back: Callable[[Any, Peers], Any] | None = None
    """The property's value, from that field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All that differs from one plain type to the next."""

    schema: ResourceSchema
    kind: str
    """A name of `clouds/plain.py`."""
    fields: Mapping[str, str | To] = field(default_factory=dict)
    """Property to field. A property that is not given is no field: the service chooses."""
    always: Mapping[str, Any] = field(default_factory=dict)
    """Fields that are the same for every object of the type."""
    named: bool = True
    """Whether the object has a name of its own."""
    parent: tuple[str, Resolve] | None = None
    """The property that says what it lives below."""
    parts: Mapping[str, Part] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Attribute to field, where they differ or are no property; see `_attributes`."""
    admin_only: bool = False
    check: Callable[[Mapping[str, Any]], list[str]] | None = None
    neighbours: Callable[[Mapping[str, Any], Neighbourhood], tuple[str, ...]] | None = None
    replace_when: Callable[[Mapping[str, Any], Mapping[str, Any]], str | None] | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Properties that cannot be read back from an object, with why; see `plain_back.py`."""
    unique: tuple[str, ...] = ()
    """Properties that only one object can have together: an old one goes first."""
