"""`/v2/moves`: resources change their stack or their name; planned first, then done or refused."""

from typing import Any, Literal

import msgspec
from litestar import Controller, delete, get, post
from litestar.params import FromPath, JSONBody

from mantle.access.caller import Caller
from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import when
from mantle.model.errors import MantleError
from mantle.model.moves import MoveKind, MoveRequest, SavedMove
from mantle.plan.moving import render_move
from mantle.stacks.control import Control
from mantle.stacks.moving import apply_move, delete_move, find_move, list_moves, plan_move
from mantle.stacks.queries import find_stack

MOST_NAMES = 1000
"""Resources in one move."""


class MoveBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to move. `resources` maps names to what they are called afterwards."""

    kind: Literal["move", "split", "rename", "rename_stack"]
    source: str
    """The stack, by name or id."""
    resources: dict[str, str] = {}
    target: str = ""
    """The stack they go to, by name or id: for `move`."""
    name: str = ""
    """The new stack's name, for `split`; the stack's new name, for `rename_stack`."""


class MovedResource(msgspec.Struct, kw_only=True):
    """A resource that goes."""

    name: str
    new_name: str
    type: str
    physical_id: str | None


class CrossingItem(msgspec.Struct, kw_only=True):
    """A reference across the cut; `parameter` stands for it afterwards, empty for a null."""

    stack: str
    path: str
    line: int | None
    reads: str
    parameter: str
    value: Any


class Carried(msgspec.Struct, kw_only=True):
    """A parameter that goes along."""

    name: str
    new_name: str


class DroppedItem(msgspec.Struct, kw_only=True):
    """A `depends_on` across the cut, which is no more."""

    stack: str
    resource: str
    depends_on: str


class StackInside(msgspec.Struct, kw_only=True):
    """A stack inside a resource that goes; it keeps its id and name."""

    resource: str
    """The way to it: `group`, and `group/0` for one inside that."""
    name: str
    id: str
    resources: int
    """How many it has."""


class Move(msgspec.Struct, kw_only=True):
    """A move as planned."""

    id: str
    kind: str
    status: str
    source: str
    target: str
    resources: list[MovedResource]
    crossings: list[CrossingItem]
    parameters: list[Carried]
    conditions: list[str]
    files: list[str]
    types: list[str] = []
    """Entries of the resource registry that go along."""
    defaults: list[str] = []
    """Entries of `parameter_defaults` that go along."""
    stacks: list[StackInside] = []
    """Those inside what goes."""
    dropped: list[DroppedItem]
    notes: list[str]
    made_by: str
    made_at: str | None
    expires_at: str | None
    applied_at: str | None


class MoveAnswer(msgspec.Struct, kw_only=True):
    """A move as data, and as text for people."""

    move: Move
    rendered: str


class MovesAnswer(msgspec.Struct, kw_only=True):
    """The project's, newest first."""

    moves: list[Move]


class MovesController(Controller):
    """Moves of the token's project."""

    path = "/moves"
    tags = ["moves"]

    @post("/", status_code=201, summary="Plan a move")
    async def create(
        self, control: GivenControl, caller: GivenCaller, data: JSONBody[MoveBody]
    ) -> MoveAnswer:
        """Changes nothing. Refused when a value cannot be carried, or a plan would not be empty."""
        enforce(caller, "moves:create")
        request = await _request(control, caller, data)
        return _answer(await plan_move(control, caller, request))

    @get("/", summary="List moves")
    async def index(self, control: GivenControl, caller: GivenCaller) -> MovesAnswer:
        """Newest first."""
        enforce(caller, "moves:show")
        found = await list_moves(control, caller.project_id)
        return MovesAnswer(moves=[_shape(each) for each in found])

    @get("/{move_id:str}", summary="Show a move")
    async def show(
        self, control: GivenControl, caller: GivenCaller, move_id: FromPath[str]
    ) -> MoveAnswer:
        """As data and as text."""
        enforce(caller, "moves:show")
        return _answer(await find_move(control, caller.project_id, move_id))

    @post("/{move_id:str}/apply", status_code=200, summary="Apply a move")
    async def apply(
        self, control: GivenControl, caller: GivenCaller, move_id: FromPath[str]
    ) -> MoveAnswer:
        """Done when this answers; or 409 with what has changed, and nothing touched."""
        enforce(caller, "moves:apply")
        return _answer(await apply_move(control, caller, move_id))

    @delete("/{move_id:str}", status_code=204, summary="Delete a move")
    async def remove(
        self, control: GivenControl, caller: GivenCaller, move_id: FromPath[str]
    ) -> None:
        """What it has done stays done."""
        enforce(caller, "moves:delete")
        await delete_move(control, caller.project_id, move_id)


async def _request(control: Control, caller: Caller, body: MoveBody) -> MoveRequest:
    kind = MoveKind(body.kind)
    for given, needed, what in (
        (body.target, kind is MoveKind.MOVE, "target"),
        (body.name, kind in {MoveKind.SPLIT, MoveKind.RENAME_STACK}, "name"),
        (body.resources, kind is not MoveKind.RENAME_STACK, "resources"),
    ):
        if bool(given) is not needed:
            verb = "needs" if needed else "takes no"
            raise MantleError(f"A move of the kind {body.kind} {verb} `{what}`.")
    if len(body.resources) > MOST_NAMES:
        raise MantleError(
            f"{len(body.resources)} resources are too many for one move.",
            remedy=f"Move at most {MOST_NAMES} at once.",
            fault="RequestLimitExceeded",
        )
    source = await find_stack(control, caller.project_id, body.source)
    target = None
    if body.target:
        target = await find_stack(control, caller.project_id, body.target)
    return MoveRequest(
        kind=kind,
        source_id=source.id,
        target_id=None if target is None else target.id,
        name=body.name,
        names=body.resources,
    )


def _answer(move: SavedMove) -> MoveAnswer:
    return MoveAnswer(move=_shape(move), rendered=render_move(move.document))


def _shape(move: SavedMove) -> Move:
    return msgspec.convert(
        {
            **move.document,
            "id": move.id,
            "status": str(move.status),
            "made_by": move.made_by.user_name,
            "made_at": when(move.made_at),
            "expires_at": when(move.expires_at),
            "applied_at": when(move.applied_at),
        },
        Move,
    )
