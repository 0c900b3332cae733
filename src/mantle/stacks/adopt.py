"""Abandon and adopt: a stack leaves its objects to themselves, another takes them over.

Abandoning forgets the stack in one transaction and touches nothing on the cloud. Adopting makes a
stack from the document that abandon (or export) gave: each resource's row knows its object from the
start, and its step only looks whether the object is there, in this project, and well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mantle.access.caller import Caller
from mantle.clouds.plain import CLOUDWIDE
from mantle.model.errors import Conflict, MantleError, NotFound
from mantle.model.graph import TemplateSource
from mantle.model.records import OperationRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.plan.adoption import adopted_rows
from mantle.plan.confidential import holds_secrets
from mantle.stacks.accept import Acceptance, accept, asker_of, new_operation, plan_for
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest, check_room, draft, refuse_taken
from mantle.stacks.export import export_stack
from mantle.stacks.guards import refuse_protected
from mantle.stacks.inner import load_whole
from mantle.store import events as event_rows
from mantle.store import guards as guard_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import snapshots as snapshot_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.template.environment import load_environment


async def abandon_stack(control: Control, caller: Caller, stack: StackRecord) -> dict[str, Any]:
    """Forget the stack and all stacks inside it; the answer is the document to adopt it by."""
    if stack.parent_id is not None:
        raise MantleError(
            f"Stack {stack.name!r} is part of another and cannot be abandoned by itself.",
            remedy="Abandon the root stack.",
        )
    document = await export_stack(control, stack)
    now = control.clock.now()

    def store(connection: Connection) -> None:
        found = stack_rows.get(connection, stack.id)
        if found is None or found.deleted_at is not None:
            raise NotFound(f"The Stack ({stack.name}) could not be found.")
        refuse_protected(connection, found)
        if found.source_id != stack.source_id or found.state != stack.state:
            raise Conflict(f"Stack {stack.name!r} was changed by someone else in this moment.")
        waiting = [found]
        while waiting:
            here = waiting.pop()
            if operation_rows.live_of_stack(connection, here.id):
                raise Conflict(
                    f"Stack {here.name} already has an action ({here.action}) in progress.",
                    remedy="Wait for its end, or cancel it.",
                    fault="ActionInProgress",
                )
            waiting += stack_rows.children(connection, here.id)
            _forget(connection, here, now)
        gone = replace(stack, action=Action.DELETE, status=Status.COMPLETE)
        event = control.machine.stack_event(
            gone, None, Action.DELETE, Status.COMPLETE, f"Abandoned by {caller.user_name}"
        )
        event_rows.add(connection, [event])

    await control.database.write(store)
    control.machine.nudges.nudge(stack.id)
    return document


def _forget(connection: Connection, stack: StackRecord, now: float) -> None:
    resource_rows.forget(connection, stack.id)
    named = snapshot_rows.drop(connection, stack.id, abandoned=True)
    guard_rows.drop(connection, stack.id)
    stack_rows.save(
        connection,
        replace(
            stack,
            action=Action.DELETE,
            status=Status.COMPLETE,
            reason="Stack abandoned; its objects are left as they are",
            deleted_at=now,
            previous_source_id=None,
        ),
    )
    stack_rows.let_go_of_sources(connection, [*named, stack.previous_source_id])


# --- adopt -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptRequest:
    """A stack to make from what is there."""

    create: CreateRequest
    """Name, settings and, in its source, what was given beside the document."""
    document: Mapping[str, Any]
    """What abandon or export gave."""


async def adopt_stack(
    control: Control, caller: Caller, request: AdoptRequest
) -> tuple[StackRecord, OperationRecord]:
    """Accept the adoption; durable when this returns."""
    source = source_of(request)
    refuse_twice(request.document)
    stack = draft(control, caller, replace(request.create, source=source))
    stack = replace(stack, action=Action.ADOPT, reason="Stack ADOPT started")
    await check_room(control, caller, stack)
    loaded = await load_whole(control, stack, source)
    stack = replace(
        stack,
        description=loaded.graph.description,
        confidential=holds_secrets(loaded, control.settings.secret_parameters),
    )
    rows = adopted_rows(
        stack.id,
        loaded,
        {} if request.document.get("resources") is None else request.document["resources"],
        new_id=control.new_id,
        now=control.clock.now(),
    )
    plan = await plan_for(control, stack, Action.ADOPT, loaded, rows, asker=asker_of(caller))
    operation = new_operation(control, caller, stack, Action.ADOPT)

    def store(connection: Connection) -> StackRecord:
        refuse_taken(connection, stack)
        refuse_owned(connection, stack, request.document)
        stored = replace(
            stack, source_id=stack_rows.add_source(connection, source, stack.created_at)
        )
        stack_rows.add(connection, stored)
        resource_rows.add(connection, rows)
        return stored

    return await accept(
        control,
        Acceptance(operation=operation, store=store, loaded=loaded, plan=plan, rows=rows),
    )


def source_of(request: AdoptRequest) -> TemplateSource:
    """The document's template and files; its environment under what was given beside it."""
    document = request.document
    template, given = document.get("template"), request.create.source
    if not isinstance(template, dict | str) or not template:
        raise MantleError(
            "adopt_stack_data holds no template.",
            remedy="Send the whole document that `stack abandon` or `stack export` gave.",
            fault="StackValidationFailed",
        )
    files, environment = (
        {} if document.get(name) is None else document[name] for name in ("files", "environment")
    )
    if not isinstance(files, dict) or not isinstance(environment, dict):
        raise MantleError(
            "`files` and `environment` of adopt_stack_data must be maps.",
            fault="StackValidationFailed",
        )
    beside = load_environment(given).as_data()
    merged = dict(environment)
    for section, body in beside.items():
        if isinstance(body, dict):
            merged[section] = {**(merged.get(section) or {}), **body}
        elif body:
            merged[section] = body
    merged.pop("encrypted_param_names", None)
    return replace(
        given,
        template=template,
        files={**files, **given.files},
        environment=merged,
        environment_files=(),
        parameters={},
    )


