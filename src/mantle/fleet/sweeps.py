"""Sweeps as people ask for them: plan, apply, stop, look, follow."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from mantle.access.caller import Caller
from mantle.clouds.ports import CloudError, Denied
from mantle.engine.dispatch import QUEUE
from mantle.engine.machine import Machine
from mantle.fleet.inventory import find_servers, told
from mantle.fleet.planning import targets_of
from mantle.model.errors import Conflict, LimitExceeded, MantleError, NotFound
from mantle.model.ids import ProjectId
from mantle.model.sweeps import Seen, Selector, Sweep, SweepStatus, SweepVerb, Target
from mantle.store import leases
from mantle.store import sweeps as sweep_rows
from mantle.store.database import Connection

SWEEP = "sweep"
"""With a sweep's id: what is nudged when something of it changed."""

PARALLEL = 20
MOST_PARALLEL = 200
SHARE_ALLOWED = 0.1
"""Of the servers may fail, unless the request says otherwise; one at least."""
LISTED = 200
LOOK_SECONDS = 1.0
"""What another process wrote is seen after so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepWish:
    """What a sweep is asked to do, to which servers, within which bounds."""

    verb: SweepVerb
    selector: Selector
    flavor: str = ""
    host: str = ""
    parallel: int = PARALLEL
    at_most: int | None = None
    """More servers than this are refused; None is no bound."""
    failures_allowed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepView:
    """A sweep with its servers, or with those of them that changed."""

    sweep: Sweep
    targets: Sequence[Target] = field(default=())


async def plan_sweep(machine: Machine, caller: Caller, wish: SweepWish) -> SweepView:
    """Find the servers and store the plan. Nothing is done until it is applied."""
    _check(wish)
    found = await find_servers(machine, caller.project_id, wish.selector, caller.user_id)
    for name, error in found.unseen.items():
        # A cloud that the project may not use has none of its servers.
        if not isinstance(error, Denied):
            raise told(
                type(error)(
                    f"The servers on cloud {name!r} are not known: {error.message}",
                    remedy="Try again, or name the clouds that are meant.",
                )
            )
    if not found.servers:
        raise NotFound(
            "No server of this project fits.", remedy="See `mantle server list` for what there is."
        )
    if wish.at_most is not None and len(found.servers) > wish.at_most:
        raise LimitExceeded(
            f"{len(found.servers)} servers fit, and at most {wish.at_most} may.",
            remedy="Select fewer, or allow more.",
        )
    targets = targets_of(found.servers, await _wanted(machine, caller, wish, found.servers))
    now = machine.clock.now()
    allowed = wish.failures_allowed
    sweep = Sweep(
        id=machine.new_id(),
        project_id=caller.project_id,
        verb=wish.verb,
        selector=wish.selector,
        flavor=wish.flavor,
        host=wish.host,
        parallel=wish.parallel,
        failures_allowed=max(1, int(len(targets) * SHARE_ALLOWED)) if allowed is None else allowed,
        total=len(targets),
        user_id=caller.user_id,
        user_name=caller.user_name,
        created_at=now,
        expires_at=now + machine.settings.plan_lifetime_seconds,
    )
    await machine.database.write(sweep_rows.add, sweep, targets)
    return SweepView(sweep=sweep, targets=targets)


def _check(wish: SweepWish) -> None:
    if wish.selector.is_empty:
        raise MantleError(
            "No servers are selected: an empty selector never means all.",
            remedy="Give names, tags, metadata, a host, a status, a stack, a cloud or a region; "
            "'*' as a name is every server.",
        )
    if not 1 <= wish.parallel <= MOST_PARALLEL:
        raise MantleError(f"Between 1 and {MOST_PARALLEL} servers can be worked on side by side.")
    if (wish.failures_allowed or 0) < 0 or (wish.at_most is not None and wish.at_most < 1):
        raise MantleError("Bounds are not negative, and at least one server has to be allowed.")
    if (wish.verb is SweepVerb.RESIZE) is not bool(wish.flavor):
        raise MantleError("A resize, and nothing else, needs a flavor.")
    moves = wish.verb in {SweepVerb.MIGRATE, SweepVerb.LIVE_MIGRATE}
    if wish.host and not moves:
        raise MantleError(f"{wish.verb} goes to no host.", remedy="Leave the host out.")


async def _wanted(
    machine: Machine, caller: Caller, wish: SweepWish, servers: Sequence[Seen]
) -> Mapping[str, tuple[str, ...]]:
    """By cloud: the names of the flavor there, or the host."""
    clouds = sorted({server.cloud for server in servers})
    if wish.verb is not SweepVerb.RESIZE:
        return dict.fromkeys(clouds, (wish.host,)) if wish.host else {}
    wanted = {}
    for name in clouds:
        try:
            flavors = await machine.view(name, caller.project_id, caller.user_id).flavors()
        except CloudError as error:
            raise told(error) from error
        fits = [each for each in flavors if wish.flavor in {each.id, each.name}]
        if not fits:
            known = ", ".join(sorted(each.name for each in flavors)[:20])
            raise MantleError(
                f"The cloud {name!r} has no flavor {wish.flavor!r}.", remedy=f"There are: {known}."
            )
        wanted[name] = (fits[0].name, fits[0].id)
    return wanted


async def apply_sweep(machine: Machine, caller: Caller, sweep_id: str) -> Sweep:
    """Have a planned sweep carried out; asked for twice, it is carried out once."""
    sweep = await find_sweep(machine, caller.project_id, sweep_id)
    if sweep.status in {SweepStatus.QUEUED, SweepStatus.RUNNING}:
        return sweep
    if sweep.status is not SweepStatus.PLANNED:
        raise Conflict(
            f"The sweep is {sweep.status} already.",
            remedy="Plan another.",
            fault="PlanNotApplicable",
        )
    if sweep.expires_at <= machine.clock.now():
        raise Conflict(
            "The sweep was planned too long ago.", remedy="Plan it again.", fault="PlanExpired"
        )
    standing = await machine.database.write(sweep_rows.queue, sweep.id)
    if standing is not None:
        other, name = standing
        raise Conflict(
            f"Sweep {other} is not done with server {name!r} yet.",
            remedy="Wait for its end, or cancel it.",
            fault="Conflict",
        )
    machine.nudges.nudge(QUEUE)
    await machine.database.write_fenced(leases.call)
    return await find_sweep(machine, caller.project_id, sweep_id)


async def cancel_sweep(machine: Machine, project_id: ProjectId, sweep_id: str) -> Sweep:
    """Begin no further server; those under way come to their end."""
    sweep = await find_sweep(machine, project_id, sweep_id)
    if not sweep.status.ended:
        await machine.database.write(sweep_rows.ask_to_stop, sweep.id, machine.clock.now())
        machine.nudges.nudge((SWEEP, sweep.id))
    return await find_sweep(machine, project_id, sweep_id)


async def find_sweep(machine: Machine, project_id: ProjectId, sweep_id: str) -> Sweep:
    """One of the project's; `NotFound` for a foreign one as well."""
    sweep = await machine.database.read(sweep_rows.get, project_id, sweep_id)
    if sweep is None:
        raise NotFound(f"There is no sweep {sweep_id[:64]!r}.")
    return sweep


