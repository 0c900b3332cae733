"""Schemas are data: what a resource type's properties, attributes and parameters may be.

Resource types declare them, the template layer checks values against them, the planner reads the
update rules, and the API prints them. The names of kinds are those Heat prints.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from mantle.model.values import Call

EMPTY: Mapping[str, Any] = MappingProxyType({})


class Kind(StrEnum):
    """The type of a property or attribute, named as Heat's resource_types API names it."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    MAP = "map"
    LIST = "list"
    ANY = "any"


class OnChange(StrEnum):
    """What a changed property means for an existing resource."""

    REPLACE = "replace"
    """A new resource takes its place; the old one is deleted after dependents moved."""
    UPDATE = "update"
    """Changed in place."""
    REFUSE = "refuse"
    """The update is refused (Heat: immutable)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """Bounds of a string's, list's or map's length; None is open."""

    min: int | None = None
    max: int | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Inclusive bounds of a number; None is open."""

    min: float | None = None
    max: float | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modulo:
    """The number leaves `offset` when divided by `step`."""

    step: int
    offset: int
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedValues:
    """One of these values; for a list, every item is."""

    allowed: tuple[Any, ...]
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedPattern:
    """A regular expression the whole string matches."""

    pattern: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """A named check, some of which ask the cloud: `nova.flavor`, `ip_addr`."""

    name: str
    description: str = ""


Constraint = Length | Range | Modulo | AllowedValues | AllowedPattern | Custom


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property of a resource type, or one field or item inside it."""

    kind: Kind
    description: str = ""
    required: bool = False
    default: Any = None
    on_change: OnChange = OnChange.REPLACE
    constraints: tuple[Constraint, ...] = ()
    items: "Property | None" = None
    """Schema of a list's items; None accepts anything."""
    fields: "Mapping[str, Property] | None" = None
    """Schema of a map's keys; None accepts any key. An unknown key is a problem otherwise."""
    secret: bool = False
    """Never shown in a plan, an event, a log or an error."""
    hidden: bool = False
    """Accepted for old templates, not offered in listings."""
    splits: bool = False
    """A text is a list, too: items with commas between. So it is with parameters."""
    alias_of: str = ""
    """The sibling this is an older name of: `network` for `network_id`. See `renamed`."""


