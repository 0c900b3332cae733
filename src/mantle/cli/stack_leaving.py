"""`mantle stack`: snapshots, export, abandon, adopt."""

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.changes import see_through
from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, USUAL, Common, Manner


def add_leaving(app: App) -> None:
    """Hang the commands into the noun."""
    snapshot = App(name="snapshot", help="What a stack was, to return to.")
    for name, verb in (("take", take), ("list", listing), ("restore", restore), ("delete", delete)):
        snapshot.command(verb, name=name)
    app.command(snapshot)
    app.command(export)
    app.command(abandon)
    app.command(adopt)


def take(
    stack: str,
    /,
    *,
    name: Annotated[str | None, Parameter(help="For people.")] = None,
    common: Common = NOTHING,
) -> Exit:
    """Take a snapshot of a stack.

    Try:

        mantle stack snapshot take web --name "before the move"
    """
    screen = common.screen
    with common.client() as client:
        made = client.post("stacks", stack, "snapshots", body={"name": name})
    screen.answer(made, f"Snapshot {made['id']} of {stack!r} is being taken.")
    return Exit.OK


def listing(stack: str, /, *, common: Common = NOTHING) -> Exit:
    """The snapshots of a stack, the oldest first.

    Try:

        mantle stack snapshot list web
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("stacks", stack, "snapshots")
    if screen.json:
        screen.answer(answer)
    else:
        headings = ("id", "name", "status", "taken", "keeps the contents of")
        rows = (
            (
                each["id"],
                each["name"] or "",
                each["status"],
                each["created_at"],
                ", ".join(one["resource"] for one in each["contents"]) or "-",
            )
            for each in answer["snapshots"]
        )
        screen.table(headings, rows)
    return Exit.OK


def restore(
    stack: str, snapshot: str, /, *, manner: Manner = USUAL, common: Common = NOTHING
) -> Exit:
    """Bring a stack back to what it was: template, parameters and files of that time.

    Try:

        mantle stack snapshot restore web 1f0c…
    """
    screen = common.screen
    with common.client() as client:
        events = client.get("stacks", stack, "events", limit=1, sort_dir="desc")["events"]
        after = max((int(event["sequence"]) for event in events), default=0)
        accepted = client.post("stacks", stack, "snapshots", snapshot, "restore", body={})
        return see_through(screen, client, accepted, manner, after=after)


def delete(stack: str, snapshot: str, /, *, common: Common = NOTHING) -> Exit:
    """Forget a snapshot.

    Try:

        mantle stack snapshot delete web 1f0c…
    """
    with common.client() as client:
        client.delete("stacks", stack, "snapshots", snapshot)
    common.screen.say(f"Snapshot {snapshot} is gone.")
    return Exit.OK


Output = Annotated[
    Path | None, Parameter(name=["--output", "-o"], help="Write to this file; default: print.")
]


def export(stack: str, /, *, output: Output = None, common: Common = NOTHING) -> Exit:
    """The stack as a document: template, environment, files, and each resource with its id.

    It holds what the stack knows, secrets included.

    Try:

        mantle stack export web --output web.json
    """
    with common.client() as client:
        return _written(common, client.get("stacks", stack, "export"), output)


def abandon(
    stack: str,
    /,
    *,
    output: Output = None,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="")] = False,
    common: Common = NOTHING,
) -> Exit:
    """Forget a stack and leave everything it made as it is; the document lets another adopt it.

    Try:

        mantle stack abandon web --output web.json --yes

    Args:
        stack: Name or id.
        output: Write the document to this file; default: print it.
        yes: Do not ask. Without the document nothing connects the objects any more.
    """
    if not yes:
        raise Stop(
            Exit.USAGE,
            f"Abandoning {stack!r} leaves its objects to nobody.",
            remedy="Say --yes, and keep the document: `mantle stack adopt` takes it.",
        )
    with common.client() as client:
        answer = client.post("stacks", stack, "abandon", body={})
    return _written(common, answer, output)


def adopt(
    name: str,
    document: Path,
    /,
    *,
    cloud: Annotated[
        str, Parameter(help="Where the objects are; default: the default cloud.")
    ] = "",
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Make a stack of what another left: its objects are taken over as they are.

    Try:

        mantle stack adopt web web.json

    Args:
        name: The new stack's name.
        document: The file that `stack abandon` or `stack export` wrote.
    """
    try:
        given: Any = json.loads(document.read_text())
    except (OSError, ValueError) as error:
        raise Stop(
            Exit.USAGE, f"{document} is no document of a stack: {error}", remedy="See --help."
        ) from error
    with common.client() as client:
        body = {"stack_name": name, "document": given, "cloud": cloud}
        accepted = client.post("stacks", "adopt", body=body)
        return see_through(common.screen, client, accepted, manner, after=0)


def _written(common: Common, document: Any, output: Path | None) -> Exit:
    text = json.dumps(document, indent=2)
    if output is None:
        common.screen.answer(document, text)
        return Exit.OK
    output.write_text(text + "\n")
    output.chmod(0o600)
    common.screen.say(f"Written to {output}; it holds the stack's secrets.")
    return Exit.OK
