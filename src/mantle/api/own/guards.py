"""`/v2/stacks/{stack}/guard`: protection from deletion, and a time to live."""

import msgspec
from litestar import Controller, get, put
from litestar.params import FromPath, JSONBody

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import when
from mantle.model.guards import StackGuard
from mantle.stacks.guards import protect_stack, set_ttl, show_guard
from mantle.stacks.queries import find_stack


class ProtectionBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whether deleting the stack is refused."""

    protected: bool
    why: str = ""


class LifetimeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How long the stack lives from now; null: until someone deletes it."""

    ttl_seconds: float | None
    warn_seconds: list[float] | None = None
    """Warnings come so long before the end; null: an hour and ten minutes."""


class Guard(msgspec.Struct, kw_only=True):
    """What guards a stack and everything inside it."""

    stack_id: str
    protected: bool
    why: str
    set_by: str
    expires_at: str | None
    warn_seconds: list[float]


class GuardAnswer(msgspec.Struct, kw_only=True):
    """The guard of one stack."""

    guard: Guard


class GuardsController(Controller):
    """Guards of the project's stacks."""

    path = "/stacks/{name_or_id:str}"
    tags = ["stacks"]

    @get("/guard", summary="Show what guards a stack")
    async def show(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> GuardAnswer:
        """For a nested stack: what guards its root."""
        enforce(caller, "stacks:show")
        stack = await find_stack(control, caller.project_id, name_or_id)
        return GuardAnswer(guard=guard_shape(await show_guard(control, stack)))

    @put("/protection", summary="Protect a stack from deletion, or take that back")
    async def protect(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        data: JSONBody[ProtectionBody],
    ) -> GuardAnswer:
        """Deleting is then refused with 409, through every API, also for the stacks inside it."""
        enforce(caller, "stacks:guard")
        stack = await find_stack(control, caller.project_id, name_or_id)
        guard = await protect_stack(control, caller, stack, protected=data.protected, why=data.why)
        return GuardAnswer(guard=guard_shape(guard))

    @put("/lifetime", summary="Set a stack's time to live")
    async def live(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        data: JSONBody[LifetimeBody],
    ) -> GuardAnswer:
        """Events warn before the end; then the stack is deleted, unless it is protected."""
        enforce(caller, "stacks:guard")
        stack = await find_stack(control, caller.project_id, name_or_id)
        guard = await set_ttl(control, caller, stack, data.ttl_seconds, data.warn_seconds)
        return GuardAnswer(guard=guard_shape(guard))


def guard_shape(guard: StackGuard) -> Guard:
    """A guard."""
    return Guard(
        stack_id=guard.stack_id,
        protected=guard.protected,
        why=guard.why,
        set_by=guard.set_by,
        expires_at=when(guard.expires_at),
        warn_seconds=list(guard.leads),
    )
