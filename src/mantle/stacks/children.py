"""Child stacks: how a resource that is a stack of its own is carried out.

Implements `engine.delegates.Delegates`. A child's id is derived from its row's token, its
operation's from the parent's plan and step, so that every call can be repeated after a crash.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mantle.engine.delegates import Errand
from mantle.engine.drifting import rows_to_correct
from mantle.engine.keeping import keeping_of
from mantle.engine.machine import Handover, Machine
from mantle.engine.operation import load, make_plan, new_rows, ref_of
from mantle.engine.regions import cloud_of_region, regions
from mantle.lib import tracing
from mantle.model.errors import LimitExceeded, MantleError
from mantle.model.graph import TemplateSource
from mantle.model.ids import OperationId, PlanId, StackId, StepKey
from mantle.model.interventions import Intervention, Verb
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.sinks import sinks_of
from mantle.model.status import Action, Cancel, OperationStatus, Status
from mantle.plan.adoption import ADOPTS, adopted_rows
from mantle.plan.confidential import holds_secrets
from mantle.plan.render import plan_json
from mantle.resources.kit import Family
from mantle.stacks.handing import NAMESPACE, handed_over, latest_handed_over
from mantle.stacks.limits import limit_of
from mantle.stacks.resume import revive_if_ended
from mantle.stacks.unmoved import anew, refuse_moved
from mantle.store import events as event_rows
from mantle.store import interventions as intervention_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import sinks as sink_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.store.journal import Fenced
from mantle.template.loaded import Loaded


class Children:
    """The delegates of the stacks domain."""

    def __init__(self) -> None:
        self._machine: Machine | None = None

    def join(self, machine: Machine) -> None:
        """Given once by the wiring, as machine and delegates need each other."""
        self._machine = machine

    @property
    def machine(self) -> Machine:
        """The engine's parts."""
        assert self._machine is not None, "wiring joins them"
        return self._machine

    def child_id(self, row: ResourceRecord) -> StackId:
        """Derived from the row's token: the same before and after a crash."""
        return StackId(str(uuid.uuid5(NAMESPACE, row.token)))

    async def begin(self, errand: Errand) -> OperationId | None:
        """Start the child's operation, or find it started."""
        machine = self.machine
        operation_id = handed_over(
            errand.operation.id, errand.step.key, errand.row.plan_id, errand.round
        )
        if await machine.database.read(operation_rows.get, operation_id) is not None:
            return operation_id
        return await anew(lambda: self._begun(errand, operation_id))

    async def _begun(self, errand: Errand, operation_id: OperationId) -> OperationId | None:
        machine = self.machine
        child = await machine.database.read(stack_rows.get, self.child_id(errand.row))
        gone = child is None or child.deleted_at is not None
        if gone and errand.delegate is None:
            return None
        if errand.delegate is None:
            assert child is not None
            await self._act(errand, child, operation_id)
        else:
            await self._build(errand, child, operation_id)
        return operation_id

    async def retry(self, parent: OperationId, step: StepKey, plan_id: PlanId) -> None:
        """Have the child's operation go on, if it ended badly; one under way goes on anyway."""
        machine = self.machine
        child = await machine.database.read(latest_handed_over, parent, step, plan_id)
        revived = await machine.database.write(revive_if_ended, machine, child)
        for operation_id, epoch in revived:
            await machine.start(operation_id, epoch)

    async def stop(self, parent: OperationId, step: StepKey, plan_id: PlanId, why: str) -> None:
        """Cancel the child's operation with its steps under way; repeating it changes nothing."""
        machine = self.machine
        child = await machine.database.read(latest_handed_over, parent, step, plan_id)
        if await machine.database.write(stop_inner, machine, child, why):
            machine.nudges.nudge(("cancel", child))

    async def family(self, child_id: StackId) -> Family | None:
        """The child's members in the order they were made, and its outputs."""
        machine = self.machine
        child = await machine.database.read(stack_rows.get, child_id)
        if child is None or child.deleted_at is not None:
            return None
        rows = await machine.database.read(resource_rows.of_stack, child_id)
        there = [row for row in rows if row.replaced_by is None and row.state != "DELETE_COMPLETE"]
        return Family(
            refs={
                row.name: machine.registry.get(row.resolved_type).reference(ref_of(row, child))
                for row in there
            },
            attributes={row.name: row.attributes for row in there},
            outputs=child.outputs,
            output_errors=child.output_errors,
            definitions=await self._definitions(child, there),
            unwell=frozenset(row.name for row in there if row.status is Status.FAILED),
        )

    async def _definitions(
        self, child: StackRecord, rows: Sequence[ResourceRecord]
    ) -> dict[str, Any]:
        """What each member was last brought to.

        After an operation that failed that is the template before it, but for the members that
        the operation did bring to its own.
        """
        read = self.machine.database.read
        now = _members(await read(stack_rows.find_source, child.source_id))
        before = child.previous_source_id
        if child.status is not Status.FAILED or before is None:
            return {row.name: now[row.name] for row in rows if row.name in now}
        earlier = _members(await read(stack_rows.find_source, before))
        last = max((row.updated_at or row.created_at, row.operation_id) for row in rows)[1]
        found: dict[str, Any] = {}
        for row in rows:
            brought = row.operation_id == last and row.status is Status.COMPLETE
            source = now if brought or row.name not in earlier else earlier
            if row.name in source:
                found[row.name] = source[row.name]
        return found

    # --- starting ----------------------------------------------------------------------------

    async def _act(self, errand: Errand, child: StackRecord, operation_id: OperationId) -> None:
        """Delete, check, suspend, resume, keep or fill the child as it is."""
        operation = _operation(errand, child, operation_id, self.machine.clock.now())
        loaded, restores = None, frozenset[str]()
        if errand.action is Action.RESTORE:
            source = await self.machine.database.read(stack_rows.load_source, child.source_id)
            loaded = await load(self.machine, child, source)
        live = await self.machine.database.read(operation_rows.live_of_stack, child.id)
        rows = [] if live else await self.machine.database.read(resource_rows.of_stack, child.id)
        keeping = await keeping_of(self.machine, operation, child)
        if keeping is not None and errand.action is Action.RESTORE:
            restores = keeping.restores(rows, operation_id)
        plan = (
            None
            if live
            else await make_plan(
                self.machine,
                child,
                errand.action,
                loaded,
                rows,
                asker=errand.operation.requester,
                restores=restores,
            )
        )
        acting = replace(
            child,
            action=errand.action,
            status=Status.IN_PROGRESS,
            reason=f"Stack {errand.action} started",
        )
        await self._accept(
            errand, acting, operation, loaded, None if plan is None else (plan, rows)
        )

    def _child_record(self, errand: Errand, now: float) -> StackRecord:
        """A new child, on the cloud that its errand names."""
        wanted = errand.delegate.cloud if errand.delegate is not None else ""
        cloud = cloud_of_region(self.machine.clouds, errand.parent.cloud, wanted)
        if cloud is None:
            raise MantleError(
                f"There is no cloud or region {wanted!r}, or there are several.",
                remedy=f"Known here: {', '.join(regions(self.machine.clouds))}.",
            )
        return _child_record(errand, self.child_id(errand.row), now, cloud)

    async def _build(
        self, errand: Errand, child: StackRecord | None, operation_id: OperationId
    ) -> None:
        """Create the child, or bring it to a new definition."""
        machine = self.machine
        now = machine.clock.now()
        source = self._source(errand)
        fresh = child is None or child.deleted_at is not None
        action = Action.CREATE if fresh else Action.UPDATE
        record = self._child_record(errand, now) if fresh else child
        assert record is not None
        if record.depth > machine.settings.bounds.nesting:
            raise MantleError(
                f"Nested stacks are {record.depth} deep; "
                f"{machine.settings.bounds.nesting} are allowed.",
                remedy="Flatten the templates, or look for one that includes itself.",
            )
        loaded = await load(machine, record, source)
        live = [] if fresh else await machine.database.read(operation_rows.live_of_stack, record.id)
        rows = [] if fresh else await machine.database.read(resource_rows.of_stack, record.id)
        adopted: list[ResourceRecord] = []
        if errand.action is Action.ADOPT and fresh:
            action = Action.ADOPT
            note = errand.row.data.get(ADOPTS) or {}
            adopted = rows = adopted_rows(
                record.id, loaded, note.get("resources") or {}, new_id=machine.new_id, now=now
            )
        seen = await rows_to_correct(machine, record.id, rows, errand.corrects)
        plan = (
            None
            if live
            else await make_plan(
                machine, record, action, loaded, seen, asker=errand.operation.requester
            )
        )
        record = replace(
            record,
            action=action,
            status=Status.IN_PROGRESS,
            reason=f"Stack {action} started",
            description=loaded.graph.description,
            updated_at=None if fresh else now,
            confidential=holds_secrets(loaded, machine.settings.secret_parameters),
        )
        operation = _operation(errand, record, operation_id, now, action)
        await self._accept(
            errand,
            record,
            operation,
            loaded,
            None if plan is None else (plan, rows),
            source=source,
            fresh=fresh,
            adopted=adopted,
        )

    def _check_tree(self, connection: Connection, child: StackRecord, count: int) -> None:
        """Refuse a child that makes the tree too large, counted as Heat does: every stack's rows.

        In the transaction that adds its rows, so that brothers begun together count each other.
        """
        others = resource_rows.count_of_tree(connection, child.root_id, child.id)
        settings, name = self.machine.settings, "resources_per_stack"
        limit = limit_of(connection, settings, child.project_id, name)
        if 0 <= limit < others + count:
            raise LimitExceeded(
                f"Maximum resources per stack exceeded: {others} are in the tree of stacks, this "
                f"one adds {count}; {limit} are allowed.",
                remedy="Make groups smaller, or ask whoever runs Mantle to raise the limit.",
            )

    def _source(self, errand: Errand) -> TemplateSource:
        delegate, definition, loaded = errand.delegate, errand.definition, errand.loaded
        assert delegate is not None
        assert definition is not None
        assert loaded is not None
        environment = loaded.child_environment(definition)
        if definition.is_template:
            source = loaded.child_source(definition, dict(delegate.parameters), errand.row.metadata)
        else:
            source = TemplateSource(
                template=delegate.template,
                files={**loaded.source.files, **delegate.files},
                parameters=dict(delegate.parameters),
                template_name=f"{definition.name} ({definition.type})",
            )
        # Stored whole, so that the child can be loaded again without its parent.
        data = environment.as_data()
        data["parameters"] = dict(source.parameters)
        return replace(
            source,
            environment=data,
            environment_files=(),
            parameters={},
            secrets=tuple(sorted(set(errand.secrets))),
        )

    async def _accept(
        self,
        errand: Errand,
        child: StackRecord,
        operation: OperationRecord,
        loaded: Loaded | None,
        planned: tuple[Any, list[ResourceRecord]] | None,
        *,
        source: TemplateSource | None = None,
        fresh: bool = False,
        adopted: Sequence[ResourceRecord] = (),
    ) -> None:
        machine = self.machine
        made: list[ResourceRecord] = []
        document: dict[str, Any] | None = None
        if planned is not None:
            plan, rows = planned
            if errand.part_of is not None or errand.corrects is not None:
                plan = replace(plan, part_of=errand.part_of, corrects=errand.corrects)
                planned = (plan, rows)
            made = new_rows(plan, loaded, rows, operation.id, operation.created_at)
            operation = replace(operation, plan_id=plan.id, steps_total=len(plan.steps))
            document = plan_json(plan)
        overtakes = Cancel.INTERRUPT if errand.action is Action.DELETE else Cancel.SUPERSEDE

        def store(connection: Connection) -> None:
            holder = operation_rows.get(connection, errand.operation.id)
            if holder is None or holder.epoch != errand.operation.epoch:
                # Whoever took the parent's operation over begins this one, if it is still wanted.
                raise Fenced
            stack = child
            if loaded is not None:
                self._check_tree(connection, stack, len(loaded.graph.resources))
            if source is not None:
                stack = replace(
                    stack, source_id=stack_rows.add_source(connection, source, stack.created_at)
                )
            if planned is not None and not fresh:
                before = stack_rows.get(connection, stack.id) or stack
                refuse_moved(connection, before, before, planned[1])
            for other in operation_rows.live_of_stack(connection, stack.id):
                operation_rows.ask_to_cancel(connection, other.id, overtakes)
            (stack_rows.add if fresh else stack_rows.save)(connection, stack)
            operation_rows.add(connection, operation)
            if planned is not None and document is not None:
                operation_rows.add_plan(
                    connection,
                    plan_id=planned[0].id,
                    stack_id=stack.id,
                    project_id=stack.project_id,
                    document=document,
                    created_at=planned[0].made_at,
                    expires_at=planned[0].expires_at,
                    source_id=stack.source_id,
                )
            resource_rows.add(connection, [*adopted, *made])
            if loaded is not None:
                sinks = sinks_of(loaded.environment.event_sinks)
                sink_rows.follow(connection, stack, sinks, machine.new_id)
            started = machine.stack_event(
                stack, operation, stack.action, stack.status, stack.reason
            )
            event_rows.add(connection, [started])

        await machine.database.write(store)
        if planned is not None:
            machine.hand_over(
                operation.id,
                Handover(loaded=loaded, plan=planned[0], rows=(*planned[1], *made)),
            )
        machine.nudges.nudge(child.id)
        await machine.start(operation.id, operation.epoch)


