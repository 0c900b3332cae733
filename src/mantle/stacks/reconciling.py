"""After a restore: what the world did since the backup, told, decided by a person, and done.

Looking is the drift observer's look at every place, the operations that were under way, and what is
on the clouds and in no stack. Doing begins with the end of the hold, in the transaction that also
notes which operations are to stop; from then on everything goes on as ever. The rest is ordinary:
corrections and adoptions are operations with plans of their own. What was chosen is a row, written
in that same transaction (`store/agenda.py`): whoever is killed while they are begun leaves the rest
there, and the next `reconcile` goes on with it. One that was begun just before is refused then, as
its stack has an operation under way, or its object a stack: nothing is done twice.
"""

from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mantle.access.caller import Caller
from mantle.clouds.ports import GIVEN
from mantle.engine.recovery import HELD
from mantle.model.drift import GONE, DriftPolicy, Finding
from mantle.model.errors import Conflict, MantleError
from mantle.model.ids import OperationId, ProjectId, StackId
from mantle.model.records import OperationRecord, StackRecord
from mantle.model.status import Cancel
from mantle.model.sweeps import Sweep
from mantle.plan.drift import is_settled
from mantle.plan.reconciling import Deed, Item, Lost, Reconciliation, What, drift_item
from mantle.stacks.accepting import accept_drift
from mantle.stacks.control import Control
from mantle.stacks.correcting import correct_drift
from mantle.stacks.drift_policies import read_policies
from mantle.stacks.generate import GenerateRequest, adopt_objects
from mantle.stacks.observing import observe, unwanted_below
from mantle.stacks.unmanaged import unmanaged_objects
from mantle.store import agenda as agenda_rows
from mantle.store import drift as drift_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store import sweeps as sweep_rows
from mantle.store.agenda import Agenda, Entry
from mantle.store.database import Connection
from mantle.store.held import Hold, held, release
from mantle.store.identity import list_projects

Place = tuple[ProjectId, str]
"""A project and a cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a person wants otherwise than by itself: ids of items."""

    digest: str = ""
    """Refuse when something else is there by now than what was shown with it."""
    correct: frozenset[str] = frozenset()
    cancel: frozenset[str] = frozenset()
    adopt: frozenset[str] = frozenset()
    resume: frozenset[str] = frozenset()
    everything: frozenset[Deed] = frozenset()
    """These deeds wherever they can be chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one item."""

    item: Item
    deed: Deed
    operation_id: str = ""
    stack_name: str = ""
    """Of a stack that took something over."""
    refused: str = ""


@dataclass(slots=True)
class _World:
    """What was seen, place by place."""

    found: list[Item] = field(default_factory=list)
    unseen: list[Item] = field(default_factory=list)
    unmarked: int = 0


async def reconciliation(control: Control) -> Reconciliation:
    """Look everywhere; stores what differs as drift, and does nothing about it.

    When somebody has chosen already, what is left of that.

    Raises `Conflict` when the database is not held.
    """
    found, left = await control.database.read(lambda each: (held(each), agenda_rows.agenda(each)))
    if found is None and left is not None:
        return Reconciliation(
            taken_at=left.taken_at,
            backup=left.backup,
            items=tuple(replace(each.item, deeds=(each.deed,)) for each in left.left),
            unmarked=0,
            begun=True,
        )
    hold = _hold(found)
    world = _World()
    for place in await control.database.read(_places, control):
        await _look(control, place, world)
    types = control.registry.types.items()
    listed = frozenset(name for name, kind in types if kind.live is not None)
    items = await control.database.read(_items, listed)
    return Reconciliation(
        taken_at=hold.taken_at,
        backup=hold.backup,
        items=(*items, *world.found, *world.unseen),
        unmarked=world.unmarked,
    )


def _hold(found: Hold | None) -> Hold:
    if found is None:
        raise Conflict(
            "There is nothing to reconcile: this Mantle was not restored from a backup, or that "
            "is settled already.",
            remedy="mantle drift list shows what differs now.",
        )
    return found


def _places(connection: Connection, control: Control) -> list[Place]:
    """Wherever there are stacks, and wherever there may have been since."""
    known = {(project.id, control.default_cloud) for project in list_projects(connection)}
    known |= set(drift_rows.places(connection))
    return sorted(known)


async def _look(control: Control, place: Place, world: _World) -> None:
    project_id, cloud = place

    def blind(name: str, why: str) -> Item:
        return Item(
            id=f"unseen:{project_id}:{cloud}:{name}",
            what=What.UNSEEN,
            project_id=project_id,
            cloud=cloud,
            name=name,
            said=why,
        )

    if cloud not in control.clouds:
        world.unseen.append(blind("everything", "the cloud is not configured here"))
        return
    try:
        await observe(control, project_id, cloud)
        inventory = await unmanaged_objects(control, project_id, cloud)
    except MantleError as error:
        world.unseen.append(blind("everything", str(error)))
        return
    world.unseen += [blind(name, why) for name, why in inventory.unseen]
    for kind, each in inventory.objects:
        if not each.token or each.token.startswith(GIVEN):
            world.unmarked += 1
            continue
        adoptable = kind in control.registry.types and control.registry.types[kind].inverse
        world.found.append(
            Item(
                id=f"found:{kind}:{each.id}",
                what=What.FOUND,
                project_id=project_id,
                cloud=cloud,
                name=each.name or each.id,
                said=f"{kind} {each.id}, {each.status}",
                deeds=(Deed.LEAVE, Deed.ADOPT) if adoptable else (Deed.LEAVE,),
                subject=(kind, each.id),
            )
        )


