"""What must hold, read from the rows and from the world, without asking the control plane."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from mantle.clouds.ports import ObjectStatus
from mantle.model.ids import ProjectId
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action, OperationStatus, Status
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.tables.snapshots import snapshot_contents
from mantle.store.tables.stacks import operations
from simulation.plant import Plant
from simulation.shapes import Expected, shape_of

PROJECT = ProjectId("p1")

CLOUDY = ("OS::Nova", "OS::Neutron", "OS::Cinder")
"""How the types begin whose resources are objects of the cloud."""

_LIVE = "SELECT id, action, status FROM operations WHERE status IN ('queued', 'running') LIMIT 1"

_LIVE_OF = """
SELECT o.id, o.action, o.status FROM operations o JOIN stacks s ON s.id = o.stack_id
WHERE o.status IN ('queued', 'running') AND s.root_id =
  (SELECT id FROM stacks WHERE name = ? AND parent_id IS NULL AND deleted_at IS NULL)
LIMIT 1
"""

WHOLE = {Action.CREATE, Action.UPDATE, Action.ROLLBACK, Action.RESTORE}
"""After these, when they ended well, all that the template in force declares is there. (A check
looks at what is there, as Heat's does, and says nothing of what was never begun.)"""


class Judge:
    """Of one run."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant

    def _connect(self) -> Connection:
        return self.plant.database.engine.connect()

    # --- while it goes on --------------------------------------------------------------------

    def busy(self, stack: str | None = None) -> tuple[str, str, str] | None:
        """The first operation that has not ended, of this stack and those inside, or of all.

        Its id, action and status. Asked very often, and so of the driver itself.
        """
        with self._connect() as connection:
            raw: Any = connection.connection.driver_connection
            if stack is None:
                return raw.execute(_LIVE).fetchone()  # type: ignore[no-any-return]
            return raw.execute(_LIVE_OF, (stack,)).fetchone()  # type: ignore[no-any-return]

    def find(self, stack: str) -> StackRecord | None:
        """Live, of this name."""
        with self._connect() as connection:
            return stack_rows.live_by_name(connection, PROJECT, stack)

    def look(self, name: str) -> None:
        """At a stack at rest: declared state reached or failure named; nothing lost or doubled."""
        with self._connect() as connection:
            stack = stack_rows.live_by_name(connection, PROJECT, name)
            rows = [] if stack is None else self._rows(connection, stack)
            source = None if stack is None else stack_rows.find_source(connection, stack.source_id)
            copies = set(connection.scalars(select(snapshot_contents.c.token)))
        everything = self._there(name)
        self._orphans(name, {row.token for row in rows} | copies, everything)
        there = [each for each in everything if each[4] not in copies]
        if stack is None:
            return
        self._lost(name, rows)
        if stack.status is Status.IN_PROGRESS:
            self.plant.wrong(f"{name} is {stack.state} and nobody works on it")
        if stack.status is Status.FAILED and not stack.reason:
            self.plant.wrong(f"{name} is {stack.state} and does not say why")
        if stack.status is Status.COMPLETE and stack.action in WHOLE:
            assert source is not None
            whole = source.template if isinstance(source.template, str) else ""
            declared = shape_of(whole).expected()
            if stack.action is Action.ROLLBACK and stack.updated_at is None:
                declared = frozenset()
            if stack.action is Action.ROLLBACK and not rows:
                declared = frozenset()
            self._compare(f"{name} is {stack.state}", declared, there)

    def _rows(self, connection: Connection, stack: StackRecord) -> list[ResourceRecord]:
        rows = resource_rows.of_stack(connection, stack.id)
        for child in stack_rows.below(connection, stack):
            rows += resource_rows.of_stack(connection, child.id)
        return rows

    def _there(self, name: str) -> list[tuple[str, str, str, str, str]]:
        """(collection, name, facts, id, token) of everything with the stack's mark."""
        world, found = self.plant.world, []
        for project, kind in list(world.things):
            for object_id, thing in world.shelf(project, kind).items():
                item = thing.object
                if thing.gone_at is not None or not item.name.startswith(f"{name}."):
                    continue
                found.append((kind, item.name, _facts(kind, item), object_id, item.token))
        return sorted(found)

    def _orphans(self, name: str, known: Collection[str], there: Sequence[tuple[str, ...]]) -> None:
        for kind, called, _, _, token in there:
            if token not in known:
                self.plant.wrong(f"{name}: {kind} {called} is in no row")
        doubled = Counter((kind, token) for kind, _, _, _, token in there)
        for (kind, token), count in sorted(doubled.items()):
            if count > 1:
                self.plant.wrong(f"{name}: {count} {kind} of one token {token}")

    def _lost(self, name: str, rows: Iterable[ResourceRecord]) -> None:
        ids = {identity for _, identity, _ in self.plant.world.listing()}
        for row in rows:
            there = row.status is Status.COMPLETE and row.action is not Action.DELETE
            begun = row.action is not Action.INIT
            cloudy = row.resolved_type.startswith(CLOUDY)
            if there and begun and cloudy and row.physical_id not in ids:
                self.plant.wrong(f"{name}: {row.name} is {row.state}, and its object is gone")

    def _compare(
        self, what: str, declared: Expected, there: Sequence[tuple[str, str, str, str, str]]
    ) -> None:
        seen = Counter((kind, called, facts) for kind, called, facts, _, _ in there)
        wanted = Counter(declared)
        for each in sorted((wanted - seen).elements()):
            self.plant.wrong(f"{what}, but there is no {' '.join(each)}")
        for each in sorted((seen - wanted).elements()):
            self.plant.wrong(f"{what}, but there is a {' '.join(each)}")

    # --- at the end --------------------------------------------------------------------------

    def finish(self, accepted: dict[str, str]) -> None:
        """After everything was deleted and all is quiet."""
        with self._connect() as connection:
            self._accepted(connection, accepted)
            self._ended(connection)
        for kind, identity, token in self.plant.world.listing():
            if not token.startswith("public-"):
                self.plant.wrong(f"left behind: {kind} {identity}")
        for complaint in self.plant.loop.complaints:
            self.plant.wrong(complaint)

    def count(self) -> int:
        """Operations there were."""
        with self._connect() as connection:
            return connection.scalar(select(func.count()).select_from(operations)) or 0

    def copies(self) -> int:
        """Of snapshots, that are still to be deleted."""
        with self._connect() as connection:
            return connection.scalar(select(func.count()).select_from(snapshot_contents)) or 0

    def _accepted(self, connection: Connection, accepted: dict[str, str]) -> None:
        known = set(connection.scalars(select(operations.c.request_id)))
        for request_id, what in accepted.items():
            verb = what.partition(" ")[0]
            if verb in {
                "create",
                "update",
                "suspend",
                "resume",
                "check",
                "snapshot",
                "restore",
            } and (request_id not in known):
                self.plant.wrong(f"accepted and lost: {request_id} {what}")

    def _ended(self, connection: Connection) -> None:
        query = select(
            operations.c.id, operations.c.action, operations.c.status, operations.c.reason
        )
        for identity, action, status, reason in connection.execute(query):
            if not OperationStatus(status).ended:
                self.plant.wrong(f"operation {identity} ({action}) is {status} for ever")
            if status == OperationStatus.FAILED and not _explained(reason):
                self.plant.wrong(f"operation {identity} ({action}) failed: {reason}")


EXPLAINED = (
    "resource broken", "resources.broken", "broken:", "Test resource", "No valid host",
    "aborted (its stack is deleted)", "aborted (user triggered cancel)", "invalid for suspend", "was cancelled", "was overtaken", "stopped, as plan",
)  # fmt: skip


def _explained(reason: str) -> bool:
    """Whether an operation may fail for this: the schedule or the weather made it."""
    return any(each in reason for each in EXPLAINED)


def _facts(kind: str, item: object) -> str:
    spec = getattr(item, "spec", None)
    match kind:
        case "volumes":
            return getattr(spec, "availability_zone", None) or "nova"
        case "servers":
            return str(getattr(spec, "flavor", ""))
        case _:
            return ""


def settled(status: ObjectStatus) -> bool:
    """Whether an object is as it was asked to be."""
    return status in {ObjectStatus.ACTIVE, ObjectStatus.STOPPED}
