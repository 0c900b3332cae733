"""The id of an operation that a step hands over to a stack inside."""

import uuid

from mantle.model.ids import OperationId, PlanId, StepKey

NAMESPACE = uuid.UUID("3f0e7a52-6a3c-4d7b-9a42-6d616e746c65")


def handed_over(parent: OperationId, step: StepKey, plan_id: PlanId | None) -> OperationId:
    """Derived from what is durable: the same before and after a crash."""
    return OperationId(str(uuid.uuid5(NAMESPACE, f"{parent}:{step}:{plan_id}")))
