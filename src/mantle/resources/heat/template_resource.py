"""A template file used as a resource type: its instance is a child stack.

The child's parameters are the resource's properties, its outputs the attributes. The facts of such
a type come from the file, so types are made per file, by `template_resource`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mantle.model.schema import TypeFacts
from mantle.resources.kit import Context, Delegate, Family, Outcome, ResourceType

REFERENCE_OUTPUT = "OS::stack_id"
"""An output by which a template chooses what get_resource gives, instead of the child's id."""

NO_FILES: Mapping[str, str] = MappingProxyType({})


def template_resource(
    facts: TypeFacts, template: str | Mapping[str, Any], files: Mapping[str, str] = NO_FILES
) -> ResourceType:
    """The type of one template file; `files` are those it needs besides the parent's."""

    async def deploy(ctx: Context) -> Outcome:
        return Delegate(template=template, files=files, parameters=ctx.properties)

    return ResourceType(
        facts=facts, create=deploy, update=deploy, family_attributes=family_attributes
    )


def family_attributes(_: Context, family: Family) -> Mapping[str, Any]:
    """The outputs; `resource.name` and `resource.name.attr` reach inside."""
    found: dict[str, Any] = {}
    for name, reference in family.refs.items():
        found[f"resource.{name}"] = reference
        for attribute, value in family.attributes.get(name, {}).items():
            found[f"resource.{name}.{attribute}"] = value
    return {"outputs": dict(family.outputs), **found, **family.outputs}
