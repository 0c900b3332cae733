"""`/v2/stacks/{stack}/drift`: what is not as it was left, and what to do about it."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import Operation, operation_shape
from mantle.model.drift import DriftPolicy, Finding, Look
from mantle.stacks.drift import correct_drift, list_drift, look, set_drift_policy
from mantle.stacks.queries import find_stack


class DriftItem(msgspec.Struct, kw_only=True):
    """One value that is not as it was left; `path` `@object` means that the object is gone."""

    resource: str
    resource_type: str
    path: str
    expected: Any
    actual: Any
    first_seen: str
    last_seen: str
    ended_at: str | None
    ending: str | None


class DriftAnswer(msgspec.Struct, kw_only=True):
    """What differs, and how old the knowledge is."""

    looked_at: str | None
    calls: int
    objects: int
    drift: list[DriftItem]


class DriftPolicyBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What becomes of drift: of the stack, or of one resource of it."""

    policy: DriftPolicy
    resource: str = ""


class CorrectionAnswer(msgspec.Struct, kw_only=True):
    """The update that corrects; null when nothing drifts."""

    operation: Operation | None


class DriftController(Controller):
    """Drift of a stack of the token's project."""

    path = "/stacks/{name_or_id:str}/drift"
    tags = ["drift"]

    @get("/", summary="Show drift")
    async def index(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        history: FromQuery[bool] = False,
    ) -> DriftAnswer:
        """What differs now; with `history`, what did before as well, the newest first."""
        enforce(caller, "drift:show")
        stack = await find_stack(control, caller.project_id, name_or_id)
        findings, seen = await list_drift(control, stack, ended=history)
        return _answer(findings, seen)

    @post("/check", status_code=200, summary="Look for drift now")
    async def check(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> DriftAnswer:
        """One list call for each type of object, for all stacks of the project on that cloud."""
        enforce(caller, "drift:check")
        stack = await find_stack(control, caller.project_id, name_or_id)
        await look(control, stack.project_id, stack.cloud)
        findings, seen = await list_drift(control, stack)
        return _answer(findings, seen)

    @put("/policy", status_code=204, summary="Choose what becomes of drift")
    async def policy(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        data: JSONBody[DriftPolicyBody],
    ) -> None:
        """alert, ignore or correct."""
        enforce(caller, "drift:set")
        stack = await find_stack(control, caller.project_id, name_or_id)
        await set_drift_policy(control, stack, data.policy, data.resource)

    @post("/correct", status_code=202, summary="Bring back what was left")
    async def correct(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> CorrectionAnswer:
        """An ordinary update of the same template; nothing else of the stack changes."""
        enforce(caller, "drift:set")
        stack = await find_stack(control, caller.project_id, name_or_id)
        operation = await correct_drift(control, caller, stack)
        return CorrectionAnswer(operation=operation_shape(operation) if operation else None)


def _answer(findings: list[Finding], seen: Look | None) -> DriftAnswer:
    return DriftAnswer(
        looked_at=_time(seen.looked_at) if seen else None,
        calls=seen.calls if seen else 0,
        objects=seen.objects if seen else 0,
        drift=[
            DriftItem(
                resource=each.difference.resource,
                resource_type=each.difference.resource_type,
                path=each.difference.path,
                expected=each.difference.expected,
                actual=each.difference.actual,
                first_seen=_time(each.first_seen),
                last_seen=_time(each.last_seen),
                ended_at=None if each.ended_at is None else _time(each.ended_at),
                ending=each.ending,
            )
            for each in findings
        ],
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
