"""Load balancers, listeners, pools, members and health monitors.

Creating or changing any of them records it, then brings the one running program of the load
balancer to what all records say. A member that leaves is drained: it stays DELETING until it has no
request any more, and every `get` looks again.
"""

import re
import socket
import threading
from collections import defaultdict
from dataclasses import replace
from ipaddress import ip_network
from typing import TypeVar

from mantle.clouds.local.addresses import read_address
from mantle.clouds.local.collection import LocalCollection, SpecT
from mantle.clouds.local.interfaces import Ports
from mantle.clouds.local.networks import find_subnet, reachable
from mantle.clouds.local.shelf import Entry, Shelf
from mantle.clouds.local.state import BalancingNotes, Project, State
from mantle.clouds.local.wish import (
    HTTP,
    Program,
    balancer_of_pool,
    members_of,
    read_wish,
)
from mantle.clouds.ports import (
    Clash,
    CloudObject,
    FixedIp,
    HealthMonitor,
    HealthMonitorSpec,
    Listener,
    ListenerSpec,
    LoadBalancer,
    LoadBalancerSpec,
    Member,
    MemberSpec,
    ObjectStatus,
    Pool,
    PoolSpec,
    PortSpec,
    Refused,
)
from mantle.model.ids import Token

ObjectT = TypeVar("ObjectT", bound=CloudObject)
Noted = Entry[ObjectT, BalancingNotes]
DEVICE_OWNER = "Octavia"
ALGORITHMS = ("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT")
MONITORS = ("HTTP", "TCP")
DRAIN_LIMIT_SECONDS = 30.0
"""A leaving member's connections are cut after this: one held open must not delay it for ever."""
WORD = re.compile(r"[A-Za-z0-9_.-]+\Z")
URL_PATH = re.compile(r"/[A-Za-z0-9_.~!$&*+,;=:@%/?-]*\Z")
CODES = re.compile(r"\d{3}(-\d{3})?(\s*,\s*\d{3})*\Z")

# One lock per load balancer: its program is reconfigured by one thread at a time.
_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


class Balanced(LocalCollection[SpecT, ObjectT, BalancingNotes]):
    """What the five have in common: they end in the configuration of one program."""

    def __init__(
        self,
        state: State,
        project: Project,
        shelf: Shelf[ObjectT, BalancingNotes],
        program: Program,
    ) -> None:
        super().__init__(state, project, shelf)
        self._program = program

    def _balancer_of(self, entry: Noted[ObjectT]) -> str:
        raise NotImplementedError

    def create_now(self, spec: SpecT, token: Token) -> ObjectT:
        """What the program refuses is not kept: it would stand in the way of everything later."""
        known = self._shelf.find(token) is not None
        try:
            return super().create_now(spec, token)
        except Refused:
            entry = None if known else self._shelf.find(token)
            if entry is not None:
                self._shelf.drop(entry.object.id)
            raise

    def _settle(self, object_id: str) -> None:
        entry = self._shelf.get(object_id)
        if entry is not None:
            self._apply(self._balancer_of(entry))

    def _apply(self, balancer_id: str) -> None:
        apply(self._state, self._project, self._program, balancer_id)

    def delete_now(self, object_id: str) -> None:
        """Let it go, then tell the program: outside the lock, because that takes a while."""
        with self._state.lock:
            entry = self.entry(object_id)
            balancer_id = self._balancer_of(entry)
            self._check_unused(entry)
            self._let_go(entry)
        self._apply(balancer_id)

    def _leaving(self) -> BalancingNotes:
        return BalancingNotes(leaving_since=self._state.settings.clock.now())

    def _protocol(self, protocol: str) -> None:
        offered = ("HTTP",) if self._program.name == "Caddy" else ("HTTP", "HTTPS", "TCP")
        if protocol not in offered:
            raise Refused(
                f"The local cloud's load balancer ({self._program.name}) does not offer "
                f"{protocol!r}.",
                remedy="Use one of: " + ", ".join(offered) + ".",
            )


