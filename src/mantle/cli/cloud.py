"""`mantle cloud`: the clouds this Mantle can build on."""

from typing import Annotated

from cyclopts import App, Parameter

from mantle.cli.cloud_adopt import adopt
from mantle.cli.exits import Exit
from mantle.cli.options import NOTHING, Common


def build_cloud() -> App:
    """The noun with its verbs."""
    app = App(name="cloud", help="The clouds this Mantle can build on.")
    app.command(list_clouds, name="list")
    app.command(show)
    app.command(unmanaged)
    app.command(adopt)
    return app


def list_clouds(*, common: Common = NOTHING) -> Exit:
    """List the configured clouds.

    Try:

        mantle cloud list
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("clouds")
    if screen.json:
        screen.answer(answer)
    else:
        rows = ((one["name"], one["kind"], one["description"]) for one in answer["clouds"])
        screen.table(("name", "kind", "description"), rows)
    return Exit.OK


def unmanaged(
    name: str,
    /,
    *,
    type: Annotated[str | None, Parameter(help="Only this resource type.")] = None,  # noqa: A002
    common: Common = NOTHING,
) -> Exit:
    """What is on a cloud and in no stack: left over, or made by hand.

    Try:

        mantle cloud unmanaged local
        mantle cloud unmanaged local --type OS::Cinder::Volume
    """
    screen = common.screen
    with common.client() as client:
        query = {} if type is None else {"type": type}
        answer = client.get("clouds", name, "unmanaged", **query)
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    keys = ("type", "name", "id", "status", "created_at")
    screen.table(keys, (tuple(one[key] for key in keys) for one in answer["objects"]))
    for kind, why in answer["unseen"].items():
        screen.say(f"not listed: {kind}: {why}")
    return Exit.OK


def show(name: str, /, *, common: Common = NOTHING) -> Exit:
    """Show one cloud: how it works on this machine, and what it refuses, by name.

    Try:

        mantle cloud show local
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("clouds", name)
    cloud = answer["cloud"]
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    heading = {"name": cloud["name"], "kind": cloud["kind"], "description": cloud["description"]}
    screen.facts({**heading, **(cloud.get("facts") or {})})
    limitations = answer.get("limitations") or ()
    if limitations:
        screen.say("\nrefused when a template is validated:")
        for one in limitations:
            screen.say(f"  {one['resource_type']} {one['path']}: {one['why']}")
    return Exit.OK
