"""Properties may name a cloud's object by name or by id; here names become ids."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mantle.clouds.ports import CloudObject, Collection, Missing, Recalls, Refused, Session
from mantle.resources.kit import Context

ObjectT = TypeVar("ObjectT", bound=CloudObject)
Choose = Callable[[Session], Collection[Any, ObjectT]]


async def find_object(
    cloud: Session, choose: Choose[ObjectT], noun: str, name_or_id: str
) -> ObjectT:
    """The object with this id, or the only one with this name; `Refused` says what is wrong.

    The id is tried first: it is one cheap call, and what `get_resource` gives.
    """
    objects = choose(cloud)
    recalls: Recalls[ObjectT] | None = objects if isinstance(objects, Recalls) else None
    try:
        if recalls is not None:
            return await recalls.recall(name_or_id)
        return await objects.get(name_or_id)
    except Missing:
        return _only(await named_lately(objects, name_or_id), noun, name_or_id)


async def named_lately(objects: Collection[Any, ObjectT], name: str) -> Sequence[ObjectT]:
    """All of this name; where a cloud recalls, as they were seen a moment ago."""
    if isinstance(objects, Recalls):
        recalled: Sequence[ObjectT] = await objects.recall_named(name)
        return recalled
    return [each for each in await objects.list() if each.name == name]


async def described(objects: Collection[Any, ObjectT], object_id: str) -> ObjectT:
    """Another object, only to tell of it: as it was seen last will do."""
    if isinstance(objects, Recalls):
        seen: ObjectT = await objects.recall(object_id)
        return seen
    return await objects.get(object_id)


def _only(named: Sequence[ObjectT], noun: str, name_or_id: str) -> ObjectT:
    if not named:
        raise Refused(
            f'There is no {noun} with the name or id "{name_or_id}".',
            remedy=f"Name a {noun} of this project, or create it in the template.",
        )
    if len(named) > 1:
        candidates = ", ".join(each.id for each in named)
        raise Refused(
            f'{len(named)} objects of kind {noun} are named "{name_or_id}": {candidates}.',
            remedy="Use one of these ids instead of the name.",
        )
    return named[0]


async def find_id(cloud: Session, choose: Choose[Any], noun: str, name_or_id: str) -> str:
    """The id alone."""
    found: CloudObject = await find_object(cloud, choose, noun, name_or_id)
    return found.id


async def maybe_id(
    cloud: Session, choose: Choose[Any], noun: str, name_or_id: str | None
) -> str | None:
    """The id, or None where nothing was asked for."""
    return None if not name_or_id else await find_id(cloud, choose, noun, name_or_id)


def name_of(ctx: Context) -> str:
    """The asked-for name, or the generated physical name."""
    return str(ctx.properties.get("name") or ctx.name_hint)


def tags_of(ctx: Context) -> tuple[str, ...]:
    """The property `tags`."""
    return tuple(ctx.properties.get("tags") or ())
