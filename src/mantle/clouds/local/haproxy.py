"""HAProxy as the load balancer: one master process per load balancer, outliving the control plane.

Members come and go through the runtime API; anything else is a new configuration, which the master
takes up with the listening sockets handed over. Neither loses a request. The running program says
which configuration it has (`description`), so nothing needs to be remembered about it.

A member leaves in this order: no new requests (`maint`), wait until it has none, delete it.
"""

import csv
import hashlib
import io
import math
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from mantle.clouds.local.daemon import Daemon
from mantle.clouds.local.shelf import write_whole
from mantle.clouds.local.wish import HTTP, Backend, Frontend, Sight, Target, Wish
from mantle.clouds.ports import Refused, Unavailable

CHECK = "check inter 500ms fall 2 rise 1"
"""Without a health monitor: a member that does not accept connections gets no requests."""
PASSIVE = "observe layer4 error-limit 2 on-error mark-down"
BALANCE = {
    "ROUND_ROBIN": "roundrobin",
    "LEAST_CONNECTIONS": "leastconn",
    "SOURCE_IP": "source",
    "SOURCE_IP_PORT": "source",
}
HARD_STOP_SECONDS = 30
"""How long an old worker may go on serving after a reload."""
READY_TIMEOUT_SECONDS = 10.0
UNHEARD_SECONDS = 1.0
"""After that a reload of which nothing is seen is asked for again."""
SOCKET_TIMEOUT_SECONDS = 5.0
DRAIN_SECONDS = 0.2
"""How long one call waits for members to finish their requests; the next call looks again."""
DRAIN_BEFORE_RELOAD_SECONDS = 10.0
"""A reload hides the old worker's requests from us, so leaving members are waited for longer."""
LOOK_SECONDS = 0.01


def skeleton(wish: Wish) -> str:
    """The configuration without its members: the part that only a reload can change."""
    return "".join(_render(wish, with_members=False))


def signature(wish: Wish) -> str:
    """Names the skeleton; the running program says it back."""
    return "mantle-" + hashlib.sha256(skeleton(wish).encode()).hexdigest()[:16]


def configuration(wish: Wish) -> str:
    """The whole configuration file."""
    head = (
        "global\n"
        f"  description {signature(wish)}\n"
        "  stats socket unix@admin.sock mode 600 level admin expose-fd listeners\n"
        "  noreuseport\n"
        f"  hard-stop-after {HARD_STOP_SECONDS}s\n"
        "defaults\n"
        "  timeout connect 2s\n"
        "  timeout client 60s\n"
        "  timeout server 60s\n"
        "  timeout http-keep-alive 5s\n"
        "  retries 3\n"
        "  option redispatch 1\n"
    )
    return head + "".join(_render(wish, with_members=True))


def _render(wish: Wish, *, with_members: bool) -> Iterator[str]:
    for frontend in wish.frontends:
        yield from _frontend(wish, frontend)
    for backend in wish.backends:
        yield from _backend(backend, with_members=with_members)


def _frontend(wish: Wish, frontend: Frontend) -> Iterator[str]:
    spec = frontend.spec
    http = spec.protocol in HTTP
    yield f"frontend L_{frontend.id}\n"
    yield f"  bind {wish.vip_address}:{spec.protocol_port}\n"
    yield f"  mode {'http' if http else 'tcp'}\n"
    if http:
        yield "  option forwardfor\n"
    if spec.connection_limit > 0:
        yield f"  maxconn {spec.connection_limit}\n"
    if spec.allowed_cidrs:
        yield f"  tcp-request connection reject unless {{ src {' '.join(spec.allowed_cidrs)} }}\n"
    if frontend.backend_id is not None:
        yield f"  default_backend P_{frontend.backend_id}\n"
    elif http:
        yield "  http-request return status 503\n"
    else:
        yield "  tcp-request connection reject\n"


def _backend(backend: Backend, *, with_members: bool) -> Iterator[str]:
    http = backend.spec.protocol in HTTP
    yield f"backend P_{backend.id}\n"
    yield f"  mode {'http' if http else 'tcp'}\n"
    yield f"  balance {BALANCE[backend.spec.algorithm]}\n"
    if backend.spec.algorithm.startswith("SOURCE_IP"):
        yield "  hash-type consistent\n"
    if http:
        # A pooled idle connection would keep a leaving member; a repeated POST could act twice.
        yield "  option http-server-close\n"
        yield "  http-reuse never\n"
        yield "  retry-on conn-failure empty-response\n"
        yield "  http-request disable-l7-retry unless METH_GET\n"
    yield from _persistence(backend)
    yield from _monitor(backend)
    # A member added at run time cannot have a cookie, so with cookies it takes a reload.
    cookies = (backend.spec.session_persistence or {}).get("type") == "HTTP_COOKIE"
    if with_members or cookies:
        for target in backend.targets:
            more = f" cookie {target.id}" if cookies else ""
            more += "" if target.spec.admin_state_up else " disabled"
            yield f"  server {target.id} {server_line(backend, target)}{more}\n"
    else:
        # What a member's line says besides its address can change with the monitor.
        yield f"  # {_check(backend)}\n"


