"""The engine behind types that are a plain object: a sheet says which property is which field.

The phases are those of `cloud_object.py`, with two things more.

*Parts.* What a service sets by requests of its own (a flavor's extra specs, a user's roles) is put
after the object, and again by whoever comes after a crash: putting may be repeated.

*The only one of its like.* Where nothing of an object can hold a token, it is known by what makes
it the only one. So that somebody else's is never taken for ours, the row notes that there was none
before the first request is sent:

    like(spec) -> nothing          row: cleared
    create(spec)                   cloud: object 7
    -- power cut --
    like(spec) -> object 7         ours: nobody's was there
    delete: cleared, like -> 7     nothing left behind

Without the note a delete that knows no id has nothing to delete.
"""

import functools
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from mantle.clouds.plain import KINDS, SETTINGS
from mantle.clouds.ports import Anew, Missing, PlainObject, PlainSpec, Refused, Session
from mantle.model.schema import Neighbourhood, ResourceSchema, TypeFacts
from mantle.resources import cloud_object as generic
from mantle.resources import plain_back
from mantle.resources.cloud_object import Blueprint, cloud_object, look, progress
from mantle.resources.kit import Context, Done, Failed, Outcome, ResourceType, Wait
from mantle.resources.names import find_id, name_of
from mantle.resources.plain_sheets import Resolve, Sheet, To
from mantle.resources.unique import had_once

CLEARED = "none_before"
"""In a row's data: there was no object of this like before ours was asked for."""


# --- how values become fields ----------------------------------------------------------------


def object_of(collection: str) -> Callable[[Session], Any]:
    """A collection of the port, or the plain objects of a kind."""
    if collection in KINDS:
        return lambda session: session.plain(collection)
    return lambda session: getattr(session, collection)


