"""`mantle stack`: commands that change a stack. Those that only look are in `stack_views.py`."""

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.changes import agree, find_stack, last_event, placed, see_through, show_plan
from mantle.cli.durations import seconds_of
from mantle.cli.exits import Exit, Stop
from mantle.cli.guard import add_guards
from mantle.cli.move import add_moves
from mantle.cli.options import (
    NO_SOURCE,
    NOTHING,
    USUAL,
    Common,
    Manner,
    Source,
    places,
    source_body,
)
from mantle.cli.stack_leaving import add_leaving
from mantle.cli.stack_signals import add_signals
from mantle.cli.stack_views import add_views


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings a stack keeps."""

    rollback: Annotated[
        bool | None, Parameter(help="On failure, return to the state before. Default: stay.")
    ] = None
    timeout: Annotated[int | None, Parameter(help="Minutes the operation may take.")] = None
    tag: Annotated[tuple[str, ...], Parameter(negative="", help="Repeatable.")] = ()

    def body(self) -> dict[str, Any]:
        """Only what was said."""
        said: dict[str, Any] = {}
        if self.rollback is not None:
            said["disable_rollback"] = not self.rollback
        if self.timeout is not None:
            said["timeout_minutes"] = self.timeout
        if self.tag:
            said["tags"] = list(self.tag)
        return said


AS_IT_IS = Settings()


def build_stack() -> App:
    """The noun with its verbs."""
    app = App(name="stack", help="Templates made real: plan, create, watch, change, delete.")
    for verb in (plan, create, update, delete, cancel, hooks, clear_hook):
        app.command(verb)
    add_views(app)
    add_guards(app)
    add_leaving(app)
    add_signals(app)
    add_moves(app)
    return app


def plan(
    name: str,
    /,
    *,
    source: Source = NO_SOURCE,
    delete: bool = False,
    save: bool = False,
    refresh: bool = False,
    common: Common = NOTHING,
) -> Exit:
    """Show what would be done, step by step, with the reasons. Changes nothing.

    A stack that exists is planned as an update, one that does not as a creation.

    Try:

        mantle stack plan web -t web.yaml -p members=3
        mantle stack plan web --delete
        mantle stack plan web -t web.yaml --save

    Args:
        name: The stack, existing or to be.
        delete: Plan its deletion.
        save: Keep the plan: `mantle plan apply` does precisely that (see `mantle plan create`).
        refresh: Look at the cloud first, and plan to bring back what was changed beside Mantle.
    """
    screen = common.screen
    with common.client() as client:
        if delete:
            action = "delete"
        else:
            action = "update" if find_stack(client, name) else "create"
            if action == "create" and not source.given:
                raise _no_template(name)
        extra: dict[str, Any] = {"save": True} if save else {}
        if refresh and action == "update":
            # Bringing back what was keeps template and parameters, unless others are given.
            extra |= {"converge": True, "existing": source.template is None}
        made = show_plan(screen, client, action, name, source, extra)
    if screen.json:
        screen.answer(made)
    denied = any(one["effect"] == "deny" for one in made["plan"].get("verdicts", ()))
    return Exit.REFUSED if denied else Exit.OK


def create(
    name: str,
    /,
    *,
    source: Source = NO_SOURCE,
    on: str = "",
    ttl: str | None = None,
    protect: bool = False,
    settings: Settings = AS_IT_IS,
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Create a stack from a template: shows the plan, asks, then watches it come up.

    Files the template names (get_file, nested templates, environments) are sent along.

    Try:

        mantle stack create hello -t examples/01-hello-server/hello.yaml
        mantle stack create web -t web.yaml -e small.yaml -p members=3 --yes
        mantle stack create web -t web.yaml --json | jq -r .stack.id

    Args:
        name: Its name; letters, digits, `_`, `.` and `-`, beginning with a letter.
        on: The cloud to build it on (see `mantle cloud list`).
        ttl: It is deleted so long after its creation: 8h, 2d (see `mantle stack ttl`).
        protect: Its deletion is refused until `mantle stack unprotect`.
    """
    if not source.given:
        raise _no_template(name)
    screen = common.screen
    with common.client() as client:
        agree(screen, client, "create", name, source, manner, {"cloud": on})
        gathered = source.gathered()
        body = {
            "stack_name": name,
            "cloud": on,
            **source_body(source, gathered),
            **settings.body(),
        }
        if ttl is not None:
            body["ttl_seconds"] = seconds_of(ttl)
        if protect:
            body["protected"] = True
        accepted = placed(lambda: client.post("stacks", body=body), places(gathered))
        return see_through(screen, client, accepted, manner, after=0)


