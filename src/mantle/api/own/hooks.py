"""`/v2/stacks/{stack}/hooks`: what waits for a person, and letting it go on."""

from datetime import UTC, datetime

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.stacks.hooks import clear_hook, list_hooks
from mantle.stacks.queries import find_stack


class HookBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A hook to clear."""

    resource: str
    hook: str


class HeldHook(msgspec.Struct, kw_only=True):
    """A hook that holds an operation."""

    operation_id: str
    resource: str
    hook: str
    held_at: str


class HooksAnswer(msgspec.Struct, kw_only=True):
    """Those that nobody has cleared, the oldest first."""

    hooks: list[HeldHook]


class HooksController(Controller):
    """Hooks of a stack of the token's project; an inner stack is named by its id."""

    path = "/stacks/{name_or_id:str}/hooks"
    tags = ["stacks"]

    @get("/", summary="List held hooks")
    async def index(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> HooksAnswer:
        """What waits for a person."""
        enforce(caller, "stacks:show")
        stack = await find_stack(control, caller.project_id, name_or_id)
        held = await list_hooks(control, stack)
        return HooksAnswer(
            hooks=[
                HeldHook(
                    operation_id=each.operation_id,
                    resource=each.resource,
                    hook=each.hook,
                    held_at=datetime.fromtimestamp(each.held_at, UTC).isoformat(),
                )
                for each in held
            ]
        )

    @post("/clear", status_code=204, summary="Clear a hook")
    async def clear(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        data: JSONBody[HookBody],
    ) -> None:
        """The step goes on; the event says so."""
        enforce(caller, "resources:signal")
        stack = await find_stack(control, caller.project_id, name_or_id)
        await clear_hook(control, caller, stack, data.resource, data.hook)
