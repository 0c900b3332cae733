"""Finds what is protected inside the stacks that a plan would delete whole.

A parent's plan has one step for a nested stack, and the child plans for itself only when that step
runs: by then its siblings may be gone. So the parent looks first.
"""

from mantle.engine.machine import Machine
from mantle.model.errors import Findings
from mantle.model.ids import StackId
from mantle.model.plan import Plan, StepKind
from mantle.model.records import ResourceRecord, StackRecord
from mantle.plan import protection
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection


async def refuse_to_uncover(machine: Machine, plan: Plan, rows: list[ResourceRecord]) -> None:
    """Raise `Invalid` when a nested stack to be deleted holds a protected resource."""
    going = {step.resource_id for step in plan.steps if step.kind is StepKind.DELETE}
    children = {
        machine.delegates.child_id(row): row.name
        for row in rows
        if row.id in going and is_container(machine, row)
    }
    if not children:
        return
    found = await machine.database.read(protected_below, children)
    findings = Findings()
    for way, row in found:
        findings.add(
            "prevent-destroy",
            protection.refusal(row, f"the nested stack it is in ({way}) would be deleted"),
            ("resources", way.split("/", 1)[0]),
            remedy=protection.REMEDY,
            fault="ResourceProtected",
        )
    findings.raise_if_any()


def is_container(machine: Machine, row: ResourceRecord) -> bool:
    """True when the row is a stack of its own."""
    if row.resolved_type.endswith((".yaml", ".yml", ".template")):
        return True
    kind = machine.registry.types.get(row.resolved_type)
    inside = kind is not None and kind.facts.contains_resources
    return inside and kind is not None and not kind.elsewhere(row.properties)


def protected_below(
    connection: Connection, children: dict[StackId, str]
) -> list[tuple[str, ResourceRecord]]:
    """Every protected row in these stacks and the ones inside them, with the way to its stack."""
    found: list[tuple[str, ResourceRecord]] = []
    pending: list[tuple[str, StackRecord]] = []
    for stack_id, name in children.items():
        stack = stack_rows.get(connection, stack_id)
        if stack is not None and stack.deleted_at is None:
            pending.append((name, stack))
    while pending:
        way, stack = pending.pop()
        rows = resource_rows.of_stack(connection, stack.id)
        found += [(way, row) for row in rows if protection.holds(row)]
        pending += [
            (f"{way}/{child.parent_resource}", child)
            for child in stack_rows.children(connection, stack.id)
        ]
    return found
