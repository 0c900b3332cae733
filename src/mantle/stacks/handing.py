"""The id of an operation that a step hands over to a stack inside."""

import uuid

from mantle.model.ids import OperationId, PlanId, StepKey
from mantle.store import operations as operation_rows
from mantle.store.database import Connection

NAMESPACE = uuid.UUID("3f0e7a52-6a3c-4d7b-9a42-6d616e746c65")
MOST_ROUNDS = 10_000
"""A step has no more: a group has fewer members than that many rounds would change."""


def handed_over(
    parent: OperationId, step: StepKey, plan_id: PlanId | None, number: int = 0
) -> OperationId:
    """Derived from what is durable: the same before and after a crash.

    A step that goes in rounds hands over an operation for each; they are numbered from 0.
    """
    told = f"{parent}:{step}:{plan_id}" + (f":{number}" if number else "")
    return OperationId(str(uuid.uuid5(NAMESPACE, told)))


def latest_handed_over(
    connection: Connection, parent: OperationId, step: StepKey, plan_id: PlanId | None
) -> OperationId:
    """The one of the last round that was begun."""
    found = handed_over(parent, step, plan_id)
    for number in range(1, MOST_ROUNDS):
        following = handed_over(parent, step, plan_id, number)
        if operation_rows.get(connection, following) is None:
            break
        found = following
    return found


def hands_over(
    parent: OperationId, step: StepKey, plan_id: PlanId | None, child: OperationId, most: int
) -> bool:
    """Whether the child's operation is one of the first rounds of this step."""
    return any(handed_over(parent, step, plan_id, number) == child for number in range(most))
