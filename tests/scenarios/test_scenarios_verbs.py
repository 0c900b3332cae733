"""Every verb in every state a stack can be in: accepted, or refused with Heat's error type."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import LimitExceeded, MantleError
from mantle.model.graph import TemplateSource
from mantle.model.status import Action, Cancel, Status
from mantle.stacks.actions import cancel_stack, check_stack, resume_stack, suspend_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import stacks as stack_rows

TEMPLATE = "heat_template_version: 2018-08-31\nresources:\n  r: {type: OS::Heat::RandomString}\n"


async def update(control, stack):
    await update_stack(control, CALLER, stack, UpdateRequest(template=TEMPLATE))


async def cancel(control, stack):
    await cancel_stack(control, CALLER, stack, Cancel.ROLLBACK)


async def stop(control, stack):
    await cancel_stack(control, CALLER, stack, Cancel.STOP)


def plain(verb):
    async def act(control, stack):
        await verb(control, CALLER, stack)

    return act


VERBS = {
    "update": update,
    "suspend": plain(suspend_stack),
    "resume": plain(resume_stack),
    "check": plain(check_stack),
    "cancel_update": cancel,
    "cancel_without_rollback": stop,
    "delete": plain(delete_stack),
}

AT_REST = [
    (action, status)
    for action in (
        Action.CREATE,
        Action.UPDATE,
        Action.ROLLBACK,
        Action.CHECK,
        Action.SUSPEND,
        Action.RESUME,
        Action.SNAPSHOT,
        Action.RESTORE,
        Action.ADOPT,
        Action.DELETE,
    )
    for status in (Status.COMPLETE, Status.FAILED)
    if (action, status) != (Action.DELETE, Status.COMPLETE)
]
"""States in which nothing is under way; a stack that is gone is not found at all."""


def refusal(verb: str, action: Action) -> str | None:
    """Heat's rule for a stack at rest; None when the verb is accepted."""
    if verb.startswith("cancel"):
        return "NotSupported"
    if verb == "update" and action in {Action.SUSPEND, Action.DELETE}:
        return "NotSupported"
    return None


@pytest.mark.proves("life cycle: state by verb")
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_in_every_state_at_rest(verb):
    """One stack for each state; what is answered is the table's word."""
    plant = Plant()
    found = {}

    async def story(control):
        for number, (action, status) in enumerate(AT_REST):
            name = f"s{number}"
            source = TemplateSource(template=TEMPLATE)
            await create_stack(control, CALLER, CreateRequest(name=name, source=source))
            await quiet(control)
            stack = await find_stack(control, CALLER.project_id, name)
            stack = replace(stack, action=action, status=status)
            await control.database.write(stack_rows.save, stack)
            try:
                await VERBS[verb](control, stack)
                found[stack.state] = None
            except MantleError as error:
                found[stack.state] = error.fault
            await quiet(control)

    assert plant.life(story)
    assert found == {f"{action}_{status}": refusal(verb, action) for action, status in AT_REST}


SLOW = (
    "heat_template_version: 2018-08-31\nresources:\n"
    "  r: {type: OS::Heat::TestResource, properties: {value: %s, action_wait_secs: "
    "{create: 60, update: 60, delete: 60, suspend: 60, resume: 60}}}\n"
)

BUSY = {
    "CREATE": {"cancel_update": "NotSupported"},
    "UPDATE": {},
    "SUSPEND": {"update": "NotSupported", "cancel_update": "NotSupported"},
    "DELETE": {"update": "NotSupported", "cancel_update": "NotSupported"},
}
"""What is refused while each runs, beside suspend, resume and check."""


@pytest.mark.proves("life cycle: state by verb")
@pytest.mark.parametrize("under_way", BUSY)
def test_every_verb_while_something_is_under_way(under_way):
    """Another action is in progress: 409; an update overtakes, a delete interrupts."""
    found = {}

    async def story(control):
        for verb, act in VERBS.items():
            name = f"s-{verb}"
            source = TemplateSource(template=SLOW % "a")
            await create_stack(control, CALLER, CreateRequest(name=name, source=source))
            if under_way != "CREATE":
                await quiet(control)
            stack = await find_stack(control, CALLER.project_id, name)
            if under_way == "UPDATE":
                change = UpdateRequest(template=SLOW % "b")
                await update_stack(control, CALLER, stack, change)
            elif under_way == "SUSPEND":
                await suspend_stack(control, CALLER, stack)
            elif under_way == "DELETE":
                await delete_stack(control, CALLER, stack)
            stack = await find_stack(control, CALLER.project_id, name)
            assert stack.state == f"{under_way}_IN_PROGRESS"
            try:
                await act(control, stack)
                found[verb] = None
            except MantleError as error:
                found[verb] = error.fault
            await quiet(control)

    assert Plant().life(story)
    wanted = dict.fromkeys(VERBS) | dict.fromkeys(
        ("suspend", "resume", "check"), "ActionInProgress"
    )
    if under_way in {"SUSPEND", "DELETE"}:
        wanted["cancel_without_rollback"] = "NotSupported"
    assert found == wanted | BUSY[under_way]


@pytest.mark.proves("life cycle: stack quota")
def test_a_full_project_takes_no_more_stacks_but_an_administrators():
    """The quota's own error type, with who can raise it; an administrator is not bound."""

    async def story(control):
        control.machine.settings = replace(control.machine.settings, stacks_per_project=1)
        source = TemplateSource(template=TEMPLATE)
        await create_stack(control, CALLER, CreateRequest(name="first", source=source))
        with pytest.raises(LimitExceeded, match="maximum stacks per tenant, 1"):
            await create_stack(control, CALLER, CreateRequest(name="second", source=source))
        admin = replace(CALLER, roles=frozenset({"admin"}))
        await create_stack(control, admin, CreateRequest(name="second", source=source))
        await quiet(control)

    assert Plant().life(story)
