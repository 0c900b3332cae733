"""Caddy as the load balancer, where HAProxy is not installed: it comes as a wheel.

The weaker one: HTTP only, and connections kept alive can be reset when members change. Every change
is a whole new configuration, given to its administration socket.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Sequence
from typing import Any

from mantle.clouds.local.daemon import Daemon
from mantle.clouds.local.wish import Backend, Frontend, Sight, Target, Wish
from mantle.clouds.ports import Refused, Unavailable

POLICY = {
    "ROUND_ROBIN": "round_robin",
    "LEAST_CONNECTIONS": "least_conn",
    "SOURCE_IP": "client_ip_hash",
    "SOURCE_IP_PORT": "client_ip_hash",
}
READY_TIMEOUT_SECONDS = 20.0
SOCKET_TIMEOUT_SECONDS = 15.0
PROBE_TIMEOUT_SECONDS = 0.5


def configuration(wish: Wish) -> dict[str, Any]:
    """The whole configuration, as Caddy's JSON."""
    backends = {backend.id: backend for backend in wish.backends}
    servers = {
        f"L_{frontend.id}": _server(wish, frontend, backends.get(frontend.backend_id or ""))
        for frontend in wish.frontends
    }
    return {
        "admin": {"listen": "unix/admin.sock|0600", "config": {"persist": False}},
        "apps": {"http": {"servers": servers, "grace_period": "10s"}},
    }


def _server(wish: Wish, frontend: Frontend, backend: Backend | None) -> dict[str, Any]:
    targets = () if backend is None else _active(backend)
    handler: dict[str, Any] = {"handler": "static_response", "status_code": 503}
    if backend is not None and targets:
        handler = _proxy(backend, targets)
    routes: list[dict[str, Any]] = [{"handle": [handler]}]
    if frontend.spec.allowed_cidrs:
        routes[0]["match"] = [{"remote_ip": {"ranges": list(frontend.spec.allowed_cidrs)}}]
        routes.append({"handle": [{"handler": "static_response", "abort": True}]})
    return {
        "listen": [f"{wish.vip_address}:{frontend.spec.protocol_port}"],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": routes,
    }


def _active(backend: Backend) -> Sequence[Target]:
    return [
        target
        for target in backend.targets
        if target.spec.admin_state_up and target.spec.weight > 0
    ]


def _proxy(backend: Backend, targets: Sequence[Target]) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy": POLICY[backend.spec.algorithm]}
    weights = [target.spec.weight for target in targets]
    if backend.spec.algorithm == "ROUND_ROBIN" and len(set(weights)) > 1:
        policy = {"policy": "weighted_round_robin", "weights": weights}
    wanted = backend.spec.session_persistence or {}
    if wanted.get("type") in ("HTTP_COOKIE", "APP_COOKIE"):
        policy = {"policy": "cookie", "name": wanted.get("cookie_name") or "SRV"}
    elif wanted.get("type") == "SOURCE_IP":
        policy = {"policy": "client_ip_hash"}
    checks: dict[str, Any] = {"passive": {"fail_duration": "1s", "max_fails": 1}}
    if backend.monitor is not None and backend.monitor.type == "HTTP":
        checks["active"] = {
            "uri": backend.monitor.url_path,
            "interval": f"{backend.monitor.delay_seconds}s",
            "timeout": f"{backend.monitor.timeout_seconds}s",
            "fails": backend.monitor.max_retries,
            "method": backend.monitor.http_method,
            "expect_status": _expected(backend.monitor.expected_codes),
        }
    return {
        "handler": "reverse_proxy",
        "upstreams": [
            {"dial": f"{target.address}:{target.spec.protocol_port}"} for target in targets
        ],
        "load_balancing": {
            "selection_policy": policy,
            "retries": 3,
            "try_interval": "50ms",
        },
        "health_checks": checks,
        # A connection kept for later would be reset when its member leaves.
        "transport": {"protocol": "http", "keep_alive": {"enabled": False}, "dial_timeout": "2s"},
    }


def _expected(codes: str) -> int:
    """One code, or the first digit of several: Caddy knows a code or a class of them."""
    return int(codes) if codes.strip().isdigit() else int(codes.strip()[0])


class Caddy:
    """The program and its administration socket."""

    name = "Caddy"

    def __init__(self, program: str) -> None:
        self._program = program

    def apply(self, wish: Wish) -> Sight:
        """Give it the whole configuration; started first if it is not there."""
        daemon = Daemon(wish.id, wish.folder)
        if not wish.frontends:
            daemon.end(signal.SIGTERM)
            return Sight()
        wish.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        wanted = configuration(wish)
        path = wish.folder / "caddy.json"
        path.write_text(json.dumps(wanted))
        if daemon.process() is None:
            (wish.folder / "admin.sock").unlink(missing_ok=True)
            home = str(wish.folder)
            command = [self._program, "run", "--config", "caddy.json"]
            daemon.start(command, HOME=home, XDG_DATA_HOME=home, XDG_CONFIG_HOME=home)
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while (running := self._running(wish)) is None:
            if time.monotonic() > deadline or daemon.process() is None:
                raise Unavailable(f"Caddy did not start: {daemon.log()}")
            time.sleep(0.02)
        if running != wanted:
            status, body = request(wish, "POST", "/load", json.dumps(wanted))
            if status != 200:
                raise Refused(f"Caddy does not accept the configuration: {body.strip()}")
        return Sight()

    def _running(self, wish: Wish) -> Any:
        try:
            status, body = request(wish, "GET", "/config/")
        except (OSError, http.client.HTTPException):
            return None  # it is only just starting
        return json.loads(body) if status == 200 else None

    def look(self, wish: Wish) -> Sight:
        """Caddy does not say who is well, so each member is asked for a connection."""
        return Sight(
            online={
                target.id: _accepts(target)
                for backend in wish.backends
                for target in backend.targets
            }
        )

    def end(self, wish: Wish) -> None:
        """End it."""
        Daemon(wish.id, wish.folder).end(signal.SIGTERM)
        shutil.rmtree(wish.folder, ignore_errors=True)


def _accepts(target: Target) -> bool:
    place = (target.address, target.spec.protocol_port)
    try:
        with socket.create_connection(place, timeout=PROBE_TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def request(wish: Wish, method: str, path: str, body: str = "") -> tuple[int, str]:
    """One request over the administration socket, reached through a handle on its folder."""
    folder = os.open(wish.folder, os.O_PATH | os.O_DIRECTORY)
    connection = http.client.HTTPConnection("localhost", timeout=SOCKET_TIMEOUT_SECONDS)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(SOCKET_TIMEOUT_SECONDS)
        connection.sock.connect(f"/proc/self/fd/{folder}/admin.sock")
        headers = {"Content-Type": "application/json", "Host": ""}
        connection.request(method, path, body=body or None, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()
        os.close(folder)