def apply(state: State, project: Project, program: Program, balancer_id: str) -> None:
    """Bring the running program to what is recorded. Safe to repeat, after any interruption."""
    with _locks[balancer_id]:
        with state.lock:
            wish = read_wish(project, balancer_id)
            leaving = {
                entry.object.id: entry.notes.leaving_since
                for backend in wish.backends
                for entry in members_of(project, backend.id)
                if entry.notes.leaving_since is not None
            }
            now = state.settings.clock.now()
            overdue = {key for key, since in leaving.items() if now - since > DRAIN_LIMIT_SECONDS}
        sight = program.apply(replace(wish, overdue=frozenset(overdue)))
        for member_id in leaving.keys() - sight.draining:
            project.members.drop(member_id)


class LoadBalancers(Balanced[LoadBalancerSpec, LoadBalancer]):
    """Load balancers: an address, and a program once something listens on it."""

    kind = "load balancer"

    def _balancer_of(self, entry: Noted[LoadBalancer]) -> str:
        return entry.object.id

    def _make(self, spec: LoadBalancerSpec, token: Token) -> Noted[LoadBalancer]:
        subnet = find_subnet(self._project, spec.vip_subnet_id).object
        object_id, now = self._new()
        port = self._ports().make_owned(
            PortSpec(
                name=f"octavia-lb-{object_id}",
                network_id=subnet.spec.network_id,
                fixed_ips=(FixedIp(subnet_id=subnet.id, ip_address=spec.vip_address),),
                device_id=object_id,
                device_owner=DEVICE_OWNER,
            ),
            Token(f"{token}/vip"),
        )
        # A create cut short before the load balancer was recorded left the port; take it over.
        self._ports().bind(port.id, object_id, DEVICE_OWNER)
        balancer = LoadBalancer(
            id=object_id,
            name=spec.name,
            token=token,
            created_at=now,
            spec=replace(spec, vip_subnet_id=subnet.id),
            vip_address=port.fixed_ips[0].ip_address or "",
            vip_port_id=port.id,
        )
        return Entry(balancer, BalancingNotes())

    def _ports(self) -> Ports:
        return Ports(self._state, self._project, self._project.ports)

    def _change(self, entry: Noted[LoadBalancer], spec: LoadBalancerSpec) -> Noted[LoadBalancer]:
        subnet_id = find_subnet(self._project, spec.vip_subnet_id).object.id
        same_address = spec.vip_address is None or (
            reachable(self._project, spec.vip_address) == entry.object.vip_address
        )
        if subnet_id != entry.object.spec.vip_subnet_id or not same_address:
            raise Refused("A load balancer's address cannot change in place.")
        spec = replace(spec, vip_subnet_id=subnet_id)
        return replace(entry, object=replace(entry.object, name=spec.name, spec=spec))

    def _check_unused(self, entry: Noted[LoadBalancer]) -> None:
        for listener in self._project.listeners:
            if listener.object.spec.load_balancer_id == entry.object.id:
                raise Clash(f"Load balancer {entry.object.name!r} has listeners.")
        for pool in self._project.pools:
            if balancer_of_pool(self._project, pool.object) == entry.object.id:
                raise Clash(f"Load balancer {entry.object.name!r} has pools.")

    def delete_now(self, object_id: str) -> None:
        """Mark it, end its program, forget it: in this order, so that none outlives its record."""
        with self._state.lock:
            entry = self.entry(object_id)
            self._check_unused(entry)
            self._keep(entry, self._leaving())
        self.finish_delete(object_id)

    def finish_delete(self, object_id: str) -> None:
        """The rest of a delete, also of one cut short."""
        with _locks[object_id]:
            self._program.end(read_wish(self._project, object_id))
            with self._state.lock:
                entry = self._shelf.get(object_id)
                if entry is not None:
                    self._ports().release(entry.object.vip_port_id)
                    self._shelf.drop(object_id)
        self._state.forward()

    def recover(self) -> None:
        """After a restart of the control plane: finish deletes, bring programs up to date."""
        for entry in self._shelf:
            if entry.notes.leaving_since is not None:
                self.finish_delete(entry.object.id)
            else:
                self._apply(entry.object.id)
        for port in self._project.ports:
            owned = port.notes.owned and port.object.device_owner == DEVICE_OWNER
            if owned and self._shelf.get(port.object.device_id) is None:
                self._ports().release(port.object.id)

    def _view(self, entry: Noted[LoadBalancer]) -> LoadBalancer:
        if entry.notes.leaving_since is not None:
            return replace(entry.object, status=ObjectStatus.DELETING)
        return entry.object