def _claims(resources: Any) -> Iterator[tuple[str, str, str]]:
    """(name, type, physical id) of every object that a document names, in inner stacks too."""
    if not isinstance(resources, Mapping):
        return
    for name, entry in resources.items():
        if not isinstance(entry, Mapping):
            continue
        if "resources" in entry:
            yield from _claims(entry["resources"])
        elif isinstance(entry.get("resource_id"), str):
            yield str(name), str(entry.get("type")), entry["resource_id"]


def refuse_twice(document: Mapping[str, Any]) -> None:
    """One object cannot be two resources."""
    seen: dict[tuple[str, str], str] = {}
    for name, kind, physical_id in _claims(document.get("resources")):
        other = seen.setdefault((kind, physical_id), name)
        if other != name:
            raise MantleError(
                f"{kind} {physical_id} stands twice in adopt_stack_data: as {other!r} and as "
                f"{name!r}.",
                remedy="An object is one resource of one stack: leave one of them out.",
                fault="StackValidationFailed",
            )


def refuse_owned(connection: Connection, stack: StackRecord, document: Mapping[str, Any]) -> None:
    """No object belongs to two stacks, nor is about to."""
    for _, kind, physical_id in _claims(document.get("resources")):
        for other in resource_rows.by_physical_id(connection, physical_id):
            owner = stack_rows.get(connection, other.stack_id)
            if owner is None or other.type != kind:
                continue
            if owner.project_id != stack.project_id and kind not in CLOUDWIDE:
                continue
            if owner.deleted_at is None and owner.cloud == stack.cloud:
                whose = f"resource {other.name!r} of stack {owner.name!r}"
                if owner.project_id != stack.project_id:
                    whose = "a stack of another project"
                raise Conflict(
                    f"{kind} {physical_id} belongs to {whose} already.",
                    remedy="Abandon that stack first, or leave the resource out.",
                )