def update(
    name: str,
    /,
    *,
    source: Source = NO_SOURCE,
    existing: bool = False,
    converge: bool = False,
    clear_parameter: tuple[str, ...] = (),
    settings: Settings = AS_IT_IS,
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Change a stack: shows what differs and why, asks, then watches.

    Try:

        mantle stack update web -t web.yaml
        mantle stack update web --existing -p members=4
        mantle stack update web --existing --converge

    Args:
        name: Name or id.
        existing: Keep template, files and parameters, except those given now.
        converge: Look at the cloud first, and bring back what was changed beside Mantle as well.
        clear_parameter: With --existing: back to the default. Repeatable.
    """
    if not source.given and not existing:
        raise Stop(
            Exit.USAGE,
            "An update needs the whole template (-t FILE), or --existing to keep the present one.",
        )
    screen = common.screen
    extra: dict[str, Any] = {"existing": existing, "clear_parameters": list(clear_parameter)}
    if converge:
        extra["converge"] = True
    with common.client() as client:
        agree(screen, client, "update", name, source, manner, extra)
        gathered = source.gathered()
        body = {**source_body(source, gathered), **settings.body(), **extra}
        after = last_event(client, name)
        accepted = placed(lambda: client.put("stacks", name, body=body), places(gathered))
        return see_through(screen, client, accepted, manner, after=after)


def delete(name: str, /, *, manner: Manner = USUAL, common: Common = NOTHING) -> Exit:
    """Delete a stack and everything it made, in reverse order.

    Try:

        mantle stack delete web
        mantle stack delete web --yes --no-wait
    """
    screen = common.screen
    with common.client() as client:
        agree(screen, client, "delete", name, NO_SOURCE, manner)
        after = last_event(client, name)
        accepted = client.delete("stacks", name)
        return see_through(screen, client, accepted, manner, after=after)


def cancel(
    name: str, /, *, rollback: bool = True, manner: Manner = USUAL, common: Common = NOTHING
) -> Exit:
    """Cancel the operation under way. Steps that have begun run to their end.

    Try:

        mantle stack cancel web
        mantle stack cancel web --no-rollback

    Args:
        name: Name or id.
        rollback: Return to the state before the operation, or stay where it stopped.
    """
    screen = common.screen
    with common.client() as client:
        after = last_event(client, name)
        accepted = client.post("stacks", name, "cancel", body={"rollback": rollback}) or {}
        accepted.setdefault("stack", client.get("stacks", name)["stack"])
        return see_through(screen, client, accepted, manner, after=after, cancelled=True)


def hooks(name: str, /, *, common: Common = NOTHING) -> Exit:
    """The hooks that hold an operation of a stack until somebody clears them.

    An environment asks for them: `resource_registry: {resources: {db: {hooks: pre-update}}}`.

    Try:

        mantle stack hooks web

    Args:
        name: Name or id.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("stacks", name, "hooks")
    if screen.json:
        screen.answer(answer)
    else:
        rows = ((each["resource"], each["hook"], each["held_at"]) for each in answer["hooks"])
        screen.table(("resource", "hook", "since"), rows)
    return Exit.OK


def clear_hook(name: str, resource: str, hook: str, /, *, common: Common = NOTHING) -> Exit:
    """Let a step go on that a hook holds.

    Try:

        mantle stack clear-hook web db pre-update

    Args:
        name: Name or id of the stack; for a resource of an inner stack, that one's id.
        resource: The resource.
        hook: pre-create, post-create, pre-update, post-update, pre-delete or post-delete.
    """
    with common.client() as client:
        client.post("stacks", name, "hooks", "clear", body={"resource": resource, "hook": hook})
    common.screen.say(f"Cleared {hook} of {resource}.")
    return Exit.OK


def _no_template(name: str) -> Stop:
    return Stop(
        Exit.USAGE,
        f"Stack {name!r} needs a template: -t FILE.",
        remedy="See `mantle stack --help`.",
    )
