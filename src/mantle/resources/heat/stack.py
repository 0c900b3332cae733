"""OS::Heat::Stack: a stack of its own, here, on another configured cloud, or of another Heat.

Its template comes as text, not as a type. Without credentials it is carried out as a child of the
stack that holds it: planned, cancelled and deleted with it, and found by its id like any stack.
With credentials of its own it is another Heat's (see `far_stack.py`).
"""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Kind, OnChange, Property, TypeFacts
from mantle.resources.heat import far_stack
from mantle.resources.kit import Context, Delegate, Family, Outcome, ResourceType
from mantle.resources.schemas import boolean, integer, mapping, schema, string

SCHEMA = schema(
    "OS::Heat::Stack",
    "A stack inside a stack, made from a template's text.",
    {
        "context": Property(
            kind=Kind.MAP,
            description="Where the stack is made; without it, where this one is.",
            on_change=OnChange.UPDATE,
            fields={
                "region_name": string("The region: this one's, or the name of a configured cloud."),
                "credential_secret_id": string(
                    "The secret that holds the credentials for another Heat.", update=True
                ),
                "ca_cert": string("For another cloud's certificate.", update=True),
                "insecure": boolean(
                    "Do not check another cloud's certificate.", default=False, update=True
                ),
            },
        ),
        "template": string("The template's text; `get_file` gives it.", required=True, update=True),
        "timeout": integer("Minutes its operations may take.", update=True),
        "parameters": mapping("Its parameters.", default={}, update=True),
    },
    {
        "stack_name": (Kind.STRING, "Its name."),
        "outputs": (Kind.MAP, "Its outputs."),
    },
)


async def create(ctx: Context) -> Outcome:
    """Here as a child, elsewhere over the API."""
    return await far_stack.create(ctx) if far_stack.is_far(ctx.properties) else _deploy(ctx)


async def update(ctx: Context) -> Outcome:
    """The same for a change."""
    return await far_stack.update(ctx) if far_stack.is_far(ctx.properties) else _deploy(ctx)


def _deploy(ctx: Context) -> Outcome:
    """The text is the child's template."""
    context = ctx.properties.get("context") or {}
    return Delegate(
        template=ctx.properties["template"],
        parameters=ctx.properties["parameters"] or {},
        cloud=context.get("region_name") or "",
        timeout_minutes=ctx.properties["timeout"],
    )


def _moves(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """A stack cannot go from one cloud to another."""
    if far_stack.is_far(before) != far_stack.is_far(after):
        return "it moves to or from another Heat"
    was, becomes = ((each.get("context") or {}).get("region_name") for each in (before, after))
    return None if was == becomes else f"its region changes from {was} to {becomes}"


def _alone(properties: Mapping[str, Any]) -> list[str]:
    """A certificate says nothing without another Heat to check it of."""
    context = properties.get("context")
    if not isinstance(context, Mapping) or context.get("credential_secret_id"):
        return []
    given = [name for name in ("ca_cert", "insecure") if context.get(name)]
    return [
        f"context.{name}: the stack is made here or on a configured cloud; give "
        "credential_secret_id for another Heat"
        for name in given
    ]


def family_attributes(ctx: Context, family: Family) -> Mapping[str, Any]:
    """Name and outputs."""
    return {"stack_name": ctx.name_hint, "outputs": dict(family.outputs)}


TYPE = ResourceType(
    facts=TypeFacts(
        schema=SCHEMA,
        contains_resources=True,
        replace_when=_moves,
        check_properties=_alone,
    ),
    create=create,
    update=update,
    delete=far_stack.delete,
    check=far_stack.acting("check"),
    suspend=far_stack.acting("suspend"),
    resume=far_stack.acting("resume"),
    attributes=far_stack.attributes,
    elsewhere=far_stack.is_far,
    family_attributes=family_attributes,
)
