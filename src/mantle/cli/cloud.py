"""`mantle cloud`: the clouds this Mantle can build on."""

from cyclopts import App

from mantle.cli.exits import Exit
from mantle.cli.options import NOTHING, Common


def build_cloud() -> App:
    """The noun with its verbs."""
    app = App(name="cloud", help="The clouds this Mantle can build on.")
    app.command(list_clouds, name="list")
    app.command(show)
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
