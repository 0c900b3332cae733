"""`mantle project` and `mantle admin`: limits, and forgetting what is deleted."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.durations import seconds_of
from mantle.cli.exits import Exit
from mantle.cli.options import NOTHING, Common

Project = Annotated[str | None, Parameter(help="Another project's id; for administrators.")]


def build_project() -> App:
    """The noun with its verbs."""
    app = App(name="project", help="What your project may have.")
    app.command(limits)
    app.command(set_limit, name="set-limit")
    app.command(unset_limit, name="unset-limit")
    return app


def build_admin() -> App:
    """What only whoever runs Mantle does."""
    app = App(name="admin", help="For whoever runs Mantle.")
    app.command(purge)
    return app


def limits(*, project: Project = None, common: Common = NOTHING) -> Exit:
    """What the project may have, and what it has.

    Try:

        mantle project limits
    """
    with common.client() as client:
        query = {} if project is None else {"project_id": project}
        answer = client.get("limits", **query)
    return _shown(common, answer)


def set_limit(name: str, value: int, /, *, project: str, common: Common = NOTHING) -> Exit:
    """Set a limit of one project; administrators only. What it has beyond that stays.

    Try:

        mantle project set-limit operations 20 --project 1f0c…
        mantle project set-limit stacks -1 --project 1f0c…      # no limit

    Args:
        name: stacks, operations, resources_per_stack or snapshots_per_stack.
        value: The number; -1 is no limit.
        project: The project's id.
    """
    with common.client() as client:
        answer = client.put("limits", project, name, body={"limit": value})
    return _shown(common, answer)


def unset_limit(name: str, /, *, project: str, common: Common = NOTHING) -> Exit:
    """Give a project the usual limit again; administrators only.

    Try:

        mantle project unset-limit operations --project 1f0c…

    Args:
        name: The limit.
        project: The project's id.
    """
    with common.client() as client:
        answer = client.delete("limits", project, name)
    return _shown(common, answer)


def purge(
    age: str,
    /,
    *,
    project: Annotated[str | None, Parameter(help="Only this project's stacks, by id.")] = None,
    common: Common = NOTHING,
) -> Exit:
    """Forget stacks that were deleted longer ago than this, with their events; administrators only.

    Mantle does so by itself after 30 days. As `heat-manage purge_deleted`.

    Try:

        mantle admin purge 7d
        mantle admin purge 0s --project 1f0c…

    Args:
        age: How long ago: 90s, 30m, 8h, 2d.
    """
    body: dict[str, Any] = {"older_than_seconds": seconds_of(age)}
    if project is not None:
        body["project_id"] = project
    with common.client() as client:
        answer = client.post("admin", "purge", body=body)
    count = answer["stacks"]
    common.screen.answer(
        answer, f"{count} deleted {'stack is' if count == 1 else 'stacks are'} forgotten."
    )
    return Exit.OK


def _shown(common: Common, answer: dict[str, Any]) -> Exit:
    screen = common.screen
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    rows = (
        (
            each["name"],
            str(each["used"]),
            "no limit" if each["limit"] < 0 else str(each["limit"]),
            f"set by {each['set_by']}" if each["set_by"] else "as usual",
            each["what"],
        )
        for each in answer["limits"]
    )
    screen.table(("limit", "used", "allowed", "", "of"), rows)
    return Exit.OK
