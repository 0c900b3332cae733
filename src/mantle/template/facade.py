"""A template file that stands for a resource type has to look like it from outside.

Where an environment maps `OS::Nova::Server` to a file, every template that makes servers uses the
file without knowing. So what the type requires the file must take, of the same kind; it may require
nothing that the type does not know; and every attribute of the type must be one of its outputs.
These are Heat's rules; a type of one's own (`My::Server`) is bound by none of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mantle.model.schema import Kind, Property, ResourceSchema

COMMON = {"show"}
"""Attributes that every type has by itself."""

PARAMETERS = {
    Kind.STRING: "string",
    Kind.INTEGER: "number",
    Kind.NUMBER: "number",
    Kind.BOOLEAN: "boolean",
    Kind.LIST: "comma_delimited_list",
    Kind.MAP: "json",
}
"""The type of the parameter that takes a property's place."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One way in which the file is not the type."""

    message: str
    remedy: str


def mismatches(type_name: str, facade: ResourceSchema, provider: ResourceSchema) -> list[Mismatch]:
    """Everything the file lacks, or asks too much, to stand for the type."""
    if facade.any_property:
        return []
    return [
        *_properties(type_name, facade, provider),
        *_demands(type_name, facade, provider),
        *_attributes(type_name, facade, provider),
    ]


def _properties(
    type_name: str, facade: ResourceSchema, provider: ResourceSchema
) -> Iterator[Mismatch]:
    for name, wanted in facade.properties.items():
        given = provider.properties.get(name)
        if given is None:
            if wanted.required:
                yield Mismatch(
                    f"Required property {name} for facade {type_name} missing in provider "
                    f"{provider.type}.",
                    f"Declare the parameter `{name}: {{type: {_parameter(wanted)}}}` there.",
                )
        elif not _same(wanted, given):
            yield Mismatch(
                f"Property {name} type mismatch between facade {type_name} ({wanted.kind}) and "
                f"provider {provider.type} ({_spoken(given)}).",
                f"Declare the parameter there as `type: {_parameter(wanted)}`.",
            )


def _demands(
    type_name: str, facade: ResourceSchema, provider: ResourceSchema
) -> Iterator[Mismatch]:
    for name, given in provider.properties.items():
        if given.required and name not in facade.properties:
            yield Mismatch(
                f"Provider {provider.type} requires property {name} unknown in facade {type_name}.",
                "Give the parameter a default there, or a value in parameter_defaults.",
            )


def _attributes(
    type_name: str, facade: ResourceSchema, provider: ResourceSchema
) -> Iterator[Mismatch]:
    missing = [
        name for name in facade.attributes if name not in COMMON and name not in provider.attributes
    ]
    for name in missing:
        yield Mismatch(
            f"Attribute {name} for facade {type_name} missing in provider {provider.type}.",
            f"Add an output `{name}` there.",
        )


def _same(wanted: Property, given: Property) -> bool:
    if wanted.kind is Kind.ANY:
        return True
    # A json parameter takes lists as well, so its kind is ANY; what it stands for is a map.
    kind = Kind.MAP if given.kind is Kind.ANY else given.kind
    return kind is (Kind.NUMBER if wanted.kind is Kind.INTEGER else wanted.kind)


def _parameter(wanted: Property) -> str:
    return PARAMETERS.get(wanted.kind, "json")


def _spoken(given: Property) -> str:
    return str(Kind.MAP if given.kind is Kind.ANY else given.kind)