async def show_sweep(machine: Machine, project_id: ProjectId, sweep_id: str) -> SweepView:
    """With all its servers."""

    def read(connection: Connection) -> SweepView | None:
        sweep = sweep_rows.get(connection, project_id, sweep_id)
        if sweep is None:
            return None
        return SweepView(sweep=sweep, targets=sweep_rows.targets(connection, sweep.id))

    view = await machine.database.read(read)
    if view is None:
        raise NotFound(f"There is no sweep {sweep_id[:64]!r}.")
    return view


async def list_sweeps(machine: Machine, project_id: ProjectId) -> Sequence[Sweep]:
    """The newest first."""
    return await machine.database.read(sweep_rows.of_project, project_id, LISTED)


async def follow_sweep(
    machine: Machine, project_id: ProjectId, sweep_id: str, after: int
) -> AsyncIterator[SweepView]:
    """What changed behind the cursor, again and again, until the sweep has ended."""

    def read(connection: Connection) -> SweepView | None:
        sweep = sweep_rows.get(connection, project_id, sweep_id)
        if sweep is None:
            return None
        return SweepView(sweep=sweep, targets=sweep_rows.targets(connection, sweep.id, after))

    while True:
        ticket = machine.nudges.ticket((SWEEP, sweep_id))
        view = await machine.database.read(read)
        if view is None:
            return
        after = max([after, *(target.changed for target in view.targets)])
        yield view
        if view.sweep.status.ended:
            return
        await machine.nudges.sleep(ticket, LOOK_SECONDS)
