"""Saved plans: made, listed, shown, compared with what is there now, thrown away."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mantle.access.caller import Caller
from mantle.clouds.ports import CloudError
from mantle.model.errors import Conflict, MantleError, NotFound
from mantle.model.ids import ProjectId, StackId
from mantle.model.plan import Plan
from mantle.model.records import StackRecord
from mantle.model.saved import PlanStatus, SavedPlan, WaveSpec
from mantle.model.status import Action
from mantle.plan.binding import bind
from mantle.plan.part import select, split
from mantle.plan.quota import counted, verdicts
from mantle.plan.render import render
from mantle.stacks.accept import asker_of
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest
from mantle.stacks.drafts import (
    Draft,
    draft_create,
    draft_delete,
    draft_rollback,
    draft_update,
    nested_of,
)
from mantle.stacks.previews import Preview
from mantle.stacks.update import UpdateRequest
from mantle.store import saved_plans as saved_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

LONGEST_SECONDS = 30 * 86_400.0
"""The longest life of a plan."""

MOST_PLANS = 500
"""Saved plans of one project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRequest:
    """What to plan, and how it will be applied."""

    action: Action
    create: CreateRequest | None = None
    stack: StackRecord | None = None
    update: UpdateRequest | None = None
    waves: tuple[WaveSpec, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    """With `include`: what the plan is cut down to before it is saved."""
    lifetime_seconds: float | None = field(default=None)


async def save_plan(control: Control, caller: Caller, request: SaveRequest) -> SavedPlan:
    """Plan the change and keep the plan, bound to what it was made from. Changes nothing else."""
    draft = await _draft(control, caller, request)
    stack, planned = draft.stack, draft.planned
    lifetime = _lifetime(control, request.lifetime_seconds)
    plan = replace(planned.plan, expires_at=planned.plan.made_at + lifetime)
    if request.include or request.exclude:
        part = select(plan, include=request.include, exclude=request.exclude)
        kept = set(part.steps)
        plan = replace(plan, steps=tuple(step for step in plan.steps if step.key in kept))
        planned = replace(planned, plan=plan)
    waves = split(plan, request.waves)
    nested, previews = await nested_of(control, draft, plan.steps)
    key = control.machine.links.key
    binding = bind(planned, draft.rows, draft.definitions, key, nested)
    quota = await _quota(control, stack, plan, previews)
    saved = SavedPlan(
        id=plan.id,
        project_id=caller.project_id,
        stack_id=stack.id,
        stack_name=stack.name,
        plan=plan,
        binding=binding,
        options=_options(stack, request),
        waves=waves,
        notes={
            "quota": quota,
            "nested": {name: render(child.plan) for name, child in previews.items()},
            "rollback": not stack.disable_rollback,
        },
        base_source_id=None if draft.fresh else stack.source_id,
        made_by=asker_of(caller),
        made_at=plan.made_at,
        expires_at=plan.expires_at,
    )

    def write(connection: Connection) -> SavedPlan:
        if saved_rows.count(connection, caller.project_id) >= MOST_PLANS:
            raise MantleError(
                f"The project has {MOST_PLANS} saved plans already.",
                remedy="Delete some: mantle plan list, mantle plan delete.",
                fault="RequestLimitExceeded",
            )
        source_id = None
        if draft.source is not None:
            source_id = stack_rows.add_source(connection, draft.source, plan.made_at)
        stored = replace(saved, source_id=source_id)
        saved_rows.add(connection, stored)
        return stored

    return await control.database.write(write)


async def _draft(control: Control, caller: Caller, request: SaveRequest) -> Draft:
    if request.create is not None:
        return await draft_create(control, caller, request.create)
    assert request.stack is not None, "whoever asks for a change names the stack"
    match request.action:
        case Action.DELETE:
            return await draft_delete(control, caller, request.stack)
        case Action.ROLLBACK:
            return await draft_rollback(control, caller, request.stack)
        case _:
            assert request.update is not None
            return await draft_update(control, caller, request.stack, request.update)


def _lifetime(control: Control, asked: float | None) -> float:
    if asked is None:
        return control.settings.plan_lifetime_seconds
    if not 1 <= asked <= LONGEST_SECONDS:
        raise MantleError(
            f"A plan cannot live {asked} s.",
            remedy=f"Give 1 s to {LONGEST_SECONDS:.0f} s (thirty days).",
        )
    return asked


def _options(stack: StackRecord, request: SaveRequest) -> dict[str, Any]:
    guard = request.create
    return {
        "cloud": stack.cloud,
        "tags": list(stack.tags),
        "disable_rollback": stack.disable_rollback,
        "timeout_minutes": stack.timeout_minutes,
        "description": stack.description,
        "protected": guard.protected if guard else False,
        "ttl_seconds": guard.ttl_seconds if guard else None,
        "converge": request.update is not None and request.update.converge,
    }


async def _quota(
    control: Control, stack: StackRecord, plan: Plan, previews: dict[str, Preview]
) -> list[dict[str, Any]]:
    needs: Counter[str] = Counter()
    frees: Counter[str] = Counter()
    pending = [plan, *(each.plan for child in previews.values() for each in _all(child))]
    for each in pending:
        more, less = counted(each)
        needs += more
        frees += less
    quotas: dict[str, tuple[int, int]] = {}
    try:
        found = await control.machine.session(stack).quotas()
        quotas = {quota.what: (quota.used, quota.limit) for quota in found}
    except CloudError:
        # A cloud that does not answer now is one that cannot say.
        quotas = {}
    return [asdict(one) | {"verdict": one.word} for one in verdicts(needs, frees, quotas)]


def _all(preview: Preview) -> list[Preview]:
    return [preview, *(each for child in preview.children.values() for each in _all(child))]


# --- looking ---------------------------------------------------------------------------------


async def find_saved(control: Control, project_id: ProjectId, plan_id: str) -> SavedPlan:
    """A saved plan of the project; one of another project is equally absent."""
    saved = await control.database.read(saved_rows.get, plan_id)
    if saved is None or saved.project_id != project_id:
        raise NotFound(f"The Plan ({plan_id[:200]}) could not be found.")
    return as_of(saved, control.clock.now())


def as_of(saved: SavedPlan, now: float) -> SavedPlan:
    """The plan as it is at this time: one that nobody applied in time has expired."""
    resting = saved.status in {PlanStatus.OPEN, PlanStatus.PARTIAL, PlanStatus.STOPPED}
    if resting and now >= saved.expires_at:
        return replace(saved, status=PlanStatus.EXPIRED, reason=saved.reason or "its time is over")
    return saved


async def list_saved(
    control: Control, project_id: ProjectId, stack_id: StackId | None = None
) -> list[SavedPlan]:
    """The newest fifty, newest first."""
    now = control.clock.now()
    found = await control.database.read(saved_rows.listing, project_id, stack_id)
    return [as_of(saved, now) for saved in found]


async def delete_saved(control: Control, caller: Caller, plan_id: str) -> None:
    """Throw it away; not while it is being applied."""
    saved = await find_saved(control, caller.project_id, plan_id)
    if saved.status is PlanStatus.RUNNING:
        raise Conflict(
            f"Plan {saved.id} is being applied.",
            remedy=f"Wait, or cancel the operation: mantle stack cancel {saved.stack_name}.",
        )

    def write(connection: Connection) -> bool:
        if not saved_rows.remove(connection, saved):
            return False
        stack_rows.let_go_of_sources(connection, [saved.source_id, saved.base_source_id])
        return True

    if not await control.database.write(write):
        raise Conflict(f"Plan {saved.id} has just been changed by someone else.")


def resources_of(saved: SavedPlan, keys: Sequence[str]) -> list[str]:
    """The resources these steps are about, in the plan's order."""
    chosen = set(keys)
    return list(dict.fromkeys(step.resource for step in saved.plan.steps if step.key in chosen))
