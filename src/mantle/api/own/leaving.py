"""`/v2/stacks/…`: snapshots, and stacks that leave their objects or take them over."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, delete, get, post
from litestar.params import FromPath, JSONBody

from mantle.access.policy import enforce
from mantle.api.door import JSON_DEPTH, depth_exceeds
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import AcceptedAnswer, operation_shape, stack_shape
from mantle.model.errors import MantleError, NotSupported
from mantle.model.graph import TemplateSource
from mantle.stacks.adopt import AdoptRequest, abandon_stack, adopt_stack
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest
from mantle.stacks.export import export_stack
from mantle.stacks.queries import find_stack
from mantle.stacks.snapshots import (
    delete_snapshot,
    list_snapshots,
    restore_snapshot,
    take_snapshot,
)
from mantle.store.snapshots import SnapshotRecord


class SnapshotBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A snapshot to take."""

    name: str | None = None


class SnapshotCopy(msgspec.Struct, kw_only=True):
    """What is kept of one resource, on the cloud: `kept` has the copy's id, once it is whole."""

    resource: str
    """Its name, behind those of the resources it is inside: `group/0/disk`."""
    resource_type: str
    cloud: str
    kept: dict[str, str]


class Snapshot(msgspec.Struct, kw_only=True):
    """A snapshot; its document is given by Heat's API."""

    id: str
    name: str | None
    status: str
    reason: str
    created_at: str
    contents: list[SnapshotCopy] = []


class SnapshotsAnswer(msgspec.Struct, kw_only=True):
    """The oldest first."""

    snapshots: list[Snapshot]


class AdoptBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A stack to make from what is there; `document` is what abandon or export gave."""

    stack_name: str
    document: dict[str, Any]
    environment: str | dict[str, Any] = {}
    files: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    timeout_minutes: int | None = None
    tags: list[str] = []
    cloud: str = ""


class LeavingController(Controller):
    """Of the token's project."""

    path = "/stacks"
    tags = ["stacks"]

    @get("/{name_or_id:str}/snapshots", summary="List snapshots")
    async def snapshots(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> SnapshotsAnswer:
        """The oldest first."""
        enforce(caller, "snapshots:index")
        stack = await find_stack(control, caller.project_id, name_or_id)
        found = await list_snapshots(control, stack)
        return SnapshotsAnswer(snapshots=[_shape(each) for each in found])

    @post("/{name_or_id:str}/snapshots", status_code=202, summary="Take a snapshot")
    async def take(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        data: JSONBody[SnapshotBody],
    ) -> Snapshot:
        """COMPLETE when the stack is SNAPSHOT_COMPLETE."""
        enforce(caller, "snapshots:create")
        stack = await find_stack(control, caller.project_id, name_or_id)
        return _shape(await take_snapshot(control, caller, stack, data.name))

    @delete("/{name_or_id:str}/snapshots/{snapshot_id:str}", summary="Delete a snapshot")
    async def drop(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        snapshot_id: FromPath[str],
    ) -> None:
        """Not one that is still being taken."""
        enforce(caller, "snapshots:delete")
        stack = await find_stack(control, caller.project_id, name_or_id)
        await delete_snapshot(control, stack, snapshot_id)

    @post(
        "/{name_or_id:str}/snapshots/{snapshot_id:str}/restore",
        status_code=202,
        summary="Return to a snapshot",
    )
    async def restore(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        snapshot_id: FromPath[str],
    ) -> AcceptedAnswer:
        """Durable when this answers; the events tell how it goes."""
        enforce(caller, "snapshots:restore")
        stack = await find_stack(control, caller.project_id, name_or_id)
        operation = await restore_snapshot(control, caller, stack, snapshot_id)
        now = await find_stack(control, caller.project_id, stack.id)
        return AcceptedAnswer(stack=stack_shape(now), operation=operation_shape(operation))

    @get("/{name_or_id:str}/export", summary="Export a stack")
    async def export(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> dict[str, Any]:
        """The document that adopt takes."""
        enforce(caller, "stacks:export")
        _allowed(control)
        return await export_stack(control, await find_stack(control, caller.project_id, name_or_id))

    @post("/{name_or_id:str}/abandon", status_code=200, summary="Abandon a stack")
    async def abandon(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> dict[str, Any]:
        """The same document; the stack is gone, its objects stay."""
        enforce(caller, "stacks:abandon")
        _allowed(control)
        stack = await find_stack(control, caller.project_id, name_or_id)
        return await abandon_stack(control, caller, stack)

    @post("/adopt", status_code=202, summary="Adopt what a stack left")
    async def adopt(
        self, control: GivenControl, caller: GivenCaller, data: JSONBody[AdoptBody]
    ) -> AcceptedAnswer:
        """Takes over the objects that the document names; changes none of them."""
        enforce(caller, "stacks:create")
        if depth_exceeds([data.document, data.environment, data.parameters], JSON_DEPTH):
            raise MantleError(f"The request nests deeper than {JSON_DEPTH} levels.")
        source = TemplateSource(
            template=data.document.get("template") or {},
            files=data.files,
            environment=data.environment,
            parameters=data.parameters,
        )
        create = CreateRequest(
            name=data.stack_name,
            source=source,
            timeout_minutes=data.timeout_minutes,
            tags=tuple(data.tags),
            cloud=data.cloud,
        )
        request = AdoptRequest(create=create, document=data.document)
        stack, operation = await adopt_stack(control, caller, request)
        return AcceptedAnswer(stack=stack_shape(stack), operation=operation_shape(operation))


def _allowed(control: Control) -> None:
    if not control.settings.allow_export:
        raise NotSupported("Export is switched off here.", remedy="Ask the operator.")


def _shape(snapshot: SnapshotRecord) -> Snapshot:
    return Snapshot(
        id=snapshot.id,
        name=snapshot.name,
        status=snapshot.status,
        reason=snapshot.reason,
        created_at=datetime.fromtimestamp(snapshot.created_at, UTC).isoformat(),
        contents=[
            SnapshotCopy(
                resource="/".join(each.path),
                resource_type=each.resource_type,
                cloud=each.cloud,
                kept={key: str(value) for key, value in (each.kept or {}).items()},
            )
            for each in snapshot.contents
        ],
    )
