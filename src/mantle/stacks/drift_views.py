"""Drift as it is shown: of a stack with those inside it, and of a whole project. It never acts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mantle.model.drift import DriftPolicy, DriftQuery, Finding, Look
from mantle.model.ids import ProjectId, StackId
from mantle.model.records import StackRecord
from mantle.stacks.control import Control
from mantle.stacks.drift_policies import read_policies
from mantle.store import drift as drift_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftView:
    """A finding, where it is, and what becomes of it."""

    finding: Finding
    stack_name: str
    within: str
    """The way from the stack that was asked for, as resource names between slashes."""
    policy: DriftPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPage:
    """A page of a project's drift, and how much there is in all, by root stack."""

    views: Sequence[DriftView]
    counts: Mapping[StackId, int]
    names: Mapping[StackId, str]


async def stack_drift(
    control: Control, stack: StackRecord, *, ended: bool = False
) -> tuple[list[DriftView], Look]:
    """What differs now in a stack and those inside it, or the whole history; and how old that is.

    The tree was looked at when the last of its stacks was.
    """

    def read(connection: Connection) -> tuple[list[DriftView], Look]:
        tree = stack_rows.below(connection, stack)
        ids = [each.id for each in tree]
        find = drift_rows.history if ended else drift_rows.open_findings
        views = _views(connection, find(connection, ids), {each.id: each for each in tree}, stack)
        return views, _look(connection, stack, ids)

    return await control.database.read(read)


def _look(connection: Connection, stack: StackRecord, ids: Sequence[StackId]) -> Look:
    calls, objects = drift_rows.last_look(connection, stack.project_id, stack.cloud)
    sights = drift_rows.sights(connection, ids)
    times = [sights[each][0] if each in sights else None for each in ids]
    known = [at for at in times if at is not None]
    return Look(
        looked_at=min(known) if len(known) == len(times) else None,
        calls=calls,
        objects=objects,
        blind={name: each for _, missed in sights.values() for name, each in missed.items()},
    )


async def project_drift(
    control: Control, project_id: ProjectId, query: DriftQuery, stack: StackRecord | None = None
) -> DriftPage:
    """A page of what differs in a project; in one stack and those inside it when it is given."""

    def read(connection: Connection) -> DriftPage:
        asked = query
        if stack is not None:
            ids = tuple(each.id for each in stack_rows.below(connection, stack))
            asked = replace(query, stack_ids=ids)
        found = drift_rows.of_project(connection, project_id, asked)
        counts = drift_rows.count_by_root(connection, project_id, replace(asked, after=None))
        stacks: dict[StackId, StackRecord] = {}
        for finding in found:
            _climb(connection, finding.difference.stack_id, stacks)
        for root_id in counts:
            _climb(connection, root_id, stacks)
        return DriftPage(
            views=_views(connection, found, stacks, None),
            counts=counts,
            names={each: stacks[each].name for each in counts if each in stacks},
        )

    return await control.database.read(read)


def _climb(
    connection: Connection, stack_id: StackId | None, stacks: dict[StackId, StackRecord]
) -> None:
    """The stack and all it is in, each looked up once."""
    while stack_id is not None and stack_id not in stacks:
        stack = stack_rows.get(connection, stack_id)
        if stack is None:
            return
        stacks[stack_id] = stack
        stack_id = stack.parent_id


def _views(
    connection: Connection,
    findings: Sequence[Finding],
    stacks: Mapping[StackId, StackRecord],
    top: StackRecord | None,
) -> list[DriftView]:
    """With the name of the stack at the top of each: the one asked for, else the root."""
    policies = read_policies(connection, sorted({each.difference.stack_id for each in findings}))
    views = []
    for finding in findings:
        where = finding.difference
        way: list[str] = []
        here = stacks.get(where.stack_id)
        while here is not None and here.parent_id is not None and here != top:
            way.append(here.parent_resource or "")
            here = stacks.get(here.parent_id)
        views.append(
            DriftView(
                finding=finding,
                stack_name=here.name if here is not None else "",
                within="/".join(reversed(way)),
                policy=policies.of(where.stack_id, where.resource),
            )
        )
    return views
