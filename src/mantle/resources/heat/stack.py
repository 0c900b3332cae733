"""OS::Heat::Stack: a stack of its own, here or on another configured cloud.

Its template comes as text, not as a type. It is carried out as a child of the stack that holds it:
planned, cancelled and deleted with it, and found by its id like any stack.
"""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Kind, OnChange, Property, TypeFacts
from mantle.resources.kit import Context, Delegate, Family, Outcome, ResourceType
from mantle.resources.schemas import boolean, integer, mapping, not_offered, schema, string

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
                    "A secret of Barbican that holds credentials.", update=True
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


async def deploy(ctx: Context) -> Outcome:
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
    was, becomes = ((each.get("context") or {}).get("region_name") for each in (before, after))
    return None if was == becomes else f"its region changes from {was} to {becomes}"


def family_attributes(ctx: Context, family: Family) -> Mapping[str, Any]:
    """Name and outputs."""
    return {"stack_name": ctx.name_hint, "outputs": dict(family.outputs)}


TYPE = ResourceType(
    facts=TypeFacts(
        schema=SCHEMA,
        contains_resources=True,
        replace_when=_moves,
        check_properties=not_offered(
            {
                "context.credential_secret_id": "there is no Barbican to read a secret from",
                "context.ca_cert": "the stack is made here or on a configured cloud",
                "context.insecure": "the stack is made here or on a configured cloud",
            }
        ),
    ),
    create=deploy,
    update=deploy,
    family_attributes=family_attributes,
)
