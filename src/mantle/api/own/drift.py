"""`/v2/drift`, `/v2/stacks/{stack}/drift`: what is not as it was left, and what to do about it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from litestar import Controller, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import Operation, operation_shape
from mantle.model.drift import DriftPolicy, DriftQuery, Look
from mantle.model.errors import MantleError
from mantle.stacks.accepting import Accepted, accept_drift
from mantle.stacks.control import Control
from mantle.stacks.correcting import correct_drift
from mantle.stacks.drift import look_at_stack
from mantle.stacks.drift_policies import (
    PolicyView,
    drop_drift_policy,
    list_drift_policies,
    set_drift_policy,
)
from mantle.stacks.drift_views import DriftView, project_drift, stack_drift
from mantle.stacks.queries import find_stack

MOST = 1000
"""Findings in one answer."""


class DriftItem(msgspec.Struct, kw_only=True):
    """One value that is not as it was left; `path` `@object` means that the object is missing."""

    sequence: int
    stack_name: str
    stack_id: str
    within: str
    """The way to it from the stack asked for, as resource names; empty for its own."""
    resource: str
    resource_type: str
    path: str
    kind: Literal["missing", "state", "value"]
    expected: Any
    actual: Any
    first_seen: str
    last_seen: str
    age_seconds: float
    """How old the knowledge of this value is."""
    policy: str
    ended_at: str | None
    ending: str | None
    operation_id: str | None
    """The last operation that was to correct it."""
    note: str
    """Why its policy could not be followed."""


class BlindItem(msgspec.Struct, kw_only=True):
    """A type that could not be listed: what is known of it is as old as `since`."""

    resource_type: str
    not_looked_since: str | None
    reason: str


class DriftAnswer(msgspec.Struct, kw_only=True):
    """What differs in a stack and those inside it, and how old the knowledge is."""

    looked_at: str | None
    age_seconds: float | None
    """Since all of it was looked at; null when it never was."""
    not_looked: list[BlindItem]
    calls: int
    objects: int
    count: int
    inside: int
    """How many of them are in stacks inside this one."""
    drift: list[DriftItem]


class DriftCount(msgspec.Struct, kw_only=True):
    """A stack and how much differs in it and those inside it."""

    stack_name: str
    stack_id: str
    count: int


class ProjectDriftAnswer(msgspec.Struct, kw_only=True):
    """A page of what differs in the project, the newest first."""

    drift: list[DriftItem]
    stacks: list[DriftCount]
    """All that the filters let pass, by stack."""
    total: int
    next_marker: int | None
    """Send it as `marker` for the next page; null on the last one."""


class DriftPolicyBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What becomes of drift: of the stack, or of one resource of it."""

    policy: DriftPolicy
    resource: str = ""


class PolicyItem(msgspec.Struct, kw_only=True):
    """What becomes of drift, and who says so; `resource` is empty for the whole stack."""

    resource: str
    policy: str
    source: str


class PoliciesAnswer(msgspec.Struct, kw_only=True):
    """The stack's policy, and those of resources for which another is said."""

    policies: list[PolicyItem]


class CorrectionAnswer(msgspec.Struct, kw_only=True):
    """The update that corrects; null when nothing drifts."""

    operation: Operation | None


class OutcomeItem(msgspec.Struct, kw_only=True):
    """What became of one value that was to be accepted."""

    resource: str
    path: str
    place: str
    """Where the live value stands now: a path in the template, or a parameter."""
    reason: str
    """Why it was refused."""


class AcceptanceAnswer(msgspec.Struct, kw_only=True):
    """What the template says from now on, and what it cannot."""

    accepted: list[OutcomeItem]
    refused: list[OutcomeItem]


