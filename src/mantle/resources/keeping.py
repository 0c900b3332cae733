"""Keeping what an object holds: the snapshot phase of types whose objects hold something.

Note on crashes, as in `cloud_object`: the copy is asked for by a token that is durable before the
call, so after a power cut it is found instead of made twice; and what was begun for a snapshot is
found by the same token when the snapshot is deleted, whether or not its id was ever stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mantle.clouds.ports import Clash, CloudObject, Collection, Missing, ObjectStatus, Session
from mantle.model.ids import Token
from mantle.resources.cloud_object import Blueprint, look
from mantle.resources.kit import Context, Done, Failed, Forget, Outcome, Phase, Wait

SpecT = TypeVar("SpecT")
CopyT = TypeVar("CopyT", bound=CloudObject)
ObjectT = TypeVar("ObjectT", bound=CloudObject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper(Generic[SpecT, CopyT, ObjectT]):
    """How a type's objects are kept."""

    noun: str
    """For messages: `backup`."""
    key: str
    """Under which the copy's id is noted, as Heat does in a snapshot's `resource_data`."""
    collection: Callable[[Session], Collection[SpecT, CopyT]]
    spec: Callable[[str, ObjectT], SpecT]
    """(name of the copy, object) -> what to ask for."""


def snapshot_of(keeper: Keeper[SpecT, CopyT, ObjectT], blueprint: Blueprint[Any, ObjectT]) -> Phase:
    """The snapshot phase."""

    async def snapshot(ctx: Context) -> Outcome:
        copies = keeper.collection(ctx.cloud)
        copy = await copies.find(ctx.keep_token)
        if copy is None:
            found = await look(blueprint, ctx)
            if found is None and ctx.leaving:
                return Done(note=f"The {blueprint.noun} is gone already: nothing is kept of it.")
            if found is None:
                return Failed(
                    reason=f"{blueprint.noun} {ctx.ref.physical_id or ctx.ref.name} is no longer "
                    "in the cloud.",
                    remedy="Update the stack to have it made again.",
                )
            name = f"{found.name or ctx.name_hint}"[:200] + f"-{ctx.keep_token[-8:]}"
            copy = await copies.create(keeper.spec(name, found), ctx.keep_token)
        match copy.status:
            case ObjectStatus.ACTIVE:
                said = f"What it holds is kept as {keeper.noun} {copy.id}"
                return Done(kept={keeper.key: copy.id}, note=said)
            case ObjectStatus.BUILDING:
                return Wait(reason=f"{keeper.noun} {copy.id} is being made")
            case status:
                return Failed(
                    reason=f"{keeper.noun} {copy.id} is {status}: {copy.fault}".rstrip(": "),
                    remedy="Free some room for it, or leave it out, then take another snapshot.",
                )

    return snapshot


def forget_by(keeper: Keeper[Any, Any, Any]) -> Forget:
    """Deletes the copy, found by its id or its token, until it is gone."""

    async def forget(cloud: Session, token: Token, kept: Mapping[str, Any]) -> Done | Wait | Failed:
        copies = keeper.collection(cloud)
        try:
            copy_id = kept.get(keeper.key)
            if copy_id is None:
                found = await copies.find(token)
                if found is None:
                    return Done()
                copy_id = found.id
            await copies.delete(copy_id)
            await copies.get(copy_id)
        except Missing:
            return Done()
        except Clash as clash:
            return Wait(reason=f"{keeper.noun} is in use: {clash}")
        return Wait(reason=f"{keeper.noun} {copy_id} is being deleted")

    return forget
