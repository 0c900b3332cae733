"""A stack of another Heat: OS::Heat::Stack with credentials of its own.

The stack there carries a tag with this row's token, and each update one of its own, so that a deed
whose answer was lost is recognised: what has the tag was made by this row, and is not made again.
"""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import Clash, FarStack, FarStacks, FarWish, Missing
from mantle.resources.kit import Context, Done, Failed, Outcome, Ref, Wait

DONE = {"suspend": "SUSPEND_COMPLETE", "resume": "RESUME_COMPLETE"}


def is_far(properties: Mapping[str, Any]) -> bool:
    """Whether the stack is another Heat's."""
    context = properties.get("context")
    return isinstance(context, Mapping) and bool(context.get("credential_secret_id"))


async def create(ctx: Context) -> Outcome:
    """Make it, or find it made."""
    far = await ctx.far(ctx.properties["context"])
    try:
        stack = await _ours(ctx, far)
        if stack is not None:
            return _state_of(stack, "CREATE")
        try:
            made = await far.create(ctx.name_hint, _tag(ctx.ref), wish_of(ctx))
        except Clash:
            found = await far.find(ctx.name_hint)
            if found is None or _tag(ctx.ref) in found.tags:
                raise
            return Failed(
                reason=f"There is a stack {ctx.name_hint!r} there that is not this resource's.",
                remedy="Rename or delete it there.",
            )
        return Wait(reason="the stack there is being created", physical_id=made)
    finally:
        await far.close()


async def update(ctx: Context) -> Outcome:
    """Bring it to the new template and parameters, once."""
    far = await ctx.far(ctx.properties["context"])
    key = f"mantle-update-{ctx.started_at:.3f}"
    try:
        stack = await _there(ctx, far)
        if stack is None:
            return Failed(
                reason=f"The stack {ctx.ref.physical_id} is no longer there.",
                remedy="Mark the resource unhealthy; the next update makes another one.",
            )
        if key in stack.tags:
            return _state_of(stack, "UPDATE")
        if stack.state.endswith("_IN_PROGRESS"):
            return Wait(reason=f"the stack there is busy: {stack.state}")
        await far.update(stack, f"{_tag(ctx.ref)},{key}", wish_of(ctx))
        return Wait(reason="the stack there is being updated")
    finally:
        await far.close()


async def delete(ctx: Context) -> Outcome:
    """Ask once; what is gone is deleted, whoever did it."""
    far = await ctx.far(ctx.properties["context"])
    try:
        stack = await (_there(ctx, far) if ctx.ref.physical_id else _ours(ctx, far))
        if stack is None or stack.state == "DELETE_COMPLETE":
            return Done()
        asked = ctx.ref.data.get("asked") == _asking(ctx, "delete")
        if stack.state == "DELETE_FAILED" and asked:
            return Failed(reason=f"The stack there could not be deleted: {stack.reason}")
        if stack.state != "DELETE_IN_PROGRESS":
            await far.delete(stack)
        return Wait(
            reason="the stack there is being deleted",
            data={**ctx.ref.data, "asked": _asking(ctx, "delete")},
        )
    finally:
        await far.close()


def acting(verb: str) -> Any:
    """A phase that has the Heat there check, suspend or resume it."""

    async def act(ctx: Context) -> Outcome:
        far = await ctx.far(ctx.properties["context"])
        try:
            stack = await _there(ctx, far)
            if stack is None:
                return Failed(reason=f"The stack {ctx.ref.physical_id} is no longer there.")
            if stack.state.endswith("_IN_PROGRESS"):
                return Wait(reason=f"the stack there is {stack.state}")
            if ctx.ref.data.get("asked") == _asking(ctx, verb):
                return _state_of(stack, verb.upper())
            if stack.state == DONE.get(verb):
                return Done()
            await far.act(stack, verb)
            return Wait(
                reason=f"{verb} was asked for there",
                data={**ctx.ref.data, "asked": _asking(ctx, verb)},
            )
        finally:
            await far.close()

    return act


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """Name and outputs, as shown there."""
    if not is_far(ctx.properties):
        return {}
    far = await ctx.far(ctx.properties["context"])
    try:
        stack = await far.get(ctx.ref.physical_id or "")
    finally:
        await far.close()
    return {"stack_name": stack.name, "outputs": dict(stack.outputs)}


def wish_of(ctx: Context) -> FarWish:
    """What the stack there is made from."""
    files, environment = ctx.given()
    return FarWish(
        template=ctx.properties["template"],
        files=files,
        environment=environment,
        parameters=ctx.properties.get("parameters") or {},
        timeout_minutes=ctx.properties.get("timeout"),
    )


async def _ours(ctx: Context, far: FarStacks) -> FarStack | None:
    """The stack this row made, whether or not it got to know its id."""
    if ctx.ref.physical_id:
        return await _there(ctx, far)
    if ctx.fresh:
        return None
    found = await far.find(ctx.name_hint)
    return found if found is not None and _tag(ctx.ref) in found.tags else None


async def _there(ctx: Context, far: FarStacks) -> FarStack | None:
    try:
        return await far.get(ctx.ref.physical_id or "")
    except Missing:
        return None


def _state_of(stack: FarStack, action: str) -> Outcome:
    if stack.state.endswith("_IN_PROGRESS"):
        return Wait(reason=f"the stack there is {stack.state}", physical_id=stack.id)
    if stack.state.endswith("_COMPLETE") and not stack.state.startswith(("DELETE", "ROLLBACK")):
        return Done(physical_id=stack.id)
    return Failed(
        reason=f"{action} of the stack there ended as {stack.state}: {stack.reason}",
        remedy="Look at it there.",
        physical_id=stack.id,
    )


def _tag(ref: Ref) -> str:
    return f"mantle-{ref.token}"


def _asking(ctx: Context, verb: str) -> str:
    return f"{verb} {ctx.started_at:.3f}"
