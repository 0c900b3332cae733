"""The one engine behind every type that is a single object of a cloud collection.

A type gives the collection, how properties become a spec, and what its attributes are; the phases
follow from the rules that `clouds/ports.py` promises.

Note on crashes. The process may die after the cloud made an object and before its id was stored.
The next call then has a token and no id: create finds the object by its token instead of making
another, and delete finds it by its token instead of believing that there is nothing.

    create(spec, token)          cloud: object 7
    -- power cut --
    find(token) -> object 7      nothing doubled
    delete: find(token) -> 7     nothing left behind
"""

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import msgspec

from mantle.clouds.ports import (
    Anew,
    Clash,
    CloudObject,
    Collection,
    Missing,
    ObjectStatus,
    Session,
)
from mantle.model.schema import TypeFacts
from mantle.resources.inverse import Inverse, Peers, flat, nothing_elsewhere
from mantle.resources.kit import Context, Done, Failed, Outcome, ResourceType, Wait

SpecT = TypeVar("SpecT")
ObjectT = TypeVar("ObjectT", bound=CloudObject)

HIDDEN_FIELDS = ("extra", "token", "admin_password", "private_key", "user_data")
"""Never shown in the attribute `show`: they are secrets, or may hold some."""

UPDATE_MARK = "update_sent_for"
"""In a row's data: the `started_at` of the update phase whose request the cloud has accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint(Generic[SpecT, ObjectT]):
    """What differs from one cloud object type to the next."""

    facts: TypeFacts
    noun: str
    """For messages: `port`."""
    collection: Callable[[Session], Collection[SpecT, ObjectT]]
    spec: Callable[[Context], Awaitable[SpecT]]
    """Resolves names; may raise `Refused`."""
    attributes: Callable[[Context, ObjectT], Awaitable[Mapping[str, Any]]]
    remedy: str = "Correct the properties, then update the stack."
    """What to do when the object ends in ERROR."""
    dry_spec: Callable[[Context], Awaitable[SpecT]] | None = None
    """The spec without what making it would do; None when `spec` only reads."""
    written: Callable[[ObjectT, Peers], Mapping[str, Any]] | None = None
    """The properties that ask for an object, read back from it; see `resources/inverse.py`."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    unseen: frozenset[str] = frozenset()
    elsewhere: Callable[[ObjectT, Peers], frozenset[str]] = nothing_elsewhere


def cloud_object(blueprint: Blueprint[SpecT, ObjectT]) -> ResourceType:
    """A resource type from a blueprint; `dataclasses.replace` puts in special phases."""
    return ResourceType(
        facts=blueprint.facts,
        create=functools.partial(create, blueprint),
        update=functools.partial(update, blueprint),
        delete=functools.partial(delete, blueprint),
        check=functools.partial(check, blueprint),
        attributes=functools.partial(attributes, blueprint),
        live=blueprint.collection,
        inverse=None
        if blueprint.written is None
        else Inverse(
            written=blueprint.written,
            spec=blueprint.spec,
            dry_spec=blueprint.dry_spec or blueprint.spec,
            unreadable=blueprint.unreadable,
            unseen=blueprint.unseen,
            elsewhere=blueprint.elsewhere,
        ),
    )


async def create(blueprint: Blueprint[SpecT, ObjectT], ctx: Context) -> Outcome:
    """Make it once, then wait until it is ACTIVE."""
    found = await look(blueprint, ctx)
    if found is not None:
        return _with(progress(blueprint, found), found)
    if ctx.ref.physical_id is not None:
        return _vanished(blueprint, ctx)
    made = blueprint.collection(ctx.cloud)
    make = made.create_anew if isinstance(made, Anew) else made.create
    return progress(blueprint, await make(await blueprint.spec(ctx), ctx.ref.token))


async def look(blueprint: Blueprint[SpecT, ObjectT], ctx: Context) -> ObjectT | None:
    """The object of this row, by id when it is known, else by token."""
    objects = blueprint.collection(ctx.cloud)
    if ctx.ref.physical_id is not None:
        try:
            return await objects.get(ctx.ref.physical_id)
        except Missing:
            return None
    return None if ctx.fresh else await objects.find(ctx.ref.token)


async def update(blueprint: Blueprint[SpecT, ObjectT], ctx: Context) -> Outcome:
    """Send the whole spec once, then wait. A crash in between sends it again, which is harmless."""
    found = await look(blueprint, ctx)
    if found is None:
        return _vanished(blueprint, ctx)
    if not sent(ctx):
        objects = blueprint.collection(ctx.cloud)
        found = await objects.update(found.id, await blueprint.spec(ctx))
    return progress(blueprint, found, data=marked(ctx))


