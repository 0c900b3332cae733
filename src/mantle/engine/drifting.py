"""A stack's rows as a correction of drift has to see them.

What differs is in the findings, never in the rows: a row says what an operation left. So a plan
that brings back what was is made from rows that carry the findings about them, and a kill at any
moment leaves both as they were.
"""

from collections.abc import Collection, Sequence

from mantle.engine.machine import Machine
from mantle.model.drift import Difference, Finding
from mantle.model.ids import OperationId, StackId
from mantle.model.records import ResourceRecord
from mantle.plan.drift import as_seen
from mantle.store import drift as drift_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection


async def rows_to_correct(
    machine: Machine,
    stack_id: StackId,
    rows: Sequence[ResourceRecord],
    operation_id: OperationId | None,
) -> Sequence[ResourceRecord]:
    """The rows with what this operation is to correct; as they are when that is nothing."""
    if operation_id is None:
        return rows

    def look(connection: Connection) -> list[ResourceRecord]:
        findings = drift_rows.of_operation(connection, operation_id)
        return seen_rows(connection, stack_id, rows, findings)

    return await machine.database.read(look)


def seen_rows(
    connection: Connection,
    stack_id: StackId,
    rows: Sequence[ResourceRecord],
    findings: Sequence[Finding],
) -> list[ResourceRecord]:
    """The rows of one stack with what was found of them, and of what is inside them."""
    here = [each.difference for each in findings if each.difference.stack_id == stack_id]
    return as_seen(rows, here, inside_of(connection, stack_id, findings))


def inside_of(
    connection: Connection, stack_id: StackId, findings: Sequence[Finding]
) -> dict[StackId, list[Difference]]:
    """What was found below a stack, by the id of the stack right below it that leads there."""
    ways: dict[StackId, StackId | None] = {}
    inside: dict[StackId, list[Difference]] = {}
    for each in findings:
        found_in = each.difference.stack_id
        if found_in not in ways:
            ways[found_in] = _right_below(connection, stack_id, found_in)
        way = ways[found_in]
        if way is not None:
            inside.setdefault(way, []).append(each.difference)
    return inside


def leading_to(
    connection: Connection,
    stack_id: StackId,
    rows: Sequence[ResourceRecord],
    findings: Sequence[Finding],
    names: Collection[str],
) -> list[Finding]:
    """Those of the findings that are about these resources of the stack, or inside them."""
    inside = inside_of(connection, stack_id, findings)
    children = {str(row.physical_id) for row in rows if row.name in names}
    below = {
        difference.resource_id
        for child, differences in inside.items()
        if child in children
        for difference in differences
    }
    return [
        each
        for each in findings
        if each.difference.resource_id in below
        or (each.difference.stack_id == stack_id and each.difference.resource in names)
    ]


def _right_below(connection: Connection, above: StackId, below: StackId) -> StackId | None:
    """The child of `above` that `below` is, or is in; None when it is not under it."""
    here = stack_rows.get(connection, below)
    while here is not None and here.parent_id is not None:
        if here.parent_id == above:
            return here.id
        here = stack_rows.get(connection, here.parent_id)
    return None
