"""The stack planner: what is wanted and what is there become a plan.

Resources are looked at in dependency order. One that keeps its row answers with the row's reference
and attributes; one that is to be made answers `Unknown`, which reaches everything that reads it. So
a replacement spreads exactly as far as its values do. A resource changed in place keeps answering
with its known values: the engine plans again when the plan has ended, and finds with exact values
what the change means for others.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mantle.model.errors import Findings, Invalid
from mantle.model.graph import ResourceDefinition
from mantle.model.ids import PlanId, ResourceId, StackId, StepKey, Token
from mantle.model.plan import Change, Plan, Step, StepKind
from mantle.model.records import ResourceRecord
from mantle.model.schema import TypeFacts
from mantle.model.status import Action
from mantle.model.values import Unknown, Value
from mantle.plan import drift, protection, steps, turn
from mantle.plan.acting import ACTING, acting_steps
from mantle.plan.diff import settings_of
from mantle.plan.judge import EXTERNAL, Fate, Verdict, Wanted, choose
from mantle.plan.masking import Mask, SecretKeeper, mask_of, secret_keeper
from mantle.plan.order import dependencies_first
from mantle.plan.removal import Doomed, removal_steps
from mantle.template.loaded import Loaded
from mantle.template.properties import coerce_properties
from mantle.template.resolve import Lookup, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, with what a plan does not show."""

    plan: Plan
    after: Mapping[str, Mapping[str, Value]]
    """The exact wanted properties of what is created or updated, by name."""


def plan_stack(**request: Any) -> Plan:
    """The plan alone; see `plan_with_values` for what it is made from."""
    return plan_with_values(**request).plan


def plan_with_values(
    *,
    plan_id: PlanId,
    action: Action,
    stack_id: StackId,
    stack_name: str,
    loaded: Loaded | None,
    rows: Sequence[ResourceRecord],
    new_id: Callable[[], str],
    now: float,
    facts: Mapping[str, TypeFacts],
    references: Callable[[ResourceRecord], str],
    timeout_seconds: float,
    lifetime_seconds: float,
    within: Collection[str] | None = None,
    again: bool = False,
    restores: Collection[str] = (),
) -> Planned:
    """Everything that has to be done, each step with its reason; raises `Invalid` if it may not be.

    Without a template everything is removed: a delete, or the rollback of a create.
    With `within` only these resources are planned; every other one is taken as it is. `again` is
    the plan for what an update's first plan has left. `restores`
    names those whose contents a snapshot kept: they are put back once the resource is as wanted.
    """
    live = [row for row in rows if row.state != "DELETE_COMPLETE"]
    unchanged: tuple[str, ...] = ()
    after: Mapping[str, Mapping[str, Value]] = {}
    if action in ACTING:
        made, unchanged = acting_steps(action, live, timeout_seconds)
    elif loaded is None or action is Action.DELETE:
        made = _remove_all(action, live, timeout_seconds)
    else:
        planning = _Planning(
            loaded=loaded,
            rows=live,
            new_id=new_id,
            references=references,
            timeout_seconds=timeout_seconds,
            mask=mask_for(loaded, live, facts),
            updating=action is Action.UPDATE,
            within=within,
            again=again,
            restores=restores,
        )
        planning.go()
        made, unchanged = planning.steps, tuple(planning.unchanged)
        after = planning.after
    versions = {row.id: row.version for row in live}
    touched = [row for step in made for row in (step.resource_id, step.replaces) if row]
    plan = Plan(
        id=plan_id,
        stack_id=stack_id,
        stack_name=stack_name,
        action=action,
        steps=tuple(made),
        unchanged=unchanged,
        based_on={row: versions[row] for row in touched if row in versions},
        made_at=now,
        expires_at=now + lifetime_seconds,
    )
    return Planned(plan=plan, after=after)


def desired_properties(loaded: Loaded, name: str, lookup: Lookup) -> dict[str, Value]:
    """A resource's properties, resolved, checked and with defaults; raises `Invalid`.

    What the lookup does not know stays `Unknown`.
    """
    settled = loaded.settled.get(name)
    if settled is not None:
        return dict(settled)
    definition = loaded.graph.resources[name]
    resolved = resolve(dict(definition.properties), loaded.scope(lookup))
    findings = Findings()
    properties = coerce_properties(
        loaded.facts[definition.resolved_type].schema,
        resolved,
        (*(definition.path or ("resources", name)), "properties"),
        findings,
    )
    findings.raise_if_any()
    return properties