class Listeners(Balanced[ListenerSpec, Listener]):
    """Listeners."""

    kind = "listener"

    def _balancer_of(self, entry: Noted[Listener]) -> str:
        return entry.object.spec.load_balancer_id

    def _make(self, spec: ListenerSpec, token: Token) -> Noted[Listener]:
        balancer = self._project.load_balancers.get(spec.load_balancer_id)
        if balancer is None or balancer.notes.leaving_since is not None:
            raise Refused(f"There is no load balancer {spec.load_balancer_id!r} in this project.")
        self._check(spec)
        for other in self._project.listeners:
            same = other.object.spec.load_balancer_id == spec.load_balancer_id
            if same and other.object.spec.protocol_port == spec.protocol_port:
                raise Clash(
                    f"Load balancer {balancer.object.name!r} listens on port "
                    f"{spec.protocol_port} already."
                )
        check_bindable(balancer.object.vip_address, spec.protocol_port)
        object_id, now = self._new()
        return Entry(
            Listener(id=object_id, name=spec.name, token=token, created_at=now, spec=spec),
            BalancingNotes(),
        )

    def _check(self, spec: ListenerSpec) -> None:
        self._protocol(spec.protocol)
        for cidr in spec.allowed_cidrs:
            try:
                ip_network(cidr, strict=False)
            except ValueError as problem:
                raise Refused(f"{cidr!r} is not a network.") from problem
        if spec.default_pool_id and self._project.pools.get(spec.default_pool_id) is None:
            raise Refused(f"There is no pool {spec.default_pool_id!r} in this project.")

    def _change(self, entry: Noted[Listener], spec: ListenerSpec) -> Noted[Listener]:
        for name in ("load_balancer_id", "protocol", "protocol_port"):
            if getattr(entry.object.spec, name) != getattr(spec, name):
                raise Refused(f"A listener's {name} cannot change in place.")
        self._check(spec)
        return replace(entry, object=replace(entry.object, name=spec.name, spec=spec))


