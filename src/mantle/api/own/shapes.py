"""Requests and answers of `/v2`. OpenAPI is generated from these; times are ISO 8601, UTC."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from mantle.clouds.ports import Cloud
from mantle.model.event import Event
from mantle.model.interventions import Stuck
from mantle.model.records import OperationRecord, StackRecord
from mantle.stacks.queries import OutputView, ResourceView


class StackBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A stack to create."""

    stack_name: str
    template: str | dict[str, Any] | None = None
    template_url: str = ""
    """Where the server fetches the template, in place of `template`."""
    template_name: str = "template"
    files: dict[str, str] = {}
    environment: str | dict[str, Any] = {}
    environment_files: list[str] = []
    parameters: dict[str, Any] = {}
    disable_rollback: bool = True
    timeout_minutes: int | None = None
    tags: list[str] = []
    cloud: str = ""
    protected: bool = False
    ttl_seconds: float | None = None


class ChangeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A stack as it should become. `existing` keeps what is not given."""

    template: str | dict[str, Any] | None = None
    template_url: str = ""
    """Where the server fetches the template, in place of `template`."""
    template_name: str = "template"
    files: dict[str, str] = {}
    environment: str | dict[str, Any] = {}
    environment_files: list[str] = []
    parameters: dict[str, Any] = {}
    clear_parameters: list[str] = []
    existing: bool = False
    disable_rollback: bool | None = None
    timeout_minutes: int | None = None
    tags: list[str] | None = None
    converge: bool = False
    """Look at what is there first, and bring back what was changed beside Mantle as well."""


class PlanBody(ChangeBody, kw_only=True, forbid_unknown_fields=True):
    """What to plan. A stack is named by `stack_name` or, when it exists, `stack_id`."""

    action: Literal["create", "update", "delete", "rollback"]
    stack_name: str | None = None
    stack_id: str | None = None
    cloud: str = ""


class CancelBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How to end the operation under way."""

    rollback: bool = True


class Output(msgspec.Struct, kw_only=True):
    """One output of a stack."""

    name: str
    value: Any
    description: str = ""
    error: str = ""
    waits_for: list[str] = []
    """Resources it needs that the operation under way has still to make."""


class Stack(msgspec.Struct, kw_only=True):
    """A stack; `status` is action and status in one word, such as CREATE_COMPLETE."""

    id: str
    name: str
    description: str
    status: str
    reason: str
    cloud: str
    owner: str
    project_id: str
    parent_id: str | None
    tags: list[str]
    disable_rollback: bool
    timeout_minutes: int | None
    created_at: str | None
    updated_at: str | None
    deleted_at: str | None
    outputs: list[Output] | None = None
    """Only where one stack is asked for."""
    parameters: dict[str, str] | None = None


class Resource(msgspec.Struct, kw_only=True):
    """A resource of a stack."""

    stack_id: str
    stack_name: str
    name: str
    type: str
    status: str
    reason: str
    physical_id: str | None
    required_by: list[str]
    nested_stack_id: str | None
    created_at: str | None
    updated_at: str | None


class EventItem(msgspec.Struct, kw_only=True):
    """A change of state. `sequence` is the cursor to go on from."""

    sequence: int
    id: str
    stack_id: str
    stack_name: str
    within: str = ""
    """The way from the stack asked for to a nested one, by resource names: `web/0`."""
    operation_id: str | None
    resource: str
    resource_type: str
    physical_id: str | None
    action: str
    status: str
    reason: str
    at: str | None


class Operation(msgspec.Struct, kw_only=True):
    """The durable execution of one plan."""

    id: str
    stack_id: str
    action: str
    status: str
    reason: str
    plan_id: str | None
    cancel: str | None
    steps_total: int
    steps_done: int
    created_at: str | None
    started_at: str | None
    ended_at: str | None
    deadline_at: str | None
    parent_id: str | None = None
    """The operation that this one does a step for."""
    stuck: list[str] = []
    """What the watchdog found that keeps it; only in `?stuck=true`."""


class CloudItem(msgspec.Struct, kw_only=True):
    """A configured cloud."""

    name: str
    kind: str
    description: str
    default: bool
    facts: dict[str, str]


class LimitationItem(msgspec.Struct, kw_only=True):
    """A property that a cloud cannot honour, and what to do instead."""

    resource_type: str
    path: str
    why: str
    remedy: str


class StackAnswer(msgspec.Struct, kw_only=True):
    """One stack."""

    stack: Stack


class StacksAnswer(msgspec.Struct, kw_only=True):
    """Stacks of the project, newest first."""

    stacks: list[Stack]


class AcceptedAnswer(msgspec.Struct, kw_only=True):
    """A request that is durable from now on, and being carried out."""

    stack: Stack
    operation: Operation
    plan: dict[str, Any] | None = None
    """None while the operation waits for one before it: it plans when its turn comes."""


