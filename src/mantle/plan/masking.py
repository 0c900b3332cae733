"""Keeping secrets out of plans: whatever a plan shows passes through a `Mask`.

A property or attribute declared secret is hidden by its schema. That is not enough: a password
also travels, through `get_param` and `get_attr`, into the user_data of a server, which is not
secret by itself. So the mask knows the secret texts too, and hides them wherever they stand.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mantle.model.masking import MASKED, NOTHING_SECRET, SHORTEST_SOUGHT, Mask, mask_of
from mantle.model.schema import Property, ResourceSchema
from mantle.model.values import Unknown, Value

__all__ = ["MASKED", "NOTHING_SECRET", "SHORTEST_SOUGHT", "Mask", "mask_of"]


def hide(schema: Property | None, value: Value) -> Value:
    """The value with the parts hidden that its schema declares secret; unknowns stay."""
    if schema is None or value is None or isinstance(value, Unknown):
        return value
    if schema.secret:
        return MASKED
    if schema.fields is not None and isinstance(value, dict):
        return {key: hide(schema.fields.get(key), part) for key, part in value.items()}
    if schema.items is not None and isinstance(value, list):
        return [hide(schema.items, part) for part in value]
    return value


@dataclass(frozen=True, slots=True)
class SecretKeeper:
    """Where resources of one type can hold secrets; few types can, and in few places."""

    properties: tuple[tuple[str, Property], ...]
    attributes: tuple[str, ...]

    def texts(self, properties: Mapping[str, Any], attributes: Mapping[str, Any]) -> list[str]:
        """The secrets a resource holds, down to the texts."""
        found: list[str] = []
        for name, declared in self.properties:
            found.extend(_declared(declared, properties.get(name)))
        for name in self.attributes:
            found.extend(_texts(attributes.get(name)))
        return found


def secret_keeper(schema: ResourceSchema) -> SecretKeeper:
    """Whatever the schema declares secret, at any depth."""
    return SecretKeeper(
        properties=tuple(
            (name, declared) for name, declared in schema.properties.items() if can_hide(declared)
        ),
        attributes=tuple(name for name, one in schema.attributes.items() if one.secret),
    )


def can_hide(schema: Property) -> bool:
    """Whether there is a secret in it, at any depth."""
    inside = [*(schema.fields or {}).values(), *([schema.items] if schema.items else [])]
    return schema.secret or any(map(can_hide, inside))


def _declared(schema: Property, value: Any) -> Iterable[str]:
    if schema.secret:
        return _texts(value)
    if schema.fields is not None and isinstance(value, dict):
        return [
            text
            for key, part in value.items()
            if key in schema.fields
            for text in _declared(schema.fields[key], part)
        ]
    if schema.items is not None and isinstance(value, list):
        return [text for part in value for text in _declared(schema.items, part)]
    return ()


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in _texts(part)]
    return ()