def stop_inner(
    connection: Connection, machine: Machine, operation_id: OperationId, why: str
) -> bool:
    """Ask a child's operation to end now; false when it has ended or never began."""
    operation = operation_rows.get(connection, operation_id)
    if operation is None or operation.status.ended or operation.cancel is Cancel.INTERRUPT:
        return False
    operation_rows.ask_to_cancel(connection, operation_id, Cancel.INTERRUPT)
    intervention_rows.add(
        connection,
        Intervention(
            id=machine.new_id(),
            operation_id=operation_id,
            stack_id=operation.stack_id,
            project_id=operation.project_id,
            verb=Verb.CANCEL,
            why=f"the step it is done for: {why}",
            user_name="mantle",
            asked_at=machine.clock.now(),
            before=operation.status,
            now=True,
        ),
    )
    return True


def _members(source: TemplateSource | None) -> Mapping[str, Any]:
    if source is None or isinstance(source.template, str):
        return {}
    resources = source.template.get("resources")
    return resources if isinstance(resources, Mapping) else {}


def _child_record(errand: Errand, child_id: StackId, now: float, cloud: str) -> StackRecord:
    parent = errand.parent
    return StackRecord(
        id=child_id,
        name=f"{parent.name}-{errand.row.name}-{errand.row.token.replace('-', '')[-12:]}",
        project_id=parent.project_id,
        owner_id=parent.owner_id,
        owner_name=parent.owner_name,
        action=Action.CREATE,
        status=Status.IN_PROGRESS,
        reason="Stack CREATE started",
        cloud=cloud,
        source_id="",
        disable_rollback=True,
        timeout_minutes=parent.timeout_minutes,
        parent_id=parent.id,
        parent_resource=errand.row.name,
        root_id=parent.root_id,
        depth=parent.depth + 1,
        created_at=now,
    )


def _operation(
    errand: Errand,
    child: StackRecord,
    operation_id: OperationId,
    now: float,
    action: Action | None = None,
) -> OperationRecord:
    delegate = errand.delegate
    action = errand.action if action is None else action
    keeps = action in {Action.SNAPSHOT, Action.RESTORE}
    deadlines = [errand.operation.deadline_at]
    if delegate is not None and delegate.timeout_minutes is not None:
        deadlines.append(now + 60.0 * delegate.timeout_minutes)
    return OperationRecord(
        id=operation_id,
        stack_id=child.id,
        project_id=child.project_id,
        action=action,
        status=OperationStatus.QUEUED,
        parent_id=errand.operation.id,
        request_id=errand.operation.request_id,
        trace=tracing.carried(),
        requester=errand.operation.requester,
        created_at=now,
        deadline_at=min((at for at in deadlines if at is not None), default=None),
        batch_size=delegate.batch_size if delegate else 0,
        pause_seconds=delegate.pause_seconds if delegate else 0.0,
        snapshot_id=errand.operation.snapshot_id if keeps else None,
    )
