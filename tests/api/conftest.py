"""A whole control plane on a free loopback port, for tests that speak HTTP to it.

It is the product's own: SQLite in a temporary folder, the simulated cloud, real tokens. Only the
password hash is cheaper than in earnest.
"""

import asyncio
import io
import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog
import uvicorn
from argon2 import PasswordHasher
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mantle.access.bootstrap import ensure_accounts
from mantle.access.identity import EmbeddedIdentity
from mantle.access.passwords import Passwords
from mantle.api.app import create_app
from mantle.clouds.simulated import SimulatedCloud
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.lib import logs, tracing
from mantle.lib.clock import SystemClock
from mantle.lib.ids import new_id, random_bytes
from mantle.lib.sealing import Key, KeyRing
from mantle.model.identity import Grant, Project, User
from mantle.model.ids import ProjectId, UserId
from mantle.store import software as software_rows
from mantle.store.database import Database
from mantle.store.identity import IdentityStore
from mantle.wiring import assemble

# The server is in this process: what it logs is no output of a command.
structlog.configure(
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    logger_factory=structlog.PrintLoggerFactory(sys.__stderr__),
)

PASSWORD = "correct horse"
PEOPLE = {
    "root": ("ours", "admin"),
    "maker": ("ours", "member"),
    "looker": ("ours", "reader"),
    "stranger": ("theirs", "member"),
}
assert software_rows


class Person:
    """Someone logged in, with clients of both APIs."""

    def __init__(self, base: str, name: str) -> None:
        self.base = base
        answer = httpx.post(f"{base}/identity/v3/auth/tokens", json=login(name), timeout=30)
        assert answer.status_code == 201, answer.text
        self.token = answer.headers["X-Subject-Token"]
        self.project_id = answer.json()["token"]["project"]["id"]
        headers = {"X-Auth-Token": self.token, "Accept": "application/json"}
        self.heat = httpx.Client(
            base_url=f"{base}/heat/v1/{self.project_id}", headers=headers, timeout=30
        )
        self.own = httpx.Client(base_url=f"{base}/v2", headers=headers, timeout=30)

    def create(self, name: str, template: dict, **body: object) -> str:
        """A stack, created and complete; its path below the project."""
        asked = {"stack_name": name, "template": template, **body}
        answer = self.heat.post("/stacks", json=asked)
        assert answer.status_code == 201, answer.text
        path = f"/stacks/{name}/{answer.json()['stack']['id']}"
        assert self.wait(path) == "CREATE_COMPLETE"
        return path

    def wait(self, path: str) -> str:
        """The stack's status once nothing is in progress."""
        stack_id = path.rsplit("/", 1)[-1]
        with self.own.stream("GET", f"/stacks/{stack_id}/events/stream") as stream:
            assert stream.status_code == 200
            for _ in stream.iter_lines():
                pass
        return self.heat.get(path).json()["stack"]["stack_status"]


def login(name: str, password: str = PASSWORD, project: str | None = None) -> dict:
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    auth: dict = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if project:
        auth["scope"] = {"project": {"name": project, "domain": {"id": "default"}}}
    return {"auth": auth}


class Server:
    """The product on a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()), daemon=True)

    async def run(self) -> None:
        database = Database.at(self.folder / "mantle.sqlite")
        database.seal_with(KeyRing([Key(bytes(range(32)))]))
        database.create_tables()
        clock = SystemClock()
        cloud = SimulatedCloud(clock=clock)
        control, engine = assemble(
            database=database,
            clouds={cloud.info.name: cloud},
            default_cloud=cloud.info.name,
            runtime=TaskRuntime(),
            links=Links(base_url=self.base, key=b"k" * 32),
        )
        self.control = control
        self.loop = asyncio.get_running_loop()
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        identity = EmbeddedIdentity(
            IdentityStore(database, control.machine.links.keys),
            clock,
            random_bytes,
            passwords=Passwords(hasher),
        )
        await ensure_accounts(
            identity, admin_password=PASSWORD, demo_password=PASSWORD, new_id=new_id
        )
        await self.people(identity)
        await cloud.start()
        await engine.open()
        app = create_app(control, identity, identity=identity)
        self.server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error", ws="none")
        )
        serving = asyncio.ensure_future(self.server.serve())
        while not self.server.started:
            await asyncio.sleep(0.01)
        self.ready.set()
        await serving
        await engine.close()
        await cloud.stop()
        database.close()

    async def people(self, identity: EmbeddedIdentity) -> None:
        hashed = await identity.passwords.hash(PASSWORD)
        for project in ("ours", "theirs"):
            await identity.store.save_project(Project(id=ProjectId(f"p-{project}"), name=project))
        for name, (project, role) in PEOPLE.items():
            user = User(
                id=UserId(f"u-{name}"),
                name=name,
                password_hash=hashed,
                default_project_id=ProjectId(f"p-{project}"),
            )
            await identity.store.save_user(user)
            await identity.store.add_grant(
                Grant(user_id=user.id, project_id=ProjectId(f"p-{project}"), role=role)
            )


@pytest.fixture
def logged():
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(as_json=True, level="debug", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    tracing.start("test", "", SimpleSpanProcessor(exporter))
    yield exporter.get_finished_spans
    tracing.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("api"))
    running.thread.start()
    assert running.ready.wait(60)
    yield running
    running.server.should_exit = True
    running.thread.join(30)


@pytest.fixture(scope="session")
def base(server: Server) -> str:
    return server.base


@pytest.fixture(scope="session")
def people(base: str) -> Iterator[dict[str, Person]]:
    found = {name: Person(base, name) for name in PEOPLE}
    yield found
    for person in found.values():
        person.heat.close()
        person.own.close()


@pytest.fixture
def maker(people: dict[str, Person]) -> Person:
    return people["maker"]