def _items(connection: Connection, listed: Collection[str]) -> list[Item]:
    """Operations under way, and stacks that differ; by name. `listed`: the types looked at."""
    operations = [
        _operation_item(stack, each)
        for each in operation_rows.live(connection)
        if each.parent_id is None
        and (stack := stack_rows.get(connection, each.stack_id)) is not None
    ]
    roots: dict[StackId, StackRecord] = {}
    for project_id, cloud in drift_rows.places(connection):
        for stack_id in drift_rows.live_stacks(connection, project_id, cloud):
            stack = stack_rows.get(connection, stack_id)
            root = stack and stack_rows.get(connection, stack.root_id)
            if root is not None and root.deleted_at is None:
                roots[root.id] = root
    drifting = [
        found
        for root in sorted(roots.values(), key=lambda each: (each.project_id, each.name))
        if (found := _drift_item(connection, root, listed)) is not None
    ]
    sweeps = [_sweep_item(each) for each in sweep_rows.under_way(connection)]
    return [*operations, *sweeps, *drifting]


def _sweep_item(sweep: Sweep) -> Item:
    return Item(
        id=f"sweep:{sweep.id}",
        what=What.SWEEP,
        project_id=sweep.project_id,
        cloud="its clouds",
        name=f"{sweep.verb} of {sweep.total} servers",
        said=f"{sweep.done + sweep.failed + sweep.skipped} of them were done; what was done since "
        "would be done again",
        deeds=(Deed.CANCEL, Deed.RESUME),
        subject=(sweep.id,),
    )


def _operation_item(stack: StackRecord, operation: OperationRecord) -> Item:
    steps = f"{operation.steps_done} of {operation.steps_total} steps done"
    return Item(
        id=f"operation:{operation.id}",
        what=What.OPERATION,
        project_id=stack.project_id,
        cloud=stack.cloud,
        name=stack.name,
        said=f"{operation.action} was under way, {steps if operation.plan_id else 'not planned'}",
        deeds=(Deed.RESUME, Deed.CANCEL),
        subject=(operation.id,),
    )


def _drift_item(connection: Connection, root: StackRecord, listed: Collection[str]) -> Item | None:
    findings = unwanted_below(connection, root)
    if not findings:
        return None
    tree = {each.id: each for each in stack_rows.below(connection, root)}
    policies = read_policies(connection, sorted(tree))
    by_resource: dict[tuple[str, str], list[Finding]] = {}
    for each in findings:
        where = each.difference
        by_resource.setdefault((where.stack_id, where.resource), []).append(each)
    lost = []
    for (stack_id, resource), found in sorted(by_resource.items()):
        inner = tree.get(StackId(stack_id))
        prefix = "" if inner is None or inner.id == root.id else f"{inner.name}/"
        paths = sorted({each.difference.path for each in found})
        lost.append(
            Lost(
                resource=f"{prefix}{resource}",
                resource_type=found[0].difference.resource_type,
                paths=tuple(paths),
                gone=GONE in paths,
                policy=policies.of(StackId(stack_id), resource),
            )
        )
    rows = resource_rows.of_stacks(connection, sorted(tree))
    seen = sum(1 for row in rows if is_settled(row) and row.resolved_type in listed)
    return drift_item(root.id, root.project_id, root.cloud, root.name, lost, seen)


# --- doing -----------------------------------------------------------------------------------


async def reconcile(
    control: Control, caller: Caller, choices: Choices
) -> tuple[Reconciliation, list[Outcome]]:
    """End the hold and do what was chosen. What cannot be done is told, and holds up nothing else.

    When the hold was ended by somebody who was killed then, go on with what is left of theirs.

    Raises `Conflict` when the world is no longer as it was shown, when a choice is none, or when
    somebody else has ended the hold.
    """
    found = await reconciliation(control)
    if choices.digest and choices.digest != found.digest:
        raise Conflict(
            "Something has changed since the plan was shown; nothing was touched.",
            remedy="Look again: mantle reconcile plan.",
            fault="PlanStale",
        )
    if found.begun:
        left = await control.database.read(agenda_rows.agenda)
        return found, [] if left is None else await _worked_off(control, caller, left)
    deeds = _chosen(found.items, choices)
    stopped = [item for item in found.items if deeds[item.id] is Deed.CANCEL]
    now = control.clock.now()
    wanted = Agenda(
        backup=found.backup,
        taken_at=found.taken_at,
        adopting=f"found-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}",
        left=tuple(
            Entry(item=item, deed=deeds[item.id])
            for item in found.items
            if item.what in {What.DRIFT, What.FOUND} and deeds[item.id] is not Deed.LEAVE
        ),
    )
    await control.database.write(_release, stopped, wanted, now)
    control.machine.nudges.nudge(HELD)
    outcomes = [
        Outcome(item=item, deed=deeds[item.id], operation_id=item.subject[0])
        for item in found.items
        if item.what in {What.OPERATION, What.SWEEP}
    ]
    outcomes += await _worked_off(control, caller, wanted)
    outcomes += [
        Outcome(item=item, deed=Deed.LEAVE)
        for item in found.items
        if item.what in {What.DRIFT, What.FOUND} and deeds[item.id] is Deed.LEAVE
    ]
    place = {item.id: number for number, item in enumerate(found.items)}
    return found, sorted(outcomes, key=lambda each: place[each.item.id])