def renamed(fields: Mapping[str, Property], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values with older names replaced by today's; a value under today's name wins.

    One level only: call it again for the maps inside. A null under an old name is dropped.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        schema = fields.get(name)
        today = schema.alias_of if schema is not None else ""
        if not today:
            values[name] = value
        elif value is not None and given.get(today) is None:
            values[today] = value
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute a template can read with get_attr."""

    kind: Kind = Kind.STRING
    description: str = ""
    secret: bool = False
    """Never shown in a plan, an event, a log or an error."""
    secret_when: Mapping[str, tuple[Any, ...]] | None = None
    """The properties, with their values, without which there is nothing secret in it."""


class SupportStatus(StrEnum):
    """Heat's support statuses."""

    SUPPORTED = "SUPPORTED"
    DEPRECATED = "DEPRECATED"
    HIDDEN = "HIDDEN"
    UNSUPPORTED = "UNSUPPORTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSchema:
    """Everything the parser, the planner and the API need to know about a resource type."""

    type: str
    description: str = ""
    properties: Mapping[str, Property] = field(default_factory=dict)
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    support: SupportStatus = SupportStatus.SUPPORTED
    since: str = ""
    """The Heat release the type's status dates from, as `resource_types` prints it."""
    takes_signals: bool = False
    takes_snapshots: bool = False
    """Allows `deletion_policy: Snapshot`."""
    update_policies: tuple[str, ...] = ()
    """Keys its `update_policy` may hold, such as `rolling_update`."""
    update_policy: Mapping[str, Property] = field(default_factory=dict)
    """The schema of what those keys hold."""
    secret_reference: bool = False
    """What get_resource gives is a secret, such as a URL that is good for signalling."""
    any_property: bool = False
    """Accepts properties that are not listed, unchecked."""
    begins_with: str = ""
    """Where one of several properties must be given: the one a generated template asks for."""
    name_limit: int = 255
    """Longest physical name the cloud accepts, in characters."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another resource of the same template, as a type's `neighbours` rule sees it."""

    type: str
    properties: Mapping[str, Any]


class Neighbourhood(dict[str, Neighbour]):
    """All resources of a template by name, with an index: ten thousand may each ask about all."""

    __slots__ = ("_groups",)

    def __init__(self, everyone: Mapping[str, Neighbour]) -> None:
        super().__init__(everyone)
        self._groups: dict[tuple[str, Any], dict[str, list[str]]] = {}

    def names(self, type_name: str) -> Sequence[str]:
        """Those of this type, in the template's order."""
        return self.names_with(type_name, _anything, None)

    def names_with(
        self, type_name: str, read: Callable[[Neighbour], Any], value: Any
    ) -> Sequence[str]:
        """Those for which `read` gives this value; calls count without their place."""
        groups = self._groups.get((type_name, read))
        if groups is None:
            groups = self._groups[type_name, read] = {}
            for name, other in self.items():
                if other.type == type_name:
                    groups.setdefault(_spoken(read(other)), []).append(name)
        return groups.get(_spoken(value), ())


def _anything(_: Neighbour) -> None:
    return None


def _spoken(value: Any) -> str:
    """The value as text; equal values have equal texts."""
    if isinstance(value, Call):
        return f"{value.function}: {value.argument!r}"
    return repr(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a resource that makes a stack of others will hold, as far as its properties tell."""

    template: Mapping[str, Any]
    """With as few members as show what all are like."""
    times: int = 1
    """How often the stack will hold what the template has."""
    placed: Callable[[tuple[str | int, ...]], tuple[str | int, ...]] = lambda path: path
    """A path of that template as a path below the resource's properties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeFacts:
    """What pure code may know of a resource type: its schema and its pure rules."""

    schema: ResourceSchema
    check_properties: Callable[[Mapping[str, Any]], list[str]] | None = None
    """Rules between properties, over resolved values; each text is a problem."""
    neighbours: Callable[[Mapping[str, Any], Neighbourhood], tuple[str, ...]] | None = None
    """(own properties, other resources by name) -> names to wait for, though nothing refers to
    them: a port waits for the subnets of its network. Values may hold calls."""
    replace_when: Callable[[Mapping[str, Any], Mapping[str, Any]], str | None] | None = None
    """(before, after) -> why the change cannot be made in place, or None."""
    renewed: bool = False
    """Every update of the stack makes a new one in its place."""
    old_first: Callable[[Mapping[str, Any], Mapping[str, Any]], str | None] | None = None
    """(before, after) -> why, in a replacement, the old object must be gone before the new one can
    be made: `its name can be had only once`. None where both can be. Values may be unknown."""
    open_attributes: bool = False
    """Any attribute may be read from it."""
    admin_only: bool = False
    """What it makes is the cloud's, not a project's: only an administrator may ask for it."""
    contains_resources: bool = False
    """Its definition can name template files: a changed file or environment updates it."""
    rests: Callable[..., float] | None = None
    """(properties, update_policy, making=…) -> seconds that a create's or update's pauses take."""
    contents: Callable[[Mapping[str, Any]], Contents | None] | None = None
    """(properties) -> what is going to be in it, so that it is checked before anything is made.
    Values may be unknown; None when they leave it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limitation:
    """A property this cloud cannot honour; refused when a template is validated, by name.

    `values` narrows it to certain values (None: any value but the property's default is refused).
    `path` is dotted below the properties; `*` stands for any list position: `networks.*.tag`.
    Without a path it is the type itself that the cloud does not have.
    """

    resource_type: str
    path: str
    why: str
    remedy: str
    values: tuple[Any, ...] | None = None
    below: int | None = None
    """Numbers below this are refused (a port that needs root)."""
