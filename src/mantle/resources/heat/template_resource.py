"""A template file used as a resource type: its instance is a child stack.

The child's parameters are the resource's properties, its outputs the attributes. What the file
says (its facts, its text) comes from the stack that uses it, where the engine finds it by the
resource's definition; so one type drives them all.
"""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import ResourceSchema, TypeFacts
from mantle.resources.kit import Context, Delegate, Family, Outcome, Ref, ResourceType

SUFFIXES = (".yaml", ".yml", ".template")
"""A type's name that ends so is a template file's key or URL."""


async def deploy(ctx: Context) -> Outcome:
    """The properties are the child's parameters; the engine knows the file."""
    return Delegate(template={}, parameters=ctx.properties)


def family_attributes(_: Context, family: Family) -> Mapping[str, Any]:
    """The outputs; `resource.name` and `resource.name.attr` reach inside."""
    found: dict[str, Any] = {}
    for name, reference in family.refs.items():
        found[f"resource.{name}"] = reference
        for attribute, value in family.attributes.get(name, {}).items():
            found[f"resource.{name}.{attribute}"] = value
    return {"outputs": dict(family.outputs), **found, **family.outputs}


def reference(ref: Ref) -> str:
    """get_resource gives the child stack's id."""
    return ref.physical_id or ref.name


TYPE = ResourceType(
    facts=TypeFacts(
        schema=ResourceSchema(
            type="template file",
            description="A template file: its parameters are the properties.",
            any_property=True,
        ),
        contains_resources=True,
    ),
    create=deploy,
    update=deploy,
    family_attributes=family_attributes,
    reference=reference,
)
