"""What is to become of drift: said by hand for a stack or a resource, or by the template."""

from collections.abc import Sequence
from dataclasses import dataclass

from mantle.model.drift import DriftPolicy
from mantle.model.ids import StackId
from mantle.model.records import StackRecord
from mantle.plan.drift import Policies
from mantle.stacks.control import Control
from mantle.stacks.queries import live_row
from mantle.store import drift as drift_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """One policy, and who says so: `resource`, `template`, `stack`, `parent's …` or `default`."""

    resource: str
    """Empty for the whole stack."""
    policy: DriftPolicy
    source: str


def read_policies(connection: Connection, stack_ids: Sequence[StackId]) -> Policies:
    """Those of some stacks, with all that is said in the stacks above them."""
    above: dict[str, tuple[str, str]] = {}
    known: set[StackId] = set()
    pending = list(stack_ids)
    while pending:
        stack_id = pending.pop()
        if stack_id in known:
            continue
        known.add(stack_id)
        stack = stack_rows.get(connection, stack_id)
        if stack is not None and stack.parent_id is not None:
            above[stack_id] = (stack.parent_id, stack.parent_resource or "")
            pending.append(stack.parent_id)
    ids = sorted(known)
    return Policies(
        chosen=drift_rows.policies(connection, ids),
        metadata=resource_rows.metadata_of(connection, ids),
        above=above,
    )


async def set_drift_policy(
    control: Control, stack: StackRecord, policy: DriftPolicy, resource: str = ""
) -> None:
    """Of the stack, or of one resource of it."""
    if resource:
        await live_row(control, stack, resource)
    await control.database.write(drift_rows.set_policy, stack.id, resource, policy)


async def drop_drift_policy(control: Control, stack: StackRecord, resource: str = "") -> None:
    """Take back what was said by hand; the template, or the stack above, decides again."""
    await control.database.write(drift_rows.drop_policy, stack.id, resource)


async def list_drift_policies(control: Control, stack: StackRecord) -> list[PolicyView]:
    """The stack's own, then those of resources for which something else is said."""

    def look(connection: Connection) -> list[PolicyView]:
        policies = read_policies(connection, [stack.id])
        names = {name for (of, name) in (*policies.chosen, *policies.metadata) if of == stack.id}
        whole = policies.told(stack.id, "")
        found = [PolicyView(resource="", policy=whole[0], source=whole[1])]
        for name in sorted(names - {""}):
            policy, source = policies.told(stack.id, name)
            if source in {"resource", "template"}:
                found.append(PolicyView(resource=name, policy=policy, source=source))
        return found

    return await control.database.read(look)
