"""What snapshots keep of the contents of volumes and servers: one row for each copy on a cloud.

The row is written before the copy is asked for, and bears the token the cloud knows it by. It is
deleted after the copy is: so nothing is left behind on a cloud that no row knows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from mantle.model.ids import ProjectId, Token
from mantle.store.tables.snapshots import snapshot_contents as contents


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One copy."""

    token: Token
    """What the cloud knows it by."""
    snapshot_id: str
    project_id: ProjectId
    cloud: str
    path: tuple[str, ...]
    """Names of resources, from the snapshot's stack inwards."""
    resource_type: str
    kept: Mapping[str, Any] | None = None
    """What the type needs to put it back, such as `backup_id`; None until it is whole."""
    leaving: bool = False
    """Its snapshot is gone, and it is to follow."""
    reason: str = ""
    """Why it could not be deleted yet."""


def intend(connection: Connection, content: Content) -> None:
    """Note a copy that is about to be made; one noted before stays as it is."""
    known = select(contents.c.token).where(contents.c.token == content.token)
    if connection.execute(known).first() is None:
        values = {name: getattr(content, name) for name in Content.__dataclass_fields__}
        connection.execute(insert(contents), {**values, "path": "/".join(content.path)})


def whole(connection: Connection, token: Token, kept: Mapping[str, Any]) -> None:
    """The copy is made; this is what its type needs to put it back."""
    connection.execute(update(contents).where(contents.c.token == token).values(kept=dict(kept)))


def of_snapshots(connection: Connection, snapshot_ids: Collection[str]) -> list[Content]:
    """All copies of these snapshots."""
    query = select(contents).where(
        contents.c.snapshot_id.in_(list(snapshot_ids)), contents.c.leaving.is_(False)
    )
    return [_content(row) for row in connection.execute(query.order_by(contents.c.path))]


def leave(connection: Connection, snapshot_ids: Collection[str]) -> None:
    """Their snapshots are gone: the copies are to be deleted."""
    connection.execute(
        update(contents).where(contents.c.snapshot_id.in_(list(snapshot_ids))).values(leaving=True)
    )


def let_be(connection: Connection, snapshot_ids: Collection[str]) -> None:
    """Forget the copies and leave them on their clouds: their stack was abandoned."""
    connection.execute(delete(contents).where(contents.c.snapshot_id.in_(list(snapshot_ids))))


_LEAVING = select(contents).where(contents.c.leaving.is_(True)).order_by(contents.c.token)


def leaving(connection: Connection) -> list[Content]:
    """Everything that is to be deleted."""
    return [_content(row) for row in connection.execute(_LEAVING)]


def tell(connection: Connection, token: Token, reason: str) -> None:
    """Why it is still there."""
    connection.execute(update(contents).where(contents.c.token == token).values(reason=reason))


def gone(connection: Connection, token: Token) -> None:
    """The copy is deleted."""
    connection.execute(delete(contents).where(contents.c.token == token))


def known_ids(connection: Connection, project_id: ProjectId) -> tuple[set[str], set[str]]:
    """(ids, tokens) of every copy that a row knows."""
    query = select(contents.c.token, contents.c.kept).where(contents.c.project_id == project_id)
    rows = connection.execute(query).all()
    return {str(each) for row in rows for each in (row.kept or {}).values()}, {
        row.token for row in rows
    }


def beneath(content: Content, path: tuple[str, ...]) -> str | None:
    """Of the resource at this path, the member it is in or is; None when it is elsewhere."""
    inside = len(content.path) > len(path) and content.path[: len(path)] == path
    return content.path[len(path)] if inside else None


def _content(row: Row[Any]) -> Content:
    values = dict(row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
    return Content(**{**values, "path": tuple(values["path"].split("/"))})
