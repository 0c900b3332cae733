"""An operation's frame: load the stack, plan it, and say what its rows answer to the resolver."""

import asyncio
import functools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mantle.engine.cloudwide import refuse_cloudwide
from mantle.engine.machine import Machine
from mantle.engine.placing import denied, placed, verdicts_placed
from mantle.engine.shelter import refuse_to_uncover
from mantle.model.errors import Invalid
from mantle.model.graph import TemplateSource
from mantle.model.ids import OperationId, PlanId
from mantle.model.masking import masked_error
from mantle.model.plan import Plan, Step, StepKind
from mantle.model.policies import NOBODY, Asker, PolicyRule
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action
from mantle.model.values import Unknown, Value
from mantle.plan.policy import Question, denials, judge_plan
from mantle.plan.stack import Planned, mask_for, plan_with_values
from mantle.resources.kit import Ref, ResourceType
from mantle.resources.registry import Registry
from mantle.store import policies as policy_rows
from mantle.template.asked import Asked
from mantle.template.environment import Environment
from mantle.template.loaded import Loaded
from mantle.template.validate import load_template

T = TypeVar("T")

OUTPUT_ERRORS = "output_errors"
"""In the data of a row that is a stack of its own: why an output has no value, by its name."""

BIG = 200_000
"""Characters of template text from which loading leaves the event loop for a thread."""


def ref_of(row: ResourceRecord, stack: StackRecord) -> Ref:
    """What a phase may know of the row."""
    return Ref(
        id=row.id,
        name=row.name,
        stack_id=stack.id,
        stack_name=stack.name,
        project_id=stack.project_id,
        token=row.token,
        physical_id=row.physical_id,
        data=row.data,
        root_id=stack.root_id,
    )


def type_of(registry: Registry, resolved_type: str) -> ResourceType:
    """The type that drives a row; a template file's name stands for a nested stack."""
    return registry.get(resolved_type)


def reference_of(registry: Registry, stack: StackRecord) -> Callable[[ResourceRecord], str]:
    """What get_resource gives for a row."""

    def reference(row: ResourceRecord) -> str:
        return type_of(registry, row.resolved_type).reference(ref_of(row, stack))

    return reference


@dataclass(slots=True)
class RowLookup:
    """Answers the resolver from rows: what is not there yet is unknown."""

    rows: Mapping[str, ResourceRecord]
    reference_to: Callable[[ResourceRecord], str]

    def reference(self, name: str) -> Value:
        """The reference id of a resource that exists."""
        row = self.rows.get(name)
        if row is None or not row.is_there:
            return Unknown((name,))
        return self.reference_to(row)

    def attributes(self, name: str) -> Mapping[str, Value] | Unknown:
        """The stored attributes of a resource that exists."""
        row = self.rows.get(name)
        if row is None or not row.is_there:
            return Unknown((name,))
        return row.attributes

    def failure(self, name: str, attribute: str) -> str | None:
        """What was wrong with an output of the stack inside the resource."""
        row = self.rows.get(name)
        return None if row is None else row.data.get(OUTPUT_ERRORS, {}).get(attribute)


