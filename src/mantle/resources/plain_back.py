"""The way back of plain objects: their fields are properties again, by the same sheet.

A field stands for one property, so that nothing is written twice: where the value is an id it is a
reference to whatever is taken over beside it, and where a service writes a value in another way the
sheet says how it is read (`To.back`). What is set by requests of its own can be read where the
service tells it with the object (`Part.back`); where it does not, it is unreadable, by name.
"""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.plain import KINDS
from mantle.clouds.ports import PlainObject
from mantle.resources.inverse import Peers
from mantle.resources.plain_sheets import Sheet, To

SECRET = "it is never told again"  # noqa: S105 # a reason, no password
ONE_BY_ONE = "the service tells it only for one object at a time; what is there stays as it is"

PARENTS = {"floating_ips": "OS::Neutron::FloatingIP"}
"""Types of parents that are no plain objects themselves."""


def written(sheet: Sheet, found: PlainObject, peers: Peers) -> Mapping[str, Any]:
    """The properties that ask for this object."""
    fields = found.spec.fields
    values: dict[str, Any] = {"name": found.name} if sheet.named else {}
    for name, target in sheet.fields.items():
        values[name] = _value(target, fields, peers)
    for name, part in sheet.parts.items():
        if part.back is not None:
            values[name] = part.back(found.told.get(part.told), peers)
    if sheet.parent is not None:
        values[sheet.parent[0]] = peers(parent_type(sheet), found.spec.parent_id)
    return {name: each for name, each in values.items() if name not in unreadable(sheet)}


def _value(target: str | To, fields: Mapping[str, Any], peers: Peers) -> Any:
    if isinstance(target, str):
        return fields.get(target)
    if target.back is not None:
        return target.back(fields, peers)
    value = fields.get(target.name)
    if not target.kind:
        return value
    if isinstance(value, list | tuple):
        return [peers(target.kind, each) for each in value]
    return peers(target.kind, value)


def parent_type(sheet: Sheet) -> str:
    """The resource type of what such an object lives below."""
    parent = KINDS[sheet.kind].parent
    return PARENTS.get(parent) or KINDS[parent].types[0]


def unreadable(sheet: Sheet) -> Mapping[str, str]:
    """Property to why it cannot be read back."""
    secrets = KINDS[sheet.kind].secrets
    return {
        **{name: SECRET for name, target in sheet.fields.items() if target in secrets},
        **{name: ONE_BY_ONE for name, part in sheet.parts.items() if part.back is None},
        **sheet.unreadable,
    }


def unseen(sheet: Sheet) -> frozenset[str]:
    """The fields that the unreadable properties would set."""
    targets = (sheet.fields.get(name) for name in unreadable(sheet))
    return frozenset(
        each if isinstance(each, str) else each.name for each in targets if each is not None
    )
