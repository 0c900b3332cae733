"""A few answers of an OpenStack over real HTTP: Keystone's log-in, and whatever a test scripts.

For what a real service does seldom or only on a bad day. What services do on good days is tested
against the real ones (marker `openstack`).
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SERVICES = ("compute", "network", "block-storage", "image", "load-balancer")
PROJECT = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    """Close the connection without a word."""


@dataclass
class Asked:
    method: str
    path: str
    query: str
    token: str
    body: Any


class FakeOpenStack:
    """`answers` are used up one by one, then `otherwise` says."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.otherwise: Callable[[Asked], Answer] = lambda _: Answer(404, {"error": {}})
        self.asked: list[Asked] = []
        self.log_ins = 0
        self.url = ""
        self.services = SERVICES
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            if asked.path.startswith("/identity"):
                return self._identity(asked)
            service = asked.path.split("/")[1]
            if asked.path.rstrip("/") in {f"/{service}", f"/{service}/v2", f"/{service}/v3"}:
                return self._versions(service)
            if asked.path.endswith("/extensions"):
                return Answer(404, {"error": {}})  # it is not said what this Neutron has
            self.asked.append(asked)
            return self.answers.pop(0) if self.answers else self.otherwise(asked)

    def _identity(self, asked: Asked) -> Answer:
        if asked.path.endswith("/auth/tokens") and asked.method == "POST":
            self.log_ins += 1
            token = {
                "methods": ["password"],
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "project": {"id": PROJECT, "name": "p", "domain": {"id": "d", "name": "D"}},
                "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "D"}},
                "roles": [{"id": "r", "name": "member"}],
                "catalog": [self._service(each) for each in self.services],
            }
            return Answer(201, {"token": token}, {"X-Subject-Token": f"token-{self.log_ins}"})
        version = {
            "id": "v3.14",
            "status": "stable",
            "links": [{"rel": "self", "href": f"{self.url}/identity/v3/"}],
        }
        return Answer(200, {"version": version})

    def _service(self, kind: str) -> dict[str, Any]:
        endpoint = {
            "id": kind,
            "interface": "public",
            "region": "RegionOne",
            "region_id": "RegionOne",
            "url": f"{self.url}/{kind}",
        }
        return {"type": kind, "name": kind, "id": kind, "endpoints": [endpoint]}

    def _versions(self, service: str) -> Answer:
        best = {"compute": ("v2.1", "2.90"), "block-storage": ("v3.0", "3.70")}
        name, highest = best.get(service, ("v2.0", ""))
        version = {
            "id": name,
            "status": "CURRENT",
            "version": highest,
            "min_version": f"{name[1]}.1" if highest else "",
            "links": [{"rel": "self", "href": f"{self.url}/{service}/"}],
        }
        return Answer(200, {"versions": [version]})

    def clouds_yaml(self, folder: Path, **said: str) -> Path:
        auth = {
            "auth_url": f"{self.url}/identity/v3",
            "username": "u",
            "password": "a secret password",
            "project_name": "p",
            "user_domain_name": "D",
            "project_domain_name": "D",
        }
        file = folder / "clouds.yaml"
        entry = {"auth": auth, "region_name": "RegionOne", **said}
        file.write_text(json.dumps({"clouds": {"fake": entry}}))
        return file


@contextmanager
def serving() -> Iterator[FakeOpenStack]:
    fake = FakeOpenStack()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def handle_one(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(size)
            path, _, query = self.path.partition("?")
            answer = fake.answer(
                Asked(
                    self.command,
                    path,
                    query,
                    self.headers.get("X-Auth-Token", ""),
                    json.loads(text) if text else None,
                )
            )
            if answer.hang_up:
                self.close_connection = True
                return
            body = json.dumps(answer.body).encode() if answer.body is not None else b""
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        setattr(Handler, f"do_{method}", Handler.handle_one)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