class ResourcesAnswer(msgspec.Struct, kw_only=True):
    """Resources of a stack."""

    resources: list[Resource]


class EventsAnswer(msgspec.Struct, kw_only=True):
    """Events of a stack."""

    events: list[EventItem]


class OperationAnswer(msgspec.Struct, kw_only=True):
    """One operation."""

    operation: Operation


class OperationsAnswer(msgspec.Struct, kw_only=True):
    """Operations of the project, newest first."""

    operations: list[Operation]


class PlanAnswer(msgspec.Struct, kw_only=True):
    """A plan: as data, and as text for people."""

    plan_id: str
    plan: dict[str, Any]
    rendered: str


class CloudsAnswer(msgspec.Struct, kw_only=True):
    """The configured clouds."""

    clouds: list[CloudItem]


class CloudAnswer(msgspec.Struct, kw_only=True):
    """One cloud, with what it cannot do."""

    cloud: CloudItem
    limitations: list[LimitationItem]


class UnmanagedItem(msgspec.Struct, kw_only=True):
    """An object that is in no stack."""

    type: str
    id: str
    name: str
    status: str
    created_at: str | None


class UnmanagedAnswer(msgspec.Struct, kw_only=True):
    """What belongs to nobody, and the types that could not be listed, with why."""

    objects: list[UnmanagedItem]
    unseen: dict[str, str]


class SelfAnswer(msgspec.Struct, kw_only=True):
    """Who the token says is asking."""

    user_id: str
    user_name: str
    project_id: str
    project_name: str
    roles: list[str]


# --- records to shapes -----------------------------------------------------------------------


def when(seconds: float | None) -> str | None:
    """ISO 8601 with milliseconds, UTC."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stack_shape(
    stack: StackRecord,
    outputs: list[OutputView] | None = None,
    parameters: dict[str, str] | None = None,
) -> Stack:
    """A stack."""
    return Stack(
        id=stack.id,
        name=stack.name,
        description=stack.description,
        status=stack.state,
        reason=stack.reason,
        cloud=stack.cloud,
        owner=stack.owner_name,
        project_id=stack.project_id,
        parent_id=stack.parent_id,
        tags=list(stack.tags),
        disable_rollback=stack.disable_rollback,
        timeout_minutes=stack.timeout_minutes,
        created_at=when(stack.created_at),
        updated_at=when(stack.updated_at),
        deleted_at=when(stack.deleted_at),
        outputs=None if outputs is None else [output_shape(output) for output in outputs],
        parameters=parameters,
    )


def output_shape(output: OutputView) -> Output:
    """An output."""
    return Output(
        name=output.name,
        value=output.value,
        description=output.description,
        error=output.error,
        waits_for=list(output.waits_for),
    )


def resource_shape(view: ResourceView) -> Resource:
    """A resource."""
    record = view.record
    return Resource(
        stack_id=view.stack.id,
        stack_name=view.stack.name,
        name=record.name,
        type=record.type,
        status=record.state,
        reason=record.reason,
        physical_id=record.physical_id,
        required_by=list(view.required_by),
        nested_stack_id=view.nested_stack.id if view.nested_stack else None,
        created_at=when(record.created_at),
        updated_at=when(record.updated_at),
    )


def event_shape(event: Event, stack_name: str, within: str = "") -> EventItem:
    """An event."""
    return EventItem(
        sequence=event.sequence,
        id=event.id,
        stack_id=event.stack_id,
        stack_name=stack_name,
        within=within,
        operation_id=event.operation_id,
        resource=event.resource,
        resource_type=event.resource_type,
        physical_id=event.physical_id,
        action=event.action.value,
        status=event.status.value,
        reason=event.reason,
        at=when(event.at),
    )


def operation_shape(operation: OperationRecord, stuck: Stuck | None = None) -> Operation:
    """An operation."""
    return Operation(
        id=operation.id,
        stack_id=operation.stack_id,
        action=operation.action.value,
        status=operation.status.value,
        reason=operation.reason,
        plan_id=operation.plan_id,
        cancel=operation.cancel.value if operation.cancel else None,
        steps_total=operation.steps_total,
        steps_done=operation.steps_done,
        created_at=when(operation.created_at),
        started_at=when(operation.started_at),
        ended_at=when(operation.ended_at),
        deadline_at=when(operation.deadline_at),
        parent_id=operation.parent_id,
        stuck=[] if stuck is None else [said for _, _, said in stuck.reasons],
    )


def cloud_shape(cloud: Cloud, default: str) -> CloudItem:
    """A cloud."""
    info = cloud.info
    return CloudItem(
        name=info.name,
        kind=info.kind,
        description=info.description,
        default=info.name == default,
        facts=dict(info.facts),
    )
