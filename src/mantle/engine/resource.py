"""Drives one resource through one step of a plan.

A step that talks to a cloud is: write the intent (durable, with the token), call the phase until it
ends, write the end. Between calls nothing is kept but what the row holds, so after a crash the same
phase is called again on the same row. A step that needs no cloud has no deed to announce: its
intent and its end are one write.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import structs

from mantle.engine.accounts import with_account
from mantle.engine.again import AGAIN, again_of
from mantle.engine.deeds import (
    ACTIONS,
    FORWARD,
    OWN_NOTES,
    PHASES,
    ROUND,
    Ended,
    Interrupted,
    NeedsAnother,
    doubtful,
    entry_of,
    name_hint,
    name_it_has,
)
from mantle.engine.guarded import Guarded
from mantle.engine.hooks import hold, hook_of
from mantle.engine.keeping import ended, intended, token_of
from mantle.engine.operation import ref_of, type_of
from mantle.engine.waiting import Waiting
from mantle.lib import tracing
from mantle.lib.measures import STEP_SECONDS
from mantle.model.drift import SEEN
from mantle.model.errors import Invalid
from mantle.model.ids import Token
from mantle.model.keys import ACCOUNT
from mantle.model.masking import mask_of
from mantle.model.plan import Step, StepKind
from mantle.model.records import ResourceRecord
from mantle.model.software import DEPLOYMENT
from mantle.model.status import Action, Status
from mantle.model.values import Unknown, unknowns_in
from mantle.plan.adoption import ADOPTED, ADOPTS, NAMED
from mantle.plan.binding import strays
from mantle.plan.diff import changes_between, replacement_reason
from mantle.plan.judge import RENEW, policy_of
from mantle.plan.stack import desired_properties, secrets_in
from mantle.resources.kit import (
    Context,
    Delegate,
    Done,
    Failed,
    Family,
    Outcome,
    Phase,
    Replace,
    ResourceType,
    Wait,
)
from mantle.store import events as event_rows
from mantle.store.database import Connection
from mantle.template.resolve import resolve

if TYPE_CHECKING:
    from mantle.engine.walk import Walk

log = structlog.get_logger()


class Drive:
    """One step, from intent to end."""

    __slots__ = (
        "_calls",
        "after",
        "also",
        "before",
        "fresh",
        "metadata",
        "row",
        "step",
        "type",
        "walk",
    )

    def __init__(self, walk: "Walk", step: Step) -> None:
        self.walk = walk
        self.step = step
        self.row: ResourceRecord = walk.rows[step.resource_id]
        self.type: ResourceType = type_of(walk.machine.registry, self.row.resolved_type)
        self.after: Mapping[str, Any] = self.row.properties
        self.before: Mapping[str, Any] = {}
        self.metadata: Mapping[str, Any] = self.row.metadata
        self.fresh = self.row.action is Action.INIT
        self.also: Callable[[Connection], None] | None = None
        """What is written with the row, once."""
        self._calls = 0

    @property
    def instant(self) -> bool:
        """True when the step has no deed outside."""
        if hook_of(self.walk, self.step, "pre") or hook_of(self.walk, self.step, "post"):
            return False
        if self.step.kind is StepKind.FORGET:
            return True
        # Values are not known yet; where an account may be made, a call outside is.
        outside = self.walk.machine.accounts.made and self.type.hands_account is not None
        return self.type.needs_no_cloud and not outside

    @property
    def _account(self) -> bool:
        """Whether an account is made for the row in another Keystone, or was."""
        if not self.walk.machine.accounts.made:
            return False
        values = self.after if self.step.kind in FORWARD else self.row.properties
        hands = self.type.hands_account
        return ACCOUNT in self.row.data or (hands is not None and hands(values))

    # --- preparation -------------------------------------------------------------------------

    def prepare(self) -> str | None:
        """Resolve what is wanted, exactly; the answer is why that failed."""
        if self.step.kind not in FORWARD:
            return None
        walk = self.walk
        assert walk.loaded is not None
        name = self.step.resource
        definition = walk.loaded.graph.resources.get(name)
        if definition is None:
            return "a newer template, which does not declare it, is in force"
        try:
            self.after = desired_properties(walk.loaded, name, walk.lookup)
            self.metadata = (
                resolve(definition.metadata, walk.loaded.scope(walk.lookup))
                if definition.metadata
                else {}
            )
        except Invalid as error:
            return str(error)
        waiting = unknowns_in(self.after) if definition.references else []
        if waiting:
            return f"its properties are {Unknown.joined(waiting)}, which is not there"
        # What was known when the template was checked was checked then.
        if self.type.facts.check_properties is not None and self.step.unknown_after:
            found = self.type.facts.check_properties(self.after)
            if found:
                return "; ".join(found)
        return None

    def _surprise(self) -> bool:
        """Whether exact values forbid the update in place that the plan could still hope for."""
        if self.step.kind is not StepKind.UPDATE or not self.step.unknown_after:
            return False
        reason = replacement_reason(self.type.facts, self.row.properties, self.after)
        changes = changes_between(self.type.schema, self.row.properties, self.after)
        return reason is not None or any(change.forces_replacement for change in changes)

    def _stray(self) -> str | None:
        """Why this step would do other than the plan says; None when that binds nobody.

        Asked before anything is written: a plan that binds stops here, with the row as it was.
        """
        plan = self.walk.plan
        if not plan.binds or self.step.kind not in {StepKind.CREATE, StepKind.UPDATE}:
            return None
        if self.row.plan_id == plan.id and self.row.status is Status.IN_PROGRESS:
            return None
        what = None
        if self._surprise():
            what = "its exact values need a replacement"
        else:
            what = strays(self.step, self.row.properties, self.after)
        if what is None:
            return None
        return f"stopped, as plan {plan.part_of} does not say so: {what}"

    def _unfit(self) -> str | None:
        """Why the resource cannot be suspended: as in Heat, only what is well can.

        Its row is left as it is, so that the next update still knows what has to be repaired.
        """
        if self.step.kind is not StepKind.SUSPEND or self.row.action is Action.SUSPEND:
            return None
        if self.row.status is Status.COMPLETE:
            return None
        return f"State {self.row.state} invalid for suspend"

    def _last_good(self) -> Mapping[str, Any]:
        """The properties before the update; those before an earlier one that did not end well.

        Only an update that ends well takes them out of the row, whatever was done in between.
        """
        kept: Mapping[str, Any] | None = self.row.data.get("before")
        return self.row.properties if kept is None else kept

    def begun(self) -> ResourceRecord:
        """The row with the intent in it.

        An update's intent holds the properties it is going to, with those before beside them:
        whatever half of the change is done when it fails, the next update sees a difference.
        """
        action = ACTIONS[self.step.kind]
        again = (
            self.row.plan_id == self.walk.plan.id
            and self.row.action is action
            and self.row.status is Status.IN_PROGRESS
        )
        changes: dict[str, Any] = {
            "action": action,
            "status": Status.IN_PROGRESS,
            "reason": "state changed",
            "operation_id": self.walk.operation.id,
            "plan_id": self.walk.plan.id,
            "started_at": self.row.started_at if again else self.walk.now(),
            "updated_at": self.walk.now(),
        }
        if self.step.kind is StepKind.ADOPT and not self._container:
            changes["physical_id"] = self.row.data.get(ADOPTS, {}).get("resource_id")
        if self.step.kind in {StepKind.CREATE, StepKind.ADOPT}:
            changes["properties"] = self.after
            changes["metadata"] = self.metadata
            definition = self.definition()
            if definition is not None:
                changes["deletion_policy"] = policy_of(definition)
                if definition.external_id is not None:
                    changes["physical_id"] = definition.external_id
        if again and self._differs():
            # What the token leads to was made from other values: it is made again, from these.
            note = replace(again_of(self.row), clearing=True, reason="its values have changed")
            changes["data"] = {**self.row.data, AGAIN: note.noted()}
        if self.step.kind is StepKind.UPDATE:
            good = self._last_good()
            self.before = doubtful(good, self.row.properties, self.after)
            changes["properties"] = self.after
            changes["data"] = {**self.row.data, "before": dict(good)}
        return structs.replace(self.row, **changes)

    def _differs(self) -> bool:
        """Whether a create that was begun earlier would now be done from other values."""
        if not self.makes_an_object:
            return False
        return bool(changes_between(self.type.schema, self.row.properties, self.after))

    @property
    def makes_an_object(self) -> bool:
        definition = self.definition()
        ours = definition is None or definition.external_id is None
        return self.step.kind is StepKind.CREATE and ours and not self._container

    def noted(self, data: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """The type's new notes, with the engine's own kept."""
        if data is None:
            return self.row.data
        kept = {key: self.row.data[key] for key in OWN_NOTES if key in self.row.data}
        return {**data, **kept}

    def ended(self, outcome: Done | Failed, attributes: Mapping[str, Any] | None) -> ResourceRecord:
        """The row with the end in it."""
        row = self.row
        changes: dict[str, Any] = {"updated_at": self.walk.now()}
        if outcome.physical_id is not None:
            changes["physical_id"] = outcome.physical_id
        data = {key: value for key, value in self.noted(outcome.data).items() if key != AGAIN}
        if isinstance(outcome, Failed):
            between = "\n" if "\n" in outcome.reason else " "
            text = f"{outcome.reason}{between}{outcome.remedy}".rstrip()
            told = self.told(text)
            return structs.replace(row, status=Status.FAILED, reason=told, data=data, **changes)
        if self.step.kind in FORWARD:
            changes["properties"] = self.after
            changes["metadata"] = self.metadata
            definition = self.definition()
            if definition is not None:
                changes["requires"] = definition.references
                changes["deletion_policy"] = policy_of(definition)
                changes["type"] = definition.type
                changes["resolved_type"] = definition.resolved_type
            if self.step.kind is StepKind.ADOPT:
                data = {**data, **name_it_has(attributes), ADOPTED: True}
            data = {k: v for k, v in data.items() if k not in {"before", ADOPTS, ROUND, RENEW}}
            if self.step.digest:
                data["digest"] = self.step.digest
        if attributes is not None:
            changes["attributes"] = attributes
        reason = self.told(outcome.note) if outcome.note else "state changed"
        return structs.replace(row, status=Status.COMPLETE, reason=reason, data=data, **changes)

    def definition(self) -> Any:
        """What the template says of the resource; None when it says nothing."""
        loaded = self.walk.loaded
        return loaded.graph.resources.get(self.step.resource) if loaded else None

    def _update_policy(self) -> Mapping[str, Any]:
        definition = self.definition()
        if definition is None or not definition.update_policy:
            return {}
        assert self.walk.loaded is not None
        resolved = resolve(dict(definition.update_policy), self.walk.loaded.scope(self.walk.lookup))
        return resolved if isinstance(resolved, dict) else {}

    def context(self, signals: tuple[Any, ...] = (), family: Family | None = None) -> Context:
        """Everything the phase may use, as of now."""
        walk = self.walk
        ref = ref_of(self.row, walk.stack)
        return Context(
            ref=ref,
            properties=self.after,
            before=self.before,
            metadata=self.metadata,
            cloud=walk.session if self.type.needs_no_cloud else Guarded(walk.session, self._proved),
            fresh=self.fresh and self._calls == 0,
            now=walk.now(),
            started_at=self.row.started_at or walk.now(),
            random=walk.machine.random,
            signals=signals,
            callbacks=walk.machine.links,
            name_hint=self._name_hint(),
            config_text=walk.config_text,
            software=walk.software,
            update_policy=self._update_policy(),
            family=family,
            far=walk.far,
            given=walk.given,
            drifted={
                change.path.removeprefix(SEEN): change.after
                for change in self.step.changes
                if change.path.startswith(SEEN)
            },
            keep_token=self._keep_token(),
            kept=self._kept(),
            leaving=walk.plan.action is not Action.SNAPSHOT,
        )

    def _keep_token(self) -> Token:
        """What a copy is known by: of the stack's snapshot, else of the plan that deletes."""
        keeping = self.walk.keeping
        return token_of(self.row, self.walk.plan.id if keeping is None else keeping.snapshot_id)

    def _kept(self) -> Mapping[str, Any]:
        keeping = self.walk.keeping
        return {} if keeping is None else keeping.contents.get(self.row.name, {})

    @property
    def _keeps(self) -> bool:
        """Whether this step makes a copy that a snapshot of the stack will own."""
        ours = self.step.kind is StepKind.SNAPSHOT and self.type.forget is not None
        return ours and self.walk.keeping is not None

    def _name_hint(self) -> str:
        """The name it was made with, also when its stack or itself is called otherwise now."""
        known = self.row.data.get(NAMED)
        if isinstance(known, str):
            return known
        limit = self.type.schema.name_limit
        return name_hint(self.walk.stack.name, self.row.name, self.row.token, limit)

    def told(self, text: str) -> str:
        """What may be said of the step where others read it: without the secrets it works with.

        A cloud quotes what it refuses, and so does a schema.
        """
        return mask_of(self.secrets()).text(text)

    def secrets(self) -> list[str]:
        """Those that can be in the resource's values: its own, and of what it refers to."""
        walk, definition = self.walk, self.definition()
        needed = self.row.requires if definition is None else definition.references
        rows = [walk.lookup.rows[name] for name in needed if name in walk.lookup.rows]
        facts = walk.machine.registry.facts
        texts = list(walk.loaded.graph.secret_values) if walk.loaded is not None else []
        texts += secrets_in(
            [*rows, self.row, structs.replace(self.row, properties=self.after)], facts
        )
        for row in rows:
            kind = type_of(walk.machine.registry, row.resolved_type)
            if kind.schema.secret_reference:
                texts.append(kind.reference(ref_of(row, walk.stack)))
        return texts

    # --- the two ways ------------------------------------------------------------------------

    async def instantly(self) -> Ended:
        """No cloud: one write holds intent and end."""
        failure = self.prepare()
        if failure is None and (stray := self._stray() or self._unfit()) is not None:
            return Ended(self.told(stray))
        if failure is None and self._surprise():
            return Ended(surprise=True)
        self.row = begun = self.begun()
        begin_event = self.walk.machine.resource_event(begun)
        outcome: Outcome = Failed(reason=failure) if failure else Done()
        attributes: Mapping[str, Any] | None = None
        if failure is None and self.step.kind is not StepKind.FORGET:
            outcome, attributes = await self.call()
        if isinstance(outcome, Wait | Delegate | Replace):
            message = f"{self.row.resolved_type} waits although it says it needs no cloud"
            raise TypeError(message)
        if self.step.kind is StepKind.FORGET:
            outcome = Done(note="left in place, as its deletion policy says")
        self.row = self.ended(outcome, attributes)
        self.walk.record(self, [begin_event, self.walk.machine.resource_event(self.row)])
        return Ended(self.row.reason if isinstance(outcome, Failed) else None)

    async def run(self) -> Ended:
        """What there is to do, between the hooks that hold it before and after."""
        row, kind = self.row, self.step.kind.value
        with tracing.span("step", resource=row.name, type=row.resolved_type, kind=kind):
            return await self._run()

    async def _run(self) -> Ended:
        if self._done_before():
            return await self._after(Ended())
        before = hook_of(self.walk, self.step, "pre")
        if before is not None and not self._begun_before():
            shown = self.walk.rows[self.step.replaces] if self.step.replaces else self.row
            if not await hold(self.walk, self.step, before, shown):
                return Ended(interrupted=True)
        if self.step.kind is StepKind.KEEP:
            return Ended()
        return await self._after(await self._deed())

    def _done_before(self) -> bool:
        """Whether the deed was done already, by an engine that ended before the hook behind it."""
        if self.walk.passed(self.step):
            return True
        row = self.row
        there = row.plan_id == self.walk.plan.id and row.action is ACTIONS.get(self.step.kind)
        return there and row.status is Status.COMPLETE

    def _begun_before(self) -> bool:
        """Whether the deed was begun, which it never is before the hook is cleared."""
        row = self.row
        ours = row.plan_id == self.walk.plan.id and row.action is ACTIONS.get(self.step.kind)
        return ours and row.status is Status.IN_PROGRESS

    async def _after(self, ended: Ended) -> Ended:
        """The hook behind the deed holds what depends on it; a cancel takes it as cleared."""
        behind = hook_of(self.walk, self.step, "post")
        if behind is not None and ended == Ended():
            await hold(self.walk, self.step, behind, self.row)
        return ended

    async def _deed(self) -> Ended:
        """With a cloud: intent, calls, end."""
        failure = self.prepare()
        if failure is None and (stray := self._stray() or self._unfit()) is not None:
            return Ended(self.told(stray))
        if failure is None and self._surprise():
            return Ended(surprise=True)
        self.row = self.begun()
        if failure is not None:
            return await self.end(Failed(reason=failure), None)
        if self._keeps and self.walk.keeping is not None:
            self.also = intended(self.walk.keeping, self.row, self.walk.stack)
        await self.walk.record(self, [self.walk.machine.resource_event(self.row)])
        try:
            outcome, attributes = await Waiting(self).until_it_is_made()
        except Interrupted:
            return await self._given_up()
        except NeedsAnother as found:
            return await self._left_for_another(str(found))
        return await self.end(outcome, attributes)

    async def _given_up(self) -> Ended:
        """As in Heat the resource has failed: nobody knows how far it is, or will come.

        Its row is left IN_PROGRESS only by who can write nothing any more.
        """
        if self.walk.broken is None:
            await self.break_off()
            action, why = ACTIONS[self.step.kind], self.walk.why_given_up
            was = self.row.reason
            waited = f" It was: {was}" if was not in {"", "state changed"} else ""
            await self.end(Failed(reason=f"{action} aborted ({why}).{waited}"), None)
        return Ended(interrupted=True)

    async def _left_for_another(self, why: str) -> Ended:
        """As it was before the update, with a note for the next plan, which replaces it."""
        data = {key: value for key, value in self.row.data.items() if key != "before"}
        self.row = structs.replace(
            self.row,
            status=Status.COMPLETE,
            reason=f"needs a new one: {why}",
            properties=self._last_good(),
            data={**data, RENEW: {"after": dict(self.after), "reason": why}},
            updated_at=self.walk.now(),
        )
        await self.walk.record(self, [self.walk.machine.resource_event(self.row)])
        if self.walk.plan.binds:
            part_of = self.walk.plan.part_of
            return Ended(f"stopped, as plan {part_of} does not say so: it needs a new one: {why}")
        return Ended(surprise=True)

    async def break_off(self) -> None:
        """Have the type take back what it waited for, where it has a way to say so."""
        if self.type.break_off is not None:
            await self.type.break_off(self.context())

    async def end(self, outcome: Done | Failed, attributes: Mapping[str, Any] | None) -> Ended:
        """Write the end; durable when this returns."""
        self.row = self.ended(outcome, attributes)
        kept = outcome.kept if isinstance(outcome, Done) else None
        if self._keeps and self.walk.keeping is not None and kept is not None:
            self.also = ended(self.walk.keeping, self.row, kept)
        await self.walk.record(self, [self.walk.machine.resource_event(self.row)])
        self._measure(outcome)
        return Ended(self.row.reason if isinstance(outcome, Failed) else None)

    def _measure(self, outcome: Done | Failed) -> None:
        if isinstance(outcome, Failed):
            # Why is in the event: what a cloud says may hold what a user wrote.
            row = self.row
            log.warning(
                "a step failed",
                resource=row.name,
                type=row.resolved_type,
                step=self.step.key,
                physical_id=row.physical_id,
            )
            tracing.note(outcome="failed")
        # A template that stands for a type has a name that a user gave.
        known = self.row.resolved_type in self.walk.machine.registry.types
        STEP_SECONDS.labels(
            self.row.resolved_type if known else "template",
            self.walk.stack.cloud,
            self.step.kind.value,
            "failed" if isinstance(outcome, Failed) else "done",
        ).observe(max(0.0, self.walk.now() - (self.row.started_at or self.walk.now())))

    async def call(self) -> tuple[Outcome, Mapping[str, Any] | None]:
        """One call of the phase and, when it is done, of the attributes."""
        signals = await self._signals()
        family = None
        if self._container:
            if self.step.kind not in FORWARD:
                return Delegate(template={}), None
            delegates = self.walk.machine.delegates
            family = await delegates.family(delegates.child_id(self.row))
        if not self.type.needs_no_cloud or self._account:
            await self._proved()
        if self._account:
            await self._with_account()
        context = self.context(signals, family)
        self._calls += 1
        outcome = await self._phase()(context)
        if not isinstance(outcome, Done):
            return outcome, None
        if self._account and self.step.kind is StepKind.DELETE:
            await self.walk.machine.accounts.withdraw(self.walk.stack, self.row)
        if self.type.attributes is None or self.step.kind in {StepKind.DELETE, StepKind.FORGET}:
            return outcome, None
        if again_of(self.row).clearing:
            return outcome, None
        data = self.noted(outcome.data)
        physical_id = outcome.physical_id or self.row.physical_id
        known = structs.replace(context.ref, physical_id=physical_id, data=data)
        context = structs.replace(context, ref=known, seen=outcome.seen)
        return outcome, await self.type.attributes(context)

    async def _with_account(self) -> None:
        """Before a phase that hands the account out. Found again by its name when it was made."""
        accounts, kind = self.walk.machine.accounts, self.step.kind
        if kind in FORWARD:
            wanted = structs.replace(self.row, properties=self.after)
            account = await accounts.ensure(self.walk.stack, wanted)
            self.row = structs.replace(self.row, data=with_account(self.row, account))
        elif kind in {StepKind.SUSPEND, StepKind.RESUME} and DEPLOYMENT not in self.row.data:
            await accounts.allow(self.row, enabled=kind is StepKind.RESUME)

    async def _proved(self) -> None:
        """Go on only when the operation is surely this engine's (see `membership`)."""
        walk, membership = self.walk, self.walk.machine.membership
        while not (membership.sure(walk.now()) and walk.proved == membership.lapses):
            if walk.interrupted:
                raise Interrupted
            if membership.sure(walk.now()):
                await walk.write(entry_of(walk))
            else:
                # The heart beats on its own as soon as the database answers.
                await walk.rest(membership.lease_seconds / 10)

    def _phase(self) -> Phase:
        definition = self.definition()
        if again_of(self.row).clearing:
            return self.type.delete
        if self.step.kind is StepKind.CREATE and definition is not None and definition.external_id:
            # Adopting is looking: the object must be there and well.
            return self.type.check
        if self.step.kind is StepKind.ADOPT and self._container:
            return self.type.create
        return PHASES[self.step.kind](self.type)

    @property
    def _container(self) -> bool:
        inside = self.type.facts.contains_resources or self.row.resolved_type.endswith(
            (".yaml", ".yml", ".template")
        )
        return inside and not self.type.elsewhere(self.after)

    async def _signals(self) -> tuple[Any, ...]:
        if self.type.hears_itself:
            since = self.row.started_at or 0.0
            heard = await self.walk.machine.database.read(
                event_rows.signals_of, self.row.id, self.walk.stack.project_id
            )
            return tuple(signal for signal in heard if signal.at >= since)
        if self.type.signals_from is None:
            return ()
        source = self.type.signals_from(self.after)
        if source is None:
            return ()
        return tuple(
            await self.walk.machine.database.read(
                event_rows.signals_of, source, self.walk.stack.project_id
            )
        )