class ProjectDriftController(Controller):
    """Drift of the token's project."""

    path = "/drift"
    tags = ["drift"]

    @get("/", summary="List drift of the project")
    async def index(
        self,
        control: GivenControl,
        caller: GivenCaller,
        stack: FromQuery[str | None] = None,
        resource: FromQuery[str] = "",
        resource_type: FromQuery[list[str] | None] = None,
        path: FromQuery[list[str] | None] = None,
        show: FromQuery[str] = "open",
        since_seconds: FromQuery[float | None] = None,
        limit: FromQuery[int] = 100,
        marker: FromQuery[int | None] = None,
    ) -> ProjectDriftAnswer:
        """What differs in all stacks, the newest first; `since_seconds`: seen within so long."""
        enforce(caller, "drift:show")
        if show not in {"open", "ended", "all"}:
            raise MantleError(f"show is {show[:100]!r}.", remedy="Use open, ended or all.")
        if not 1 <= limit <= MOST:
            raise MantleError(f"limit is {limit}.", remedy=f"Use 1 to {MOST}.")
        within = None
        if stack is not None:
            within = await find_stack(control, caller.project_id, stack)
        query = DriftQuery(
            resource=resource,
            resource_types=tuple(resource_type or ()),
            paths=tuple(path or ()),
            ended={"open": False, "ended": True, "all": None}[show],
            since=None if since_seconds is None else control.clock.now() - since_seconds,
            after=marker,
            limit=limit,
        )
        page = await project_drift(control, caller.project_id, query, within)
        counts = [
            DriftCount(stack_name=page.names.get(stack_id, ""), stack_id=stack_id, count=count)
            for stack_id, count in page.counts.items()
        ]
        full = len(page.views) == limit
        return ProjectDriftAnswer(
            drift=[_item(control, view) for view in page.views],
            stacks=sorted(counts, key=lambda each: (-each.count, each.stack_name)),
            total=sum(page.counts.values()),
            next_marker=page.views[-1].finding.sequence if full else None,
        )


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
        """What differs now, also in the stacks inside; with `history`, what did before as well."""
        enforce(caller, "drift:show")
        return await _answer(control, caller.project_id, name_or_id, history=history)

    @post("/check", status_code=200, summary="Look for drift now")
    async def check(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> DriftAnswer:
        """One list call for each type of object, for all stacks of the project on that cloud."""
        enforce(caller, "drift:check")
        stack = await find_stack(control, caller.project_id, name_or_id)
        await look_at_stack(control, stack)
        return await _answer(control, caller.project_id, name_or_id)

    @get("/policy", summary="Show what becomes of drift")
    async def policies(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> PoliciesAnswer:
        """The stack's policy, and those of resources for which another is said, with by whom."""
        enforce(caller, "drift:show")
        stack = await find_stack(control, caller.project_id, name_or_id)
        found = await list_drift_policies(control, stack)
        return PoliciesAnswer(policies=[_policy(each) for each in found])

    @put("/policy", status_code=204, summary="Choose what becomes of drift")
    async def policy(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        data: JSONBody[DriftPolicyBody],
    ) -> None:
        """alert, ignore, accept or correct."""
        enforce(caller, "drift:set")
        stack = await find_stack(control, caller.project_id, name_or_id)
        await set_drift_policy(control, stack, data.policy, data.resource)

    @delete("/policy", status_code=204, summary="Take a choice back")
    async def unset(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        resource: FromQuery[str] = "",
    ) -> None:
        """The template decides again, then the stack above, then `alert`."""
        enforce(caller, "drift:set")
        stack = await find_stack(control, caller.project_id, name_or_id)
        await drop_drift_policy(control, stack, resource)

    @post("/correct", status_code=202, summary="Bring back what was left")
    async def correct(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        resource: FromQuery[str] = "",
    ) -> CorrectionAnswer:
        """An update of what drifts, also in the stacks inside, or of one resource only."""
        enforce(caller, "drift:set")
        stack = await find_stack(control, caller.project_id, name_or_id)
        operation = await correct_drift(control, caller, stack, resource=resource)
        return CorrectionAnswer(operation=operation_shape(operation) if operation else None)

    @post("/accept", status_code=200, summary="Bring the template to what is there")
    async def accept(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        resource: FromQuery[str] = "",
    ) -> AcceptanceAnswer:
        """Writes live values into the template or its parameters; the cloud is left as it is."""
        enforce(caller, "stacks:update")
        stack = await find_stack(control, caller.project_id, name_or_id)
        found = await accept_drift(control, caller, stack, resource=resource)
        return AcceptanceAnswer(
            accepted=[_outcome(each) for each in found if not each.refused],
            refused=[_outcome(each) for each in found if each.refused],
        )


async def _answer(
    control: Control, project_id: Any, name_or_id: str, *, history: bool = False
) -> DriftAnswer:
    stack = await find_stack(control, project_id, name_or_id)
    views, seen = await stack_drift(control, stack, ended=history)
    now = control.clock.now()
    return DriftAnswer(
        looked_at=_time(seen.looked_at),
        age_seconds=None if seen.looked_at is None else round(now - seen.looked_at, 1),
        not_looked=_blind(seen),
        calls=seen.calls,
        objects=seen.objects,
        count=len(views),
        inside=len([view for view in views if view.within]),
        drift=[_item(control, view) for view in views],
    )


def _blind(seen: Look) -> list[BlindItem]:
    return [
        BlindItem(resource_type=name, not_looked_since=_time(each.since), reason=each.reason)
        for name, each in sorted(seen.blind.items())
    ]


def _item(control: Control, view: DriftView) -> DriftItem:
    finding = view.finding
    difference = finding.difference
    kinds: Mapping[str, Literal["missing", "state"]] = {"@object": "missing", "status": "state"}
    return DriftItem(
        sequence=finding.sequence,
        stack_name=view.stack_name,
        stack_id=difference.stack_id,
        within=view.within,
        resource=difference.resource,
        resource_type=difference.resource_type,
        path=difference.path,
        kind=kinds.get(difference.path, "value"),
        expected=difference.expected,
        actual=difference.actual,
        first_seen=_time(finding.first_seen) or "",
        last_seen=_time(finding.last_seen) or "",
        age_seconds=round(control.clock.now() - finding.last_seen, 1),
        policy=str(view.policy),
        ended_at=_time(finding.ended_at),
        ending=None if finding.ending is None else str(finding.ending),
        operation_id=finding.operation_id,
        note=finding.note,
    )


def _outcome(each: Accepted) -> OutcomeItem:
    where = each.finding.difference
    return OutcomeItem(
        resource=where.resource, path=where.path, place=each.place, reason=each.refused
    )


def _policy(view: PolicyView) -> PolicyItem:
    return PolicyItem(resource=view.resource, policy=str(view.policy), source=view.source)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