def sent(ctx: Context) -> bool:
    """Whether this very update phase has had its request accepted before."""
    return bool(ctx.ref.data.get(UPDATE_MARK) == ctx.started_at)


def marked(ctx: Context) -> dict[str, Any]:
    """The row's data, noting that this phase's request was accepted."""
    return {**ctx.ref.data, UPDATE_MARK: ctx.started_at}


async def delete(blueprint: Blueprint[SpecT, ObjectT], ctx: Context) -> Outcome:
    """Ask until it is gone. Something in use is asked again later."""
    objects = blueprint.collection(ctx.cloud)
    physical_id = ctx.ref.physical_id
    try:
        if physical_id is None:
            found = await objects.find(ctx.ref.token)
            if found is None:
                return Done()
            physical_id = found.id
        await objects.delete(physical_id)
        left = await objects.get(physical_id)
    except Missing:
        return Done()
    except Clash as clash:
        return Wait(reason=f"{blueprint.noun} is in use: {clash}", physical_id=physical_id)
    return Wait(reason=_state(blueprint, left), physical_id=physical_id)


async def check(blueprint: Blueprint[SpecT, ObjectT], ctx: Context) -> Outcome:
    """It is there and in order."""
    found = await look(blueprint, ctx)
    if found is None:
        return _vanished(blueprint, ctx)
    match found.status:
        case ObjectStatus.ACTIVE:
            return Done(physical_id=found.id, seen=found)
        case ObjectStatus.BUILDING:
            return Wait(reason=_state(blueprint, found))
        case ObjectStatus():
            return Failed(
                reason=_state(blueprint, found),
                remedy="Update the stack to have it replaced.",
            )


def progress(
    blueprint: Blueprint[SpecT, ObjectT],
    found: CloudObject,
    data: Mapping[str, Any] | None = None,
) -> Outcome:
    """What an object's state means for a create or update."""
    match found.status:
        case ObjectStatus.ACTIVE | ObjectStatus.STOPPED | ObjectStatus.SUSPENDED:
            return Done(physical_id=found.id, data=data)
        case ObjectStatus.BUILDING:
            return Wait(reason=_state(blueprint, found), physical_id=found.id, data=data)
        case ObjectStatus.ERROR | ObjectStatus.DELETING:
            return Failed(
                reason=_state(blueprint, found),
                remedy=blueprint.remedy,
                physical_id=found.id,
                data=data,
                in_error=found.status is ObjectStatus.ERROR,
            )


async def attributes(blueprint: Blueprint[SpecT, ObjectT], ctx: Context) -> Mapping[str, Any]:
    """The type's attributes, and `show`: all the cloud says, without secrets."""
    found = await look(blueprint, ctx) if ctx.seen is None else ctx.seen
    if found is None:
        return {}
    own = await blueprint.attributes(ctx, found)
    declared = blueprint.facts.schema.attributes
    told = {name: each for name, each in own.items() if not declared[name].secret}
    return {**own, "show": {**shown(found), **told}}


def _with(outcome: Outcome, seen: CloudObject) -> Outcome:
    """The object was only looked at: whoever wants its attributes need not look again."""
    return replace(outcome, seen=seen) if isinstance(outcome, Done) else outcome


def shown(found: CloudObject) -> dict[str, Any]:
    """An object as a JSON map, its spec's fields beside its own."""
    fields: dict[str, Any] = msgspec.to_builtins(found)
    spec = flat(fields.pop("spec", {}))
    told: dict[str, Any] = fields.pop("told", {})
    every = {**told, **spec, **fields}
    return {name: value for name, value in every.items() if name not in HIDDEN_FIELDS}


def _state(blueprint: Blueprint[SpecT, ObjectT], found: CloudObject) -> str:
    """`server "web" is ERROR: no valid host`."""
    fault = f": {found.fault}" if found.fault else ""
    return f'{blueprint.noun} "{found.name or found.id}" is {found.status}{fault}'


def _vanished(blueprint: Blueprint[SpecT, ObjectT], ctx: Context) -> Failed:
    return Failed(
        reason=f"{blueprint.noun} {ctx.ref.physical_id or ctx.ref.name} is no longer in the cloud.",
        remedy="Update the stack to have it made again.",
    )
