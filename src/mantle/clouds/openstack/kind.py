"""What differs from one kind of object to the next, as data: a page to read for each. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from mantle.clouds.openstack.errors import Service
from mantle.clouds.ports import CloudObject
from mantle.model.ids import Token

Raw = Mapping[str, Any]
"""An object as its service says it, in JSON."""
Raws = list[Raw]


class Search(Enum):
    """How a service finds several of its objects in one call."""

    IDS_AND_DESCRIPTIONS = "Neutron: filters may be repeated"
    TAGS = "Nova, Octavia: any of these tags"
    NONE = "Cinder: one, or all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One collection of the port as its service has it."""

    name: str
    """On the port: `networks`."""
    noun: str
    service: Service
    path: str
    one: str
    """The envelope of one: `network`."""
    many: str
    """The envelope of many, and the beginning of the link to the next page."""
    details: str = ""
    """What the path of a list has besides."""
    search: Search
    body: Callable[[Any, Token], dict[str, Any]]
    """The request that creates, the token in it."""
    read: Callable[[Raw], CloudObject]
    token_of: Callable[[Raw], Token]
    change: Callable[[Any, Raw], dict[str, Any]] = lambda _, __: {}
    """What an update sends: the parts of the spec that differ."""
    fixed: Callable[[Any, Raw], str] = lambda _, __: ""
    """Which part of the spec differs and cannot change in place, or nothing."""
    user_tags: Callable[[Any], tuple[str, ...]] | None = None
    """For Neutron, whose tags are a request of their own."""
    named: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Fields of `extra` that want an id and may be given a name: path and envelope to look in."""
    shared: bool = False
    """Others' objects may be seen and used."""
    update_method: str = "PUT"
    """Keystone's is PATCH."""
    params: Sequence[tuple[str, str]] = ()
    """Of an administrator's lists: services refuse some of others, who need not ask."""
    any_id: bool = False
    """People may choose ids: one need not be a UUID."""
    id_field: str = "id"
    everybodys: bool = False
    """The cloud's, not a project's."""
    kept_seconds: float = 0.0
    """How long what was read may be answered again: for what seldom changes by itself."""


def differing(wanted: Mapping[str, Any], raw: Raw) -> dict[str, Any]:
    """The wanted fields that are not so yet; lists are compared as sets of values."""
    return {key: value for key, value in wanted.items() if not _same(value, raw.get(key))}


def _same(wanted: Any, present: Any) -> bool:
    if isinstance(wanted, list) and isinstance(present, list):
        return sorted(map(repr, wanted)) == sorted(map(repr, present))
    return bool(wanted == present)


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without those that are None: the service chooses them."""
    return {key: value for key, value in fields.items() if value is not None}
