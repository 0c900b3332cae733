"""`mantle cloud adopt`: a stack, with a template of its own, for objects that are there already."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from mantle.cli.changes import see_through
from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, USUAL, Common, Manner
from mantle.cli.screen import Screen


def adopt(
    name: str,
    /,
    *objects: str,
    stack: str,
    all_unmanaged: Annotated[
        bool, Parameter(negative="", help="Everything that is in no stack, instead.")
    ] = False,
    type: Annotated[  # noqa: A002 - the option's name
        str | None, Parameter(help="With --all-unmanaged: only this resource type.")
    ] = None,
    filter: Annotated[  # noqa: A002 - the option's name
        str, Parameter(help="With --all-unmanaged: only names like this; * stands for anything.")
    ] = "*",
    property: Annotated[  # noqa: A002 - the option's name
        tuple[str, ...],
        Parameter(
            negative="",
            help="RESOURCE.NAME=VALUE, for what cannot be read back; @FILE reads a file. "
            "Repeatable.",
        ),
    ] = (),
    retain: Annotated[
        bool, Parameter(negative="", help="Deleting the stack leaves the objects alone.")
    ] = False,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="Write the template to this file as well."),
    ] = None,
    plan_only: Annotated[
        bool, Parameter(negative="", help="Show template and plan; change nothing.")
    ] = False,
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Take over objects that are there: their template is written, and the plan changes nothing.

    Properties are read back from the objects; ids of objects that are taken over together become
    references. What a cloud does not tell, such as a server's user_data, is named and left out.

    Try:

        mantle cloud unmanaged local
        mantle cloud adopt local --stack old OS::Cinder::Volume=5f3c… OS::Neutron::Net=77ab…
        mantle cloud adopt local --stack old --all-unmanaged --filter 'web-*' --plan-only
        mantle cloud adopt local --stack old OS::Nova::Server=9e01… --property web.user_data=@b.sh

    Args:
        name: The cloud.
        objects: TYPE=ID.
        stack: The new stack's name.
    """
    screen = common.screen
    body: dict[str, Any] = {
        "stack_name": stack,
        "objects": [_object(text) for text in objects],
        "all_unmanaged": all_unmanaged,
        "type": type,
        "filter": filter,
        "properties": _given(property),
        "retain": retain,
    }
    with common.client() as client:
        made = client.post("clouds", name, "generate", body=body)
        if output is not None:
            output.write_text(made["template"])
        if plan_only:
            screen.answer(made)
            _tell(screen, made)
            return Exit.OK
        _tell(screen, made)
        if not manner.yes and screen.asks:
            answer = screen.out.input("\n[bold]Take them over?[/bold] \\[y/N] ").strip().lower()
            if answer not in {"y", "yes"}:
                raise Stop(Exit.DECLINED, "Nothing was changed.")
        accepted = client.post("clouds", name, "adopt", body={**body, "digest": made["digest"]})
        return see_through(screen, client, accepted, manner, after=0)


def _tell(screen: Screen, made: Mapping[str, Any]) -> None:
    """Template, what is missing in it, and the plan; nothing in JSON mode."""
    screen.say(made["template"].rstrip("\n"))
    for one in made["unreadable"]:
        screen.say(f"not read back: {one['resource']}.{one['property']}: {one['why']}")
    for one in made["left_out"]:
        screen.say(f"left out: {one['type']} {one['id']}: {one['why']}")
    screen.say()
    screen.say(made["rendered"].rstrip("\n"))


def _object(text: str) -> dict[str, str]:
    kind, equals, object_id = text.partition("=")
    if not (kind and equals and object_id):
        raise Stop(Exit.USAGE, f"{text!r} is not of the form TYPE=ID.")
    return {"type": kind, "id": object_id}


def _given(texts: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """`web.user_data=@boot.sh` as a map of maps."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        place, equals, value = text.partition("=")
        resource, dot, name = place.rpartition(".")
        if not (equals and dot and resource and name):
            raise Stop(Exit.USAGE, f"--property {text!r} is not of the form RESOURCE.NAME=VALUE.")
        if value.startswith("@"):
            try:
                value = Path(value[1:]).read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise Stop(Exit.USAGE, f"{value[1:]} cannot be read: {error}") from error
        found.setdefault(resource, {})[name] = value
    return found