def named(collection: str) -> Resolve:
    """The id of an object given by name or id; of a list, the ids."""
    choose = object_of(collection)
    noun = KINDS[collection].noun if collection in KINDS else collection.replace("_", " ")[:-1]

    async def resolve(ctx: Context, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [await resolve(ctx, each) for each in value]
        own = collection == "projects" and value == ctx.ref.project_id
        first = collection == "domains" and value == "default"
        return value if own or first else await find_id(ctx.cloud, choose, noun, str(value))

    return resolve


def to(name: str, collection: str, kind: str = "") -> To:
    """A field that holds the id of what the property names."""
    return To(name=name, resolve=named(collection), kind=kind)


def value_of(change: Callable[[Any], Any], name: str) -> To:
    """A field whose value the service writes in another way."""

    async def resolve(_: Context, value: Any) -> Any:
        return change(value)

    return To(name=name, resolve=resolve)


async def spec_of(sheet: Sheet, ctx: Context) -> PlainSpec:
    """What to ask for. A secret that stays as it is is not told again: it may not be used twice."""
    secrets = KINDS[sheet.kind].secrets
    fields: dict[str, Any] = dict(sheet.always)
    for name, target in sheet.fields.items():
        value = ctx.properties.get(name)
        if value is None or (target in secrets and ctx.before.get(name) == value):
            continue
        if isinstance(target, str):
            fields[target] = value
        else:
            fields[target.name] = await target.resolve(ctx, value)
    parent_id = ""
    if sheet.parent is not None:
        prop, resolve = sheet.parent
        parent_id = await resolve(ctx, ctx.properties[prop])
    return PlainSpec(name=name_of(ctx) if sheet.named else "", fields=fields, parent_id=parent_id)


async def _attributes(sheet: Sheet, ctx: Context, found: PlainObject) -> Mapping[str, Any]:
    """Each declared attribute: the object's name, a field, or the property of that name."""
    told = {**found.told, "name": found.name}
    values = {}
    for name in sheet.schema.attributes:
        if name != "show":
            source = sheet.attributes.get(name, name)
            values[name] = told.get(source, ctx.properties.get(name))
    return values


# --- phases ----------------------------------------------------------------------------------


def plain(sheet: Sheet) -> ResourceType:
    """A resource type from its sheet."""
    known = KINDS[sheet.kind]
    blueprint: Blueprint[PlainSpec, PlainObject] = Blueprint(
        facts=TypeFacts(
            schema=sheet.schema,
            check_properties=sheet.check,
            neighbours=sheet.neighbours,
            replace_when=sheet.replace_when,
            old_first=had_once("its name", *sheet.unique) if sheet.unique else None,
            admin_only=sheet.admin_only,
        ),
        noun=known.noun,
        collection=lambda session: session.plain(sheet.kind),
        spec=functools.partial(spec_of, sheet),
        attributes=functools.partial(_attributes, sheet),
        written=functools.partial(plain_back.written, sheet),
        unreadable=plain_back.unreadable(sheet),
        unseen=plain_back.unseen(sheet),
    )
    kind = cloud_object(blueprint)
    return replace(
        kind,
        create=functools.partial(_create, sheet, blueprint),
        update=functools.partial(_update, sheet, blueprint),
        delete=functools.partial(_delete, sheet, blueprint),
    )


async def _create(
    sheet: Sheet, blueprint: Blueprint[PlainSpec, PlainObject], ctx: Context
) -> Outcome:
    """Make it once, put its parts, and wait until it is ACTIVE."""
    objects = ctx.cloud.plain(sheet.kind)
    once = bool(KINDS[sheet.kind].once)
    found = await look(blueprint, ctx)
    if found is None and ctx.ref.physical_id is not None:
        return await generic.create(blueprint, ctx)
    if found is None:
        spec = await blueprint.spec(ctx)
        like = await objects.like(spec) if once else None
        if once and not ctx.ref.data.get(CLEARED):
            if like is not None:
                return _taken(blueprint, like)
            data = {**ctx.ref.data, CLEARED: True}
            return Wait(reason="there is none like it", again_after_seconds=0.0, data=data)
        make = objects.create_anew if isinstance(objects, Anew) else objects.create
        found = like or await make(spec, ctx.ref.token)
    await _put(sheet, ctx, found.id)
    return progress(blueprint, found)


def _taken(blueprint: Blueprint[PlainSpec, PlainObject], like: PlainObject) -> Failed:
    return Failed(
        reason=f"There is such a {blueprint.noun} already, and it is not this stack's: {like.id}.",
        remedy=f"Choose another, or take it over with external_id: {like.id}.",
    )


async def _update(
    sheet: Sheet, blueprint: Blueprint[PlainSpec, PlainObject], ctx: Context
) -> Outcome:
    outcome = await generic.update(blueprint, ctx)
    if isinstance(outcome, Done) and ctx.ref.physical_id is not None:
        await _put(sheet, ctx, ctx.ref.physical_id)
    return outcome


async def _put(sheet: Sheet, ctx: Context, object_id: str) -> None:
    for name, part in sheet.parts.items():
        wanted = await part.values(ctx, ctx.properties.get(name))
        before = await values_before(part.values, ctx, name)
        if wanted or before:
            await ctx.cloud.settings(part.setting).put(object_id, wanted, before)


async def values_before(
    values: Callable[[Context, Any], Awaitable[Mapping[str, Any]]], ctx: Context, name: str
) -> Mapping[str, Any]:
    """What an update finds there; what named something that is gone is gone with it."""
    try:
        return await values(ctx, ctx.before.get(name)) if ctx.before else {}
    except (Refused, Missing):
        return {}


async def _delete(
    sheet: Sheet, blueprint: Blueprint[PlainSpec, PlainObject], ctx: Context
) -> Outcome:
    """As any; without an id, only what is known to be ours by the note."""
    if not KINDS[sheet.kind].once or ctx.ref.physical_id is not None:
        return await generic.delete(blueprint, ctx)
    if not ctx.ref.data.get(CLEARED):
        return Done()
    try:
        like = await ctx.cloud.plain(sheet.kind).like(await blueprint.spec(ctx))
    except (Refused, Missing):
        return Done()
    if like is None:
        return Done()
    known = structs.replace(ctx, ref=structs.replace(ctx.ref, physical_id=like.id))
    return await generic.delete(blueprint, known)


# --- settings --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingSheet:
    """A type that sets values of something that exists anyway."""

    schema: ResourceSchema
    setting: str
    target: Callable[[Context], Awaitable[str]]
    values: Callable[[Context, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
    """(context, properties) -> what to set."""
    physical_id: Callable[[str, Mapping[str, Any]], str] = lambda target, _: target
    admin_only: bool = False
    check: Callable[[Mapping[str, Any]], list[str]] | None = None
    neighbours: Callable[[Mapping[str, Any], Neighbourhood], tuple[str, ...]] | None = None


TARGET = "target"
"""In a row's data: what the values are set at. Durable before they are."""


def setting(sheet: SettingSheet) -> ResourceType:
    """A resource type from its sheet. The physical id is durable before anything is set."""
    assert sheet.setting in SETTINGS

    async def values(ctx: Context, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        return await sheet.values(ctx, properties)

    async def put(ctx: Context) -> Outcome:
        wanted = await values(ctx, ctx.properties)
        target = await sheet.target(ctx)
        before: Mapping[str, Any] = {}
        if ctx.before:
            with suppress(Refused, Missing):
                before = await values(ctx, ctx.before)
        old = ctx.ref.data.get(TARGET)
        if old != target:
            if old is not None:
                await ctx.cloud.settings(sheet.setting).drop(old, before)
            return Wait(
                reason="about to be set",
                again_after_seconds=0.0,
                physical_id=sheet.physical_id(target, wanted),
                data={**ctx.ref.data, TARGET: target},
            )
        await ctx.cloud.settings(sheet.setting).put(target, wanted, before)
        return Done(physical_id=sheet.physical_id(target, wanted))

    async def drop(ctx: Context) -> Outcome:
        target = ctx.ref.data.get(TARGET)
        if target is None:
            return Done()
        try:
            held = await values(ctx, ctx.properties)
        except (Refused, Missing):
            return Done(note="what it named is gone")
        await ctx.cloud.settings(sheet.setting).drop(target, held)
        return Done()

    async def check(ctx: Context) -> Outcome:
        try:
            held = await ctx.cloud.settings(sheet.setting).get(str(ctx.ref.data.get(TARGET)))
        except Missing as missing:
            return Failed(reason=missing.message, remedy="Update the stack to have it set again.")
        wanted = await values(ctx, ctx.properties)
        other = sorted(name for name, value in wanted.items() if held.get(name) != value)
        if not other:
            return Done()
        return Failed(
            reason=f"It is not as it was set: {', '.join(other)}.",
            remedy="Update the stack to have it set again.",
        )

    async def shown(_: Context) -> Mapping[str, Any]:
        return {"show": {}}

    return ResourceType(
        facts=TypeFacts(
            schema=sheet.schema,
            check_properties=sheet.check,
            neighbours=sheet.neighbours,
            admin_only=sheet.admin_only,
        ),
        create=put,
        update=put,
        delete=drop,
        check=check,
        attributes=shown,
    )