async def _worked_off(control: Control, caller: Caller, left: Agenda) -> list[Outcome]:
    """Begin what is on the agenda; each item is struck out when its operation is accepted."""
    outcomes = []
    for each in left.left:
        if each.item.what is not What.DRIFT:
            continue
        work = _drift(control, caller, each.item, each.deed)
        outcomes.append(await _told(each.item, each.deed, work))
        await control.database.write(agenda_rows.strike, {each.item.id})
    return outcomes + await _adopted(control, caller, left)


def _chosen(items: Sequence[Item], choices: Choices) -> dict[str, Deed]:
    """Item to deed; raises `Conflict` for what cannot be chosen."""
    by_id = {item.id: item for item in items}
    deeds = {item.id: item.deeds[0] for item in items}
    wanted = (
        (Deed.CORRECT, choices.correct),
        (Deed.CANCEL, choices.cancel),
        (Deed.ADOPT, choices.adopt),
        (Deed.RESUME, choices.resume),
    )
    for deed in choices.everything:
        deeds |= {item.id: deed for item in items if deed in item.deeds}
    for deed, ids in wanted:
        for item_id in ids:
            if item_id not in by_id or deed not in by_id[item_id].deeds:
                raise Conflict(
                    f"{item_id[:200]!r} is nothing that can be {deed.value}ed.",
                    remedy="mantle reconcile plan lists what there is, with what can be chosen.",
                )
            deeds[item_id] = deed
    return deeds


def _release(connection: Connection, stopped: Sequence[Item], wanted: Agenda, now: float) -> None:
    if release(connection) is None:
        raise Conflict("Somebody else has just ended the hold; nothing more was done.")
    agenda_rows.keep(connection, wanted)
    for item in stopped:
        if item.what is What.SWEEP:
            sweep_rows.ask_to_stop(connection, item.subject[0], now)
        else:
            operation_rows.ask_to_cancel(connection, OperationId(item.subject[0]), Cancel.STOP)


async def _told(item: Item, deed: Deed, work: Awaitable[str]) -> Outcome:
    try:
        return Outcome(item=item, deed=deed, operation_id=await work)
    except MantleError as error:
        return Outcome(item=item, deed=deed, refused=str(error))


async def _drift(control: Control, caller: Caller, item: Item, deed: Deed) -> str:
    """The operation that was begun, if any."""
    stack = await control.database.read(stack_rows.get, StackId(item.subject[0]))
    if stack is None:
        return ""
    asking = _within(caller, item.project_id)
    if deed is Deed.ACCEPT:
        only = {DriftPolicy.ACCEPT}
        refused = [
            each.refused
            for each in await accept_drift(control, asking, stack, only=only, again=False)
            if each.refused
        ]
        if refused:
            raise MantleError("; ".join(refused))
        return ""
    operation = await correct_drift(control, asking, stack)
    return "" if operation is None else operation.id


async def _adopted(control: Control, caller: Caller, left: Agenda) -> list[Outcome]:
    """One stack for each place takes over what was chosen there."""
    outcomes: list[Outcome] = []
    chosen: dict[Place, list[Item]] = {}
    for each in left.left:
        if each.deed is Deed.ADOPT:
            chosen.setdefault((each.item.project_id, each.item.cloud), []).append(each.item)
    for (project_id, cloud), items in chosen.items():
        request = GenerateRequest(
            stack_name=left.adopting,
            cloud=cloud,
            objects=tuple((each.subject[0], each.subject[1]) for each in items),
        )
        try:
            stack, operation, _ = await adopt_objects(control, _within(caller, project_id), request)
        except MantleError as error:
            outcomes += [Outcome(item=e, deed=Deed.ADOPT, refused=str(error)) for e in items]
        else:
            outcomes += [
                Outcome(item=e, deed=Deed.ADOPT, operation_id=operation.id, stack_name=stack.name)
                for e in items
            ]
        await control.database.write(agenda_rows.strike, {each.id for each in items})
    return outcomes


def _within(caller: Caller, project_id: ProjectId) -> Caller:
    """The same person, acting in that project."""
    return replace(caller, project_id=project_id, project_name="")