def _persistence(backend: Backend) -> Iterator[str]:
    wanted = backend.spec.session_persistence or {}
    name = wanted.get("cookie_name", "")
    match wanted.get("type"):
        case "SOURCE_IP":
            yield "  stick-table type ip size 100k expire 30m\n"
            yield "  stick on src\n"
        case "HTTP_COOKIE":
            yield "  cookie SRV insert indirect nocache\n"
        case "APP_COOKIE":
            yield "  stick-table type string len 128 size 100k expire 30m\n"
            yield f"  stick store-response res.cook({name})\n"
            yield f"  stick match req.cook({name})\n"


def _monitor(backend: Backend) -> Iterator[str]:
    monitor = backend.monitor
    if monitor is None:
        return
    yield f"  timeout check {monitor.timeout_seconds}s\n"
    if monitor.type == "HTTP":
        yield "  option httpchk\n"
        yield (
            f"  http-check send meth {monitor.http_method} uri {monitor.url_path} "
            "ver HTTP/1.1 hdr Host localhost\n"
        )
        codes = monitor.expected_codes.replace(" ", "")
        yield f"  http-check expect status {codes}\n"


def _check(backend: Backend) -> str:
    monitor = backend.monitor
    if monitor is None:
        return f"{CHECK} {PASSIVE}"
    return (
        f"check inter {monitor.delay_seconds}s fall {monitor.max_retries} rise 1 "
        f"fastinter 500ms {PASSIVE}"
    )


def server_line(backend: Backend, target: Target) -> str:
    """A member as a configuration file and `add server` both write it, without its name."""
    spec = target.spec
    line = f"{target.address}:{spec.protocol_port} weight {spec.weight} {_check(backend)}"
    if spec.monitor_address:
        line += f" addr {spec.monitor_address}"
    if spec.monitor_port:
        line += f" port {spec.monitor_port}"
    return line


