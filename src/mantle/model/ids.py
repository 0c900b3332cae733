"""Identifiers are types, so that a stack's id is never passed where a project's is meant.

Every id but a project's is a UUID4 in its 36-character form. Ids are made at the edges
(`lib.ids`) and travel as arguments; pure code never makes one.
"""

from typing import NewType

ProjectId = NewType("ProjectId", str)
UserId = NewType("UserId", str)
StackId = NewType("StackId", str)
OperationId = NewType("OperationId", str)
PlanId = NewType("PlanId", str)
EventId = NewType("EventId", str)
ResourceId = NewType("ResourceId", str)
"""One row of one resource: a replacement has a new one under the same resource name."""

Token = NewType("Token", str)
"""The idempotency token a cloud knows a resource by; durable before the first call."""

StepKey = NewType("StepKey", str)
"""A step of a plan: `create web`, `delete web`; unique within the plan."""