def digest_of(loaded: Loaded, definition: ResourceDefinition) -> str:
    """The hash of the templates inside a resource; empty for types without."""
    if definition.is_template:
        return loaded.digests.get(definition.resolved_type, "")
    if loaded.facts[definition.resolved_type].contains_resources:
        return loaded.digests.get("", "")
    return ""


@dataclass(slots=True)
class Settled:
    """Answers the resolver with what stays; everything else is unknown."""

    references: Callable[[ResourceRecord], str]
    rows: dict[str, ResourceRecord] = field(default_factory=dict)

    def reference(self, name: str) -> Value:
        """What get_resource gives."""
        row = self.rows.get(name)
        return Unknown((name,)) if row is None else self.references(row)

    def attributes(self, name: str) -> Mapping[str, Value] | Unknown:
        """All that get_attr can reach."""
        row = self.rows.get(name)
        return Unknown((name,)) if row is None else row.attributes

    def failure(self, name: str, attribute: str) -> str | None:
        """The engine says so when the value is needed; a plan does without it."""
        del name, attribute
        return None


@dataclass(slots=True, kw_only=True)
class _Planning:
    """One run of the planner over a template; filled as it goes."""

    loaded: Loaded
    rows: Sequence[ResourceRecord]
    new_id: Callable[[], str]
    references: Callable[[ResourceRecord], str]
    timeout_seconds: float
    mask: Mask
    updating: bool
    """Hooks and restrictions of updates apply: not to a rollback, nor to a create."""
    within: Collection[str] | None = None
    again: bool = False
    restores: Collection[str] = ()
    steps: list[Step] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    forward: dict[str, StepKey] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    doomed: dict[ResourceId, str] = field(default_factory=dict)
    """Rows to remove, with the reason."""
    old_first: dict[ResourceId, str] = field(default_factory=dict)
    """Of those, the ones that must go before what replaces them is made, with the reason."""
    after: dict[str, Mapping[str, Value]] = field(default_factory=dict)
    """The wanted properties of what is created or updated."""

    def go(self) -> None:
        """Plan every wanted resource, then the removal of every other row."""
        wanted = self.loaded.graph.resources
        settled = Settled(self.references)
        by_name: dict[str, list[ResourceRecord]] = {}
        for row in self.rows:
            by_name.setdefault(row.name, []).append(row)
        needs = {name: definition.references for name, definition in wanted.items()}
        for name in dependencies_first(needs):
            if self.within is not None and name not in self.within:
                self._as_it_is(name, by_name.pop(name, []), settled)
                continue
            self._one(wanted[name], by_name.pop(name, []), settled)
            if name in self.restores:
                self._restore(wanted[name], settled)
        for row in (row for left in by_name.values() for row in left):
            if self.within is not None and row.name not in self.within:
                continue
            self.doomed[row.id] = "no longer in the template"
            keep(row, "it is no longer in the template", self.findings)
        self.findings.raise_if_any()
        made = self.steps
        made += removal_steps(
            [
                Doomed(row=row, reason=self.doomed[row.id])
                for row in self.rows
                if row.id in self.doomed
            ],
            rows=self.rows,
            references=needs,
            forward=self.forward,
            timeout_seconds=self.timeout_seconds,
        )
        self.steps = turn.turned(made, self.old_first)

    def _as_it_is(self, name: str, rows: Sequence[ResourceRecord], settled: Settled) -> None:
        """What others read of it now: its newest row, if it was ever made."""
        made = [row for row in rows if row.is_there]
        if made:
            settled.rows[name] = max(made, key=lambda row: (row.created_at, row.id))

    def _one(
        self, definition: ResourceDefinition, rows: Sequence[ResourceRecord], settled: Settled
    ) -> None:
        try:
            wanted = self._wanted(definition, settled)
        except Invalid as error:
            self.findings.problems.extend(error.problems)
            return
        path = definition.path or ("resources", definition.name)
        turn.check(wanted.metadata, path, self.findings)
        chosen = choose(rows, wanted, self.mask)
        if chosen is None:
            self._create(wanted, None, self._reason_to_create(definition))
            return
        row, verdict = chosen
        if self._restricted(definition, verdict):
            return
        self._leave_others(rows, row, verdict)
        match verdict.fate:
            case Fate.KEEP:
                self._keep(definition, row)
                settled.rows[definition.name] = row
            case Fate.UPDATE:
                self._update(wanted, row, verdict)
                settled.rows[definition.name] = row
            case Fate.CONTINUE:
                self._create(wanted, row, verdict.reason)
            case Fate.ADOPT:
                self._adopt(wanted, row, verdict.reason)
            case Fate.REPLACE:
                self._replace(wanted, row, verdict)
            case Fate.REFUSED:
                self._refuse(definition, verdict.changes)

    def _restore(self, definition: ResourceDefinition, settled: Settled) -> None:
        """After its own step, before those of whatever needs it."""
        name = definition.name
        before = next((step for step in reversed(self.steps) if step.resource == name), None)
        row = settled.rows.get(name)
        if before is None and row is None:
            return
        step = steps.restore(
            definition, before, row, self._needs(definition), timeout_seconds=self.timeout_seconds
        )
        if name in self.unchanged:
            self.unchanged.remove(name)
        self._forward(step)

    def _wanted(self, definition: ResourceDefinition, settled: Settled) -> Wanted:
        metadata = definition.metadata
        return Wanted(
            definition=definition,
            facts=self.loaded.facts[definition.resolved_type],
            properties=desired_properties(self.loaded, definition.name, settled),
            metadata=resolve(metadata, self.loaded.scope(settled)) if metadata else {},
            digest=digest_of(self.loaded, definition),
            renews=self.updating and not self.again,
        )

    def _reason_to_create(self, definition: ResourceDefinition) -> str:
        if definition.external_id is not None:
            return f"adopts existing {definition.external_id}"
        return "new in the template"

    def _leave_others(
        self, rows: Sequence[ResourceRecord], chosen: ResourceRecord, verdict: Verdict
    ) -> None:
        for row in rows:
            if row is not chosen:
                self.doomed[row.id] = f"left over: another {row.name} is in use"
            elif verdict.fate is Fate.REPLACE:
                self.doomed[row.id] = f"replaced by a new {row.name}"

    def _create(
        self,
        wanted: Wanted,
        row: ResourceRecord | None,
        reason: str,
        *,
        replaces: ResourceId | None = None,
        changes: tuple[Change, ...] | None = None,
    ) -> None:
        self.after[wanted.definition.name] = wanted.properties
        if changes is None:
            changes = settings_of(
                wanted.facts.schema, wanted.properties, wanted.definition.properties, self.mask
            )
        self._forward(
            steps.create(
                wanted.definition,
                row_id=ResourceId(self.new_id()) if row is None else row.id,
                token=Token(self.new_id()) if row is None else row.token,
                reason=reason,
                requires=self._needs(wanted.definition),
                changes=changes,
                replaces=replaces if row is None else row.replaces,
                digest=wanted.digest,
                timeout_seconds=self.timeout_seconds,
            )
        )

    def _adopt(self, wanted: Wanted, row: ResourceRecord, reason: str) -> None:
        self._forward(
            steps.adopt(
                wanted.definition,
                row,
                reason=reason,
                requires=self._needs(wanted.definition),
                digest=wanted.digest,
                timeout_seconds=self.timeout_seconds,
            )
        )

    def _update(self, wanted: Wanted, row: ResourceRecord, verdict: Verdict) -> None:
        self.after[wanted.definition.name] = wanted.properties
        self._forward(
            steps.update(
                wanted.definition,
                row,
                reason=verdict.reason,
                requires=self._needs(wanted.definition),
                changes=verdict.changes,
                digest=wanted.digest,
                timeout_seconds=self.timeout_seconds,
            )
        )

    def _replace(self, wanted: Wanted, row: ResourceRecord, verdict: Verdict) -> None:
        seen = drift.note_of(row)
        if seen is None or not seen["gone"]:
            # What is gone already cannot be destroyed.
            keep(row, f"it would be replaced: {verdict.reason}", self.findings, wanted)
        why = self._old_first(wanted, row)
        if why is not None:
            self.old_first[row.id] = why
        self._create(wanted, None, verdict.reason, replaces=row.id, changes=verdict.changes or None)

    def _old_first(self, wanted: Wanted, row: ResourceRecord) -> str | None:
        """Why the old one goes first; None for the usual order."""
        match turn.asked(wanted.metadata):
            case turn.Turn.DELETE_FIRST:
                return "its metadata asks for it"
            case turn.Turn.CREATE_FIRST:
                return None
        rule = wanted.facts.old_first
        if rule is None or row.resolved_type != wanted.definition.resolved_type:
            return None
        return rule(row.properties, wanted.properties)

    def _keep(self, definition: ResourceDefinition, row: ResourceRecord) -> None:
        """No step, unless somebody wants to be asked before any update."""
        hooks = self.loaded.environment.hooks_of(definition.name) if self.updating else ()
        if "pre-update" not in hooks:
            self.unchanged.append(definition.name)
            return
        self._forward(
            steps.on_row(
                StepKind.KEEP,
                row,
                key=steps.step_key(StepKind.KEEP, definition.name),
                reason="nothing changes; its pre-update hook is waited for",
                requires=self._needs(definition),
                timeout_seconds=self.timeout_seconds,
            )
        )

    def _restricted(self, definition: ResourceDefinition, verdict: Verdict) -> bool:
        """Whether the environment forbids what would have to be done."""
        deed = {Fate.UPDATE: "update", Fate.REPLACE: "replace"}.get(verdict.fate)
        environment = self.loaded.environment
        if not self.updating or deed not in environment.restrictions_of(definition.name):
            return False
        self.findings.add(
            "restricted-action",
            f"{deed} is restricted for resource {definition.name}: {verdict.reason}.",
            definition.path or ("resources", definition.name),
            remedy="Undo the change, or take `restricted_actions` out of the environment.",
            fault="ResourceActionRestricted",
        )
        return True

    def _refuse(self, definition: ResourceDefinition, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.path == EXTERNAL:
                self.findings.add(
                    "external-id",
                    f"Update to property external_id of {definition.name} ({definition.type}) is "
                    f"not supported: it is {change.before!r}, and would become {change.after!r}.",
                    (*(definition.path or ("resources", definition.name)), "external_id"),
                    remedy="Give the adopted object a resource of its own, under another name.",
                    fault="NotSupported",
                )
                continue
            top = (*(definition.path or ("resources", definition.name)), "properties")
            self.findings.add(
                "immutable-property",
                f"Property {change.path!r} of {definition.name} ({definition.type}) cannot change "
                f"once the resource exists; it is {change.before!r}, and would become "
                f"{change.after if isinstance(change.after, Unknown) else repr(change.after)}.",
                (*top, change.path),
                remedy="Give it its old value, or rename the resource so that a new one is made.",
                fault="NotSupported",
            )

    def _needs(self, definition: ResourceDefinition) -> list[StepKey]:
        return [self.forward[name] for name in definition.references if name in self.forward]

    def _forward(self, step: Step) -> None:
        self.steps.append(step)
        self.forward[step.resource] = step.key


def keep(row: ResourceRecord, deed: str, findings: Findings, wanted: Wanted | None = None) -> None:
    """Refuse to destroy what its own metadata protects."""
    metadata = None if wanted is None else wanted.metadata
    if protection.holds(row, metadata):
        path = (wanted.definition.path if wanted is not None else ()) or ("resources", row.name)
        findings.add(
            "prevent-destroy",
            protection.refusal(row, deed),
            (*path, "metadata", protection.KEY),
            remedy=protection.REMEDY,
            fault="ResourceProtected",
        )


def mask_for(
    loaded: Loaded | None, rows: Sequence[ResourceRecord], facts: Mapping[str, TypeFacts]
) -> Mask:
    """Hides the hidden parameters' values, and every secret that the rows hold."""
    known = facts if loaded is None else {**facts, **loaded.facts}
    texts = list(loaded.graph.secret_values) if loaded is not None else []
    return mask_of([*texts, *secrets_in(rows, known)])


def secrets_in(rows: Iterable[ResourceRecord], facts: Mapping[str, TypeFacts]) -> list[str]:
    """Every secret that the rows hold, as far as their types declare it."""
    texts: list[str] = []
    keepers: dict[str, SecretKeeper | None] = {}
    for row in rows:
        if row.resolved_type not in keepers:
            known = facts.get(row.resolved_type)
            keepers[row.resolved_type] = secret_keeper(known.schema) if known else None
        keeper = keepers[row.resolved_type]
        if keeper is not None:
            texts += keeper.texts(row.properties, row.attributes)
    return texts


def _remove_all(
    action: Action, rows: Sequence[ResourceRecord], timeout_seconds: float
) -> list[Step]:
    undone = action is Action.ROLLBACK
    reason = "its creation is rolled back" if undone else "the stack is deleted"
    findings = Findings()
    for row in rows:
        keep(row, reason, findings)
    findings.raise_if_any()
    return removal_steps(
        [Doomed(row=row, reason=reason) for row in rows],
        rows=rows,
        references={},
        forward={},
        timeout_seconds=timeout_seconds,
    )