class HAProxy:
    """The program and its runtime API."""

    name = "HAProxy"

    def __init__(self, program: str) -> None:
        self._program = program

    def apply(self, wish: Wish) -> Sight:
        """See the module's text. A failed reload leaves the old configuration serving."""
        daemon = Daemon(wish.id, wish.folder)
        if not wish.frontends:
            daemon.end(signal.SIGTERM)
            return Sight()
        wish.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(wish.folder / "haproxy.cfg", configuration(wish).encode())
        running = self._running(wish, daemon)
        if running is None:
            self._check(wish)
            daemon.start([self._program, "-W", "-db", "-f", "haproxy.cfg"])
            self._wait_ready(wish, daemon)
        elif running != signature(wish):
            self._check(wish)
            self._remove_unwanted(wish, DRAIN_BEFORE_RELOAD_SECONDS)
            self._wait_ready(wish, daemon, reloads=True)
        return self._exchange_members(wish)

    def look(self, wish: Wish) -> Sight:
        """Who is well, from `show stat`."""
        if not wish.frontends or Daemon(wish.id, wish.folder).process() is None:
            return Sight()
        if self._described(wish) is None:
            return Sight()  # it is only just starting: nothing is known yet
        return Sight(online={row["svname"]: row["status"].startswith("UP") for row in stat(wish)})

    def end(self, wish: Wish) -> None:
        """End the master; its workers end with it."""
        Daemon(wish.id, wish.folder).end(signal.SIGTERM)
        shutil.rmtree(wish.folder, ignore_errors=True)

    def _check(self, wish: Wish) -> None:
        command = [self._program, "-c", "-f", "haproxy.cfg"]
        done = subprocess.run(  # noqa: S603 - a program found on PATH, with our own file
            command, cwd=wish.folder, capture_output=True, text=True, timeout=20, check=False
        )
        if done.returncode:
            raise Refused(f"HAProxy does not accept the configuration: {done.stderr.strip()}")

    def _running(self, wish: Wish, daemon: Daemon) -> str | None:
        """The signature of the configuration that runs; None when nothing does.

        A program that is only just starting (whoever started it may have been killed meanwhile) has
        no socket yet, and would end on a signal: it is waited for, and ended if it never answers.
        """
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while daemon.process() is not None:
            signature_now = self._described(wish)
            if signature_now is not None:
                return signature_now
            if time.monotonic() > deadline:
                daemon.end(signal.SIGTERM)
            time.sleep(LOOK_SECONDS)
        return None

    def _described(self, wish: Wish) -> str | None:
        """What it says of itself; None while its socket is not there or does not answer."""
        try:
            said = ask(wish, "show info")
        except OSError:
            return None
        for line in said.splitlines():
            if line.startswith("description:"):
                return line.partition(":")[2].strip()
        return None

    def _wait_ready(self, wish: Wish, daemon: Daemon, *, reloads: bool = False) -> None:
        """Until it runs this configuration; one that `reloads` is told to, again when unheard.

        A master that has just started executes itself once more, and forgets a signal that came in
        that moment.
        """
        began, told = time.monotonic(), -math.inf
        while self._described(wish) != signature(wish):
            now = time.monotonic()
            if now > began + READY_TIMEOUT_SECONDS or daemon.process() is None:
                raise Unavailable(f"HAProxy did not take up its configuration: {daemon.log()}")
            if reloads and now > told + UNHEARD_SECONDS:
                daemon.signal(signal.SIGUSR2)
                told = now
            time.sleep(LOOK_SECONDS)

    def _exchange_members(self, wish: Wish) -> Sight:
        rows = {(row["pxname"], row["svname"]): row for row in stat(wish)}
        wanted = {
            (f"P_{backend.id}", target.id): (backend, target)
            for backend in wish.backends
            for target in backend.targets
        }
        for (pool, name), (backend, target) in wanted.items():
            if (pool, name) not in rows:
                self._add(wish, pool, backend, target)
            else:
                self._adjust(wish, rows[pool, name], target)
        return Sight(draining=self._remove_unwanted(wish, DRAIN_SECONDS))

    def _remove_unwanted(self, wish: Wish, patience_seconds: float) -> frozenset[str]:
        """No new requests for members that leave; answers those that still have some."""
        wanted = {target.id for backend in wish.backends for target in backend.targets}
        leaving = {
            row["svname"]: f"{row['pxname']}/{row['svname']}"
            for row in stat(wish)
            if row["svname"] not in wanted
        }
        for place in leaving.values():
            ask(wish, f"set server {place} state maint")
        for name in leaving.keys() & wish.overdue:
            ask(wish, f"shutdown sessions server {leaving[name]}")
        deadline = time.monotonic() + patience_seconds
        while leaving:
            busy = {row["svname"] for row in stat(wish) if row["scur"] != "0"}
            for name in leaving.keys() - busy:
                if "deleted" in ask(wish, f"del server {leaving[name]}"):
                    del leaving[name]
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK_SECONDS)
        return frozenset(leaving)

    def _add(self, wish: Wish, pool: str, backend: Backend, target: Target) -> None:
        place = f"{pool}/{target.id}"
        said = ask(wish, f"add server {place} {server_line(backend, target)}")
        if "New server registered" not in said:
            raise Unavailable(f"HAProxy did not add the member {target.id}: {said.strip()}")
        # Checks before traffic: a member counts from its first good check on.
        ask(wish, f"enable health {place}")
        if target.spec.admin_state_up:
            ask(wish, f"enable server {place}")

    def _adjust(self, wish: Wish, row: dict[str, str], target: Target) -> None:
        place = f"{row['pxname']}/{target.id}"
        if row["weight"] != str(target.spec.weight):
            ask(wish, f"set weight {place} {target.spec.weight}")
        off = row["status"].startswith("MAINT")
        if off == target.spec.admin_state_up:
            ask(wish, f"set server {place} state {'ready' if off else 'maint'}")


def stat(wish: Wish) -> list[dict[str, str]]:
    """The rows of `show stat` that are members."""
    text = ask(wish, "show stat").lstrip("# ")
    rows = csv.DictReader(io.StringIO(text))
    return [row for row in rows if row.get("type") == "2"]


def ask(wish: Wish, command: str) -> str:
    """One command over the runtime API.

    Reached through a handle on its folder, because the path of a Unix socket may have 107 bytes and
    a data folder may be longer.
    """
    folder = os.open(wish.folder, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SOCKET_TIMEOUT_SECONDS)
            connection.connect(str(Path(f"/proc/self/fd/{folder}/admin.sock")))
            connection.sendall(command.encode() + b"\n")
            answer = b""
            while data := connection.recv(65536):
                answer += data
    finally:
        os.close(folder)
    return answer.decode(errors="replace")