def check_bindable(address: str, port: int) -> None:
    """Whether this process, and so the load balancer, may listen there."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except PermissionError as problem:
            raise Refused(
                f"Listening on port {port} needs rights this user does not have.",
                remedy="Use a port from 1024 on.",
            ) from problem
        except OverflowError as problem:
            raise Refused(f"There is no port {port}.") from problem
        except OSError as problem:
            raise Clash(
                f"Something on this machine listens on {address}:{port} already.",
                remedy="Use another port, or end that program; one on 0.0.0.0 takes every address.",
            ) from problem


class Pools(Balanced[PoolSpec, Pool]):
    """Pools; deleting one deletes its members and its monitor."""

    kind = "pool"

    def _balancer_of(self, entry: Noted[Pool]) -> str:
        return balancer_of_pool(self._project, entry.object)

    def _make(self, spec: PoolSpec, token: Token) -> Noted[Pool]:
        self._check(spec)
        listener = self._project.listeners.get(spec.listener_id or "")
        if spec.listener_id is not None and listener is None:
            raise Refused(f"There is no listener {spec.listener_id!r} in this project.")
        balancer_id = (
            listener.object.spec.load_balancer_id if listener else spec.load_balancer_id or ""
        )
        if self._project.load_balancers.get(balancer_id) is None:
            raise Refused("A pool needs a listener or a load balancer of this project.")
        if listener is not None and (
            listener.object.spec.default_pool_id
            or any(one.object.spec.listener_id == spec.listener_id for one in self._shelf)
        ):
            raise Clash(f"Listener {listener.object.name!r} has a pool already.")
        object_id, now = self._new()
        pool = Pool(
            id=object_id,
            name=spec.name,
            token=token,
            created_at=now,
            spec=spec,
            load_balancer_id=balancer_id,
        )
        return Entry(pool, BalancingNotes())

    def _check(self, spec: PoolSpec) -> None:
        self._protocol(spec.protocol)
        if spec.algorithm not in ALGORITHMS:
            raise Refused(
                f"There is no algorithm {spec.algorithm!r}.",
                remedy="Use one of: " + ", ".join(ALGORITHMS) + ".",
            )
        wanted = spec.session_persistence or {}
        name = wanted.get("cookie_name") or ""
        if name and not WORD.match(name):
            raise Refused(f"{name!r} is not the name of a cookie.")
        if wanted.get("type") == "APP_COOKIE" and not name:
            raise Refused("Session persistence by APP_COOKIE needs a cookie_name.")
        if "COOKIE" in (wanted.get("type") or "") and spec.protocol not in HTTP:
            raise Refused("Session persistence by cookie needs the protocol HTTP.")

    def _change(self, entry: Noted[Pool], spec: PoolSpec) -> Noted[Pool]:
        for name in ("protocol", "listener_id", "load_balancer_id"):
            if getattr(entry.object.spec, name) != getattr(spec, name):
                raise Refused(f"A pool's {name} cannot change in place.")
        self._check(spec)
        return replace(entry, object=replace(entry.object, name=spec.name, spec=spec))

    def _view(self, entry: Noted[Pool]) -> Pool:
        pool = entry.object
        listeners = [
            one.object.id
            for one in self._project.listeners
            if pool.id == one.object.spec.default_pool_id or one.object.id == pool.spec.listener_id
        ]
        monitor = next(
            (
                one.object.id
                for one in self._project.health_monitors
                if one.object.spec.pool_id == pool.id
            ),
            "",
        )
        return replace(
            pool,
            listener_ids=tuple(listeners),
            member_ids=tuple(one.object.id for one in members_of(self._project, pool.id)),
            health_monitor_id=monitor,
        )

    def _let_go(self, entry: Noted[Pool]) -> None:
        for member in members_of(self._project, entry.object.id):
            self._project.members.drop(member.object.id)
        for monitor in self._project.health_monitors:
            if monitor.object.spec.pool_id == entry.object.id:
                self._project.health_monitors.drop(monitor.object.id)
        self._shelf.drop(entry.object.id)


class Members(Balanced[MemberSpec, Member]):
    """Members; a leaving one is drained first."""

    kind = "member"

    def _balancer_of(self, entry: Noted[Member]) -> str:
        pool = self._project.pools.get(entry.object.spec.pool_id)
        return balancer_of_pool(self._project, pool.object) if pool else ""

    def _make(self, spec: MemberSpec, token: Token) -> Noted[Member]:
        self._check(spec)
        for other in members_of(self._project, spec.pool_id):
            same = other.object.spec.address == spec.address and other.notes.leaving_since is None
            if same and other.object.spec.protocol_port == spec.protocol_port:
                raise Clash(f"The pool has the member {spec.address}:{spec.protocol_port} already.")
        object_id, now = self._new()
        member = Member(
            id=object_id,
            name=f"{spec.address}:{spec.protocol_port}",
            token=token,
            created_at=now,
            spec=spec,
        )
        return Entry(member, BalancingNotes())

    def _check(self, spec: MemberSpec) -> None:
        if self._project.pools.get(spec.pool_id) is None:
            raise Refused(f"There is no pool {spec.pool_id!r} in this project.")
        read_address(spec.address)
        if spec.monitor_address is not None:
            read_address(spec.monitor_address)
        if not 0 <= spec.weight <= 256:
            raise Refused(f"A member's weight lies between 0 and 256, not {spec.weight}.")
        for port in (spec.protocol_port, spec.monitor_port):
            if port is not None and not 0 < port < 65536:
                raise Refused(f"There is no port {port}.")

    def _change(self, entry: Noted[Member], spec: MemberSpec) -> Noted[Member]:
        fixed = ("pool_id", "address", "protocol_port", "monitor_address", "monitor_port")
        for name in fixed:
            if getattr(entry.object.spec, name) != getattr(spec, name):
                raise Refused(f"A member's {name} cannot change in place.")
        self._check(spec)
        return replace(entry, object=replace(entry.object, spec=spec))

    def get_now(self, object_id: str) -> Member:
        """As it is now; one that leaves is looked at again."""
        entry = self.entry(object_id)
        if entry.notes.leaving_since is not None:
            self._settle(object_id)
            entry = self.entry(object_id)
        return self._view(entry)

    def _view(self, entry: Noted[Member]) -> Member:
        if entry.notes.leaving_since is not None:
            return replace(entry.object, status=ObjectStatus.DELETING)
        pool_id = entry.object.spec.pool_id
        watched = any(one.object.spec.pool_id == pool_id for one in self._project.health_monitors)
        if not watched:
            return entry.object
        sight = self._program.look(read_wish(self._project, self._balancer_of(entry)))
        return replace(entry.object, online=(sight.online or {}).get(entry.object.id))

    def _let_go(self, entry: Noted[Member]) -> None:
        self._keep(entry, self._leaving())


class HealthMonitors(Balanced[HealthMonitorSpec, HealthMonitor]):
    """Health monitors, one to a pool."""

    kind = "health monitor"

    def _balancer_of(self, entry: Noted[HealthMonitor]) -> str:
        pool = self._project.pools.get(entry.object.spec.pool_id)
        return balancer_of_pool(self._project, pool.object) if pool else ""

    def _make(self, spec: HealthMonitorSpec, token: Token) -> Noted[HealthMonitor]:
        self._check(spec)
        if any(one.object.spec.pool_id == spec.pool_id for one in self._shelf):
            raise Clash(f"Pool {spec.pool_id} has a health monitor already.")
        object_id, now = self._new()
        monitor = HealthMonitor(
            id=object_id, name=object_id, token=token, created_at=now, spec=spec
        )
        return Entry(monitor, BalancingNotes())

    def _check(self, spec: HealthMonitorSpec) -> None:
        if self._project.pools.get(spec.pool_id) is None:
            raise Refused(f"There is no pool {spec.pool_id!r} in this project.")
        if spec.type not in MONITORS or (spec.type == "TCP" and self._program.name == "Caddy"):
            raise Refused(
                f"The local cloud has no health monitor of type {spec.type!r}.",
                remedy="Use one of: " + ", ".join(MONITORS) + ".",
            )
        if min(spec.delay_seconds, spec.timeout_seconds, spec.max_retries) < 1:
            raise Refused("A health monitor's delay, timeout and max_retries are at least 1.")
        if not URL_PATH.match(spec.url_path):
            raise Refused(f"{spec.url_path!r} is not the path of a URL.")
        if not WORD.match(spec.http_method):
            raise Refused(f"{spec.http_method!r} is not an HTTP method.")
        if not CODES.match(spec.expected_codes.strip()):
            raise Refused(
                f"{spec.expected_codes!r} are not HTTP codes.",
                remedy="Write 200, 200,202 or 200-204.",
            )

    def _change(self, entry: Noted[HealthMonitor], spec: HealthMonitorSpec) -> Noted[HealthMonitor]:
        for name in ("pool_id", "type"):
            if getattr(entry.object.spec, name) != getattr(spec, name):
                raise Refused(f"A health monitor's {name} cannot change in place.")
        self._check(spec)
        return replace(entry, object=replace(entry.object, spec=spec))
