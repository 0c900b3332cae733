"""`/v2/limits` and `/v2/admin`: what a project may have, and what an administrator forgets."""

import msgspec
from litestar import Controller, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.model.ids import ProjectId
from mantle.stacks.control import Control
from mantle.stacks.limits import list_limits, set_limit, unset_limit
from mantle.stacks.purging import purge_deleted


class LimitItem(msgspec.Struct, kw_only=True):
    """One limit; a `limit` of -1 is none."""

    name: str
    what: str
    limit: int
    used: int
    usual: int
    set_by: str
    """Who set another one than the usual for this project; empty: nobody."""


class LimitsAnswer(msgspec.Struct, kw_only=True):
    """All limits of a project."""

    project_id: str
    limits: list[LimitItem]


class LimitBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A limit to set; -1 is none."""

    limit: int


class PurgeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which deleted stacks to forget: of one project, or of all."""

    older_than_seconds: float
    project_id: str | None = None


class PurgeAnswer(msgspec.Struct, kw_only=True):
    """How many stacks were forgotten, nested ones too."""

    stacks: int


class LimitsController(Controller):
    """What projects may have."""

    path = "/limits"
    tags = ["limits"]

    @get("/", summary="List limits")
    async def index(
        self,
        control: GivenControl,
        caller: GivenCaller,
        project_id: FromQuery[str | None] = None,
    ) -> LimitsAnswer:
        """Of the token's project; an administrator may ask for another one's."""
        enforce(caller, "limits:index")
        if project_id not in {None, caller.project_id}:
            enforce(caller, "limits:set")
        return await _answer(control, ProjectId(project_id or caller.project_id))

    @put("/{project_id:str}/{name:str}", summary="Set a limit")
    async def set(
        self,
        control: GivenControl,
        caller: GivenCaller,
        project_id: FromPath[str],
        name: FromPath[str],
        data: JSONBody[LimitBody],
    ) -> LimitsAnswer:
        """What the project has already beyond it stays."""
        enforce(caller, "limits:set")
        await set_limit(control, caller, ProjectId(project_id), name, data.limit)
        return await _answer(control, ProjectId(project_id))

    @delete("/{project_id:str}/{name:str}", status_code=200, summary="Back to the usual limit")
    async def unset(
        self,
        control: GivenControl,
        caller: GivenCaller,
        project_id: FromPath[str],
        name: FromPath[str],
    ) -> LimitsAnswer:
        """That of projects for which nothing is set."""
        enforce(caller, "limits:set")
        await unset_limit(control, ProjectId(project_id), name)
        return await _answer(control, ProjectId(project_id))


class AdminController(Controller):
    """What only whoever runs Mantle does."""

    path = "/admin"
    tags = ["admin"]

    @post("/purge", status_code=200, summary="Forget deleted stacks")
    async def purge(
        self, control: GivenControl, caller: GivenCaller, data: JSONBody[PurgeBody]
    ) -> PurgeAnswer:
        """With everything that is said of them, before the time that is set for it."""
        enforce(caller, "admin:purge")
        project = None if data.project_id is None else ProjectId(data.project_id)
        found = await purge_deleted(control, data.older_than_seconds, project)
        return PurgeAnswer(stacks=found.stacks)


async def _answer(control: Control, project_id: ProjectId) -> LimitsAnswer:
    return LimitsAnswer(
        project_id=project_id,
        limits=[
            LimitItem(
                name=each.name,
                what=each.what,
                limit=each.value,
                used=each.used,
                usual=each.usual,
                set_by=each.set_by,
            )
            for each in await list_limits(control, project_id)
        ],
    )
