"""Parts of a stack: template, environment, files, outputs; and actions on it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mantle.access.caller import Caller
from mantle.access.policy import allows
from mantle.api.door import Reply
from mantle.api.heat import views
from mantle.api.heat.ask import Ask
from mantle.model.errors import MantleError, NotFound
from mantle.model.records import OperationRecord, StackRecord
from mantle.model.status import Cancel
from mantle.stacks.actions import cancel_stack, check_stack, resume_stack, suspend_stack
from mantle.stacks.control import Control
from mantle.stacks.queries import (
    sealed_parameters,
    stack_outputs,
    stack_parameters,
    stack_source,
)
from mantle.template.environment import load_environment
from mantle.template.load import parse


async def template(ask: Ask) -> Reply:
    """GET …/template: the bare document."""
    source = await stack_source(ask.control, await ask.stack(deleted=True))
    text = source.template
    return Reply(body=parse(text).data if isinstance(text, str) else dict(text))


async def environment(ask: Ask) -> Reply:
    """GET …/environment: the environment in force.

    Hidden parameters are masked for whoever could not set them.
    """
    stack = await ask.stack(deleted=True)
    data = load_environment(await stack_source(ask.control, stack)).as_data()
    if not allows(ask.caller.roles, "stacks:update"):
        shown = await stack_parameters(ask.control, stack)
        for section in ("parameters", "parameter_defaults"):
            for name in data[section]:
                if shown.get(name, views.MASK) == views.MASK:
                    data[section][name] = views.MASK
    registry = {"resources": {}, **data.get("resource_registry", {})}
    sealed = [*data.get("encrypted_param_names", []), *await sealed_parameters(ask.control, stack)]
    given = data.get("parameters", {})
    body = {
        "parameters": data.get("parameters", {}),
        "parameter_defaults": data.get("parameter_defaults", {}),
        "resource_registry": registry,
        "encrypted_param_names": [name for name in dict.fromkeys(sealed) if name in given],
        "event_sinks": data.get("event_sinks", []),
    }
    return Reply(body=body)


async def files(ask: Ask) -> Reply:
    """GET …/files: the bare map."""
    source = await stack_source(ask.control, await ask.stack(deleted=True))
    return Reply(body=dict(source.files))


async def outputs(ask: Ask) -> Reply:
    """GET …/outputs."""
    found = await stack_outputs(ask.control, await ask.stack(deleted=True))
    return Reply(body={"outputs": [views.output_summary(output) for output in found]})


async def output(ask: Ask) -> Reply:
    """GET …/outputs/{key}."""
    key = ask.names["key"]
    stack = await ask.stack(deleted=True)
    for found in await stack_outputs(ask.control, stack):
        if found.name == key:
            return Reply(body={"output": views.output_detail(found)})
    raise NotFound(
        f"Specified output key {key} not found.",
        remedy="`stack output list` shows those there are.",
        fault="NotFound",
    )


Verb = Callable[[Control, Caller, StackRecord], Awaitable[OperationRecord]]


async def _cancel_update(control: Control, caller: Caller, stack: StackRecord) -> OperationRecord:
    return await cancel_stack(control, caller, stack, Cancel.ROLLBACK)


async def _cancel_without_rollback(
    control: Control, caller: Caller, stack: StackRecord
) -> OperationRecord:
    return await cancel_stack(control, caller, stack, Cancel.STOP)


ACTIONS: Mapping[str, Verb] = {
    "suspend": suspend_stack,
    "resume": resume_stack,
    "check": check_stack,
    "cancel_update": _cancel_update,
    "cancel_without_rollback": _cancel_without_rollback,
}


async def action(ask: Ask) -> Reply:
    """POST …/actions: exactly one action, whose value says nothing."""
    body: dict[str, Any] = ask.call.json_object()
    if not body:
        raise MantleError("No action specified", remedy=_remedy())
    if len(body) > 1:
        raise MantleError("Multiple actions specified", remedy=_remedy())
    name = next(iter(body))
    if name not in ACTIONS:
        raise MantleError(f"Invalid action {name} specified", remedy=_remedy())
    await ACTIONS[name](ask.control, ask.caller, await ask.stack())
    return Reply(body=None)


def _remedy() -> str:
    return f"Send exactly one of {', '.join(ACTIONS)}."