async def computed(size: int, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run pure work; big work in a thread, so that the API goes on answering."""
    if size < BIG:
        return work(*args, **kwargs)
    return await asyncio.to_thread(functools.partial(work, *args, **kwargs))


def size_of(source: TemplateSource) -> int:
    """Roughly how much text there is to load."""
    template = source.template
    own = len(template) if isinstance(template, str) else 40 * len(template.get("resources") or ())
    return own + sum(len(text) for text in source.files.values())


async def load(
    machine: Machine,
    stack: StackRecord,
    source: TemplateSource,
    environment: Environment | None = None,
    asked: list[Asked] | None = None,
) -> Loaded:
    """The stack's template, checked by itself; raises `Invalid` with all problems.

    What only the cloud can tell is added to `asked` (see `stacks/asking.py`). The engine does not
    ask: a value that was good when its operation was accepted is judged by the deed itself.
    """
    return await computed(
        size_of(source),
        load_template,
        source,
        types=machine.registry.facts,
        stack_name=stack.name,
        stack_id=stack.id,
        project_id=stack.project_id,
        limitations=machine.limitations(stack.cloud),
        environment=environment,
        depth=stack.depth,
        asked=asked,
        operator=machine.settings.operator,
        bounds=machine.settings.bounds,
    )


async def make_plan(
    machine: Machine,
    stack: StackRecord,
    action: Action,
    loaded: Loaded | None,
    rows: Sequence[ResourceRecord],
    *,
    asker: Asker = NOBODY,
    only_shown: bool = False,
    again: bool = False,
    within: Collection[str] | None = None,
    restores: Collection[str] = (),
) -> Plan:
    """What bringing the rows to the template takes, with what the policy rules say of it.

    Raises `Invalid` with every reason why it may not be, and `Denied` when a rule denies a step;
    with `only_shown` the plan carries the denial instead. `again` plans what a first plan left.
    With `within` only these resources are planned, and the plan stays with them.
    """
    planned = await plan_in_full(
        machine,
        stack,
        action,
        loaded,
        rows,
        asker=asker,
        only_shown=only_shown,
        within=within,
        again=again,
        restores=restores,
    )
    if within is None:
        return planned.plan
    return replace(planned.plan, within=tuple(sorted(within)))


async def plan_in_full(
    machine: Machine,
    stack: StackRecord,
    action: Action,
    loaded: Loaded | None,
    rows: Sequence[ResourceRecord],
    *,
    asker: Asker = NOBODY,
    only_shown: bool = False,
    rules: Sequence[PolicyRule] | None = None,
    only: Callable[[Step], bool] = lambda _: True,
    within: Collection[str] | None = None,
    again: bool = False,
    restores: Collection[str] = (),
) -> Planned:
    """The same, with the exact values that the plan does not show.

    With `rules` those are asked instead of the ones that are set; `only` chooses the steps that
    they are asked about. With `within` only these resources are planned. `restores` names those
    whose contents are put back from a snapshot.
    """
    size = 300 * (len(rows) + (len(loaded.graph.resources) if loaded else 0))
    try:
        planned = await _planned(
            machine, stack, action, loaded, rows, size, within, again=again, restores=restores
        )
        refuse_cloudwide(machine, planned.plan, asker)
        await refuse_to_uncover(machine, planned.plan, list(rows))
    except Invalid as error:
        mask = mask_for(loaded, rows, machine.registry.facts)
        raise masked_error(await placed(machine, stack, loaded, error), mask) from None
    if rules is None:
        rules = await machine.database.read(policy_rows.applicable, stack.project_id)
    if not rules or planned.plan.is_empty:
        return planned
    question = Question(
        plan=planned.plan,
        stack=stack,
        rows=rows,
        after=planned.after,
        definitions=loaded.graph.resources if loaded else {},
        asker=asker,
        now=machine.clock.now(),
    )
    verdicts = await computed(size, judge_plan, rules, question, time.perf_counter, only)
    verdicts = await verdicts_placed(machine, stack, loaded, verdicts)
    if not only_shown and denials(verdicts):
        raise denied(verdicts)
    return replace(planned, plan=replace(planned.plan, verdicts=verdicts))


async def _planned(
    machine: Machine,
    stack: StackRecord,
    action: Action,
    loaded: Loaded | None,
    rows: Sequence[ResourceRecord],
    size: int,
    within: Collection[str] | None,
    *,
    again: bool,
    restores: Collection[str],
) -> Planned:
    facts = dict(machine.registry.facts)
    if loaded is not None:
        facts.update(loaded.facts)
    return await computed(
        size,
        plan_with_values,
        plan_id=PlanId(machine.new_id()),
        action=action,
        stack_id=stack.id,
        stack_name=stack.name,
        loaded=loaded,
        rows=rows,
        new_id=machine.new_id,
        now=machine.clock.now(),
        facts=facts,
        references=reference_of(machine.registry, stack),
        timeout_seconds=machine.settings.step_timeout_seconds,
        lifetime_seconds=machine.settings.plan_lifetime_seconds,
        within=within,
        again=again,
        restores=restores,
    )


def new_rows(
    plan: Plan,
    loaded: Loaded | None,
    rows: Sequence[ResourceRecord],
    operation_id: OperationId,
    now: float,
) -> list[ResourceRecord]:
    """The rows that the plan's creates will fill, not yet begun."""
    known = {row.id for row in rows}
    made: list[ResourceRecord] = []
    if loaded is None:
        return made
    for step in plan.steps:
        if step.kind is not StepKind.CREATE or step.resource_id in known:
            continue
        definition = loaded.graph.resources[step.resource]
        made.append(
            ResourceRecord(
                id=step.resource_id,
                stack_id=plan.stack_id,
                name=step.resource,
                type=definition.type,
                resolved_type=definition.resolved_type,
                token=step.token,
                requires=definition.references,
                deletion_policy=definition.deletion_policy,
                replaces=step.replaces,
                operation_id=operation_id,
                created_at=now,
            )
        )
    return made
