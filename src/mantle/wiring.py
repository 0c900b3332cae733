"""Builds everything once; the only module that knows every name."""

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, cast

import structlog
import uvicorn
import uvloop

from mantle.access.accounts import update_user
from mantle.access.bootstrap import ensure_accounts
from mantle.access.clouds_file import read_passwords, write_clouds
from mantle.access.identity import EmbeddedIdentity
from mantle.access.keystone import KeystoneAuthenticator
from mantle.access.ports import Authenticator
from mantle.api.app import create_app, create_cfn_app
from mantle.api.cfn.endpoint import CfnEndpoint
from mantle.clouds.local import LocalCloud
from mantle.clouds.openstack import Entry, OpenStackCloud, Serves
from mantle.clouds.ports import Cloud
from mantle.clouds.simulated import SimulatedCloud
from mantle.engine.links import Links
from mantle.engine.machine import Machine
from mantle.engine.operator_files import read_operator
from mantle.engine.recovery import Engine
from mantle.engine.runtime import DbosRuntime, Runtime, TaskRuntime
from mantle.engine.settings import Settings
from mantle.lib.clock import Clock, SystemClock
from mantle.lib.ids import new_id, random_bytes
from mantle.model.errors import MantleError
from mantle.model.ids import OperationId, ProjectId
from mantle.resources.registry import Registry, default_registry
from mantle.software.configs import config_text
from mantle.software.delivery import Delivery
from mantle.stacks.children import Children
from mantle.stacks.control import Control
from mantle.stacks.courier import Courier
from mantle.stacks.drift import Observer
from mantle.stacks.forgetting import Forgetting
from mantle.stacks.upkeep import Upkeep
from mantle.stacks.watchdog import Watchdog
from mantle.store import events as event_rows
from mantle.store.database import Database
from mantle.store.identity import IdentityStore
from mantle.store.migrate import migrate

BACKLOG = 1024
"""Connections that may wait while the control plane opens its stores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `mantle up` is told."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8778
    cfn_host: str = ""
    cfn_port: int = 0
    """Where the CFN-compatible API answers alone, with paths as Heat's; 0: only below /cfn."""
    keystone_url: str | None = None
    """Validate tokens there instead of in the embedded identity service."""
    default_cloud: str = "local"
    loopback_block: str | None = None
    """Where the local cloud's addresses come from; None: its default."""
    settings: Settings = field(default_factory=Settings)
    environment_dir: Path | None = None
    """Where the operator's environment files are."""
    openstack: tuple[Entry, ...] = ()
    """Clouds of a clouds.yaml."""
    durable: bool = True
    """False performs operations as plain tasks: for benchmarks and simulations."""

    @property
    def base_url(self) -> str:
        """Where this control plane is reached from this machine."""
        return f"http://{self.host}:{self.port}"


def default_data_dir() -> Path:
    """`$MANTLE_DATA_DIR`, else `$XDG_DATA_HOME/mantle`, else `~/.local/share/mantle`."""
    if given := os.environ.get("MANTLE_DATA_DIR"):
        return Path(given)
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "mantle"


class Locked(MantleError):
    """Another Mantle works in this data folder."""


def lock(data_dir: Path) -> IO[str]:
    """Keep a second control plane out of the folder: SQLite has one engine at a time."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = (data_dir / "lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        raise Locked(
            f"Another `mantle up` is using {data_dir}.",
            remedy="Stop it, or give this one its own --data-dir and --port.",
        ) from error
    return handle


def assemble(
    *,
    database: Database,
    clouds: Mapping[str, Cloud],
    default_cloud: str,
    runtime: Runtime,
    links: Links,
    clock: Clock | None = None,
    settings: Settings | None = None,
    registry: Registry | None = None,
) -> tuple[Control, Engine]:
    """A control plane over parts that are given; what `build` and the simulations share."""
    children = Children()

    async def text_of(config_id: str, project_id: ProjectId) -> str | None:
        return await config_text(database, project_id, config_id)

    async def start(operation_id: OperationId, attempt: int) -> None:
        await runtime.start(operation_id, attempt)

    machine = Machine(
        id=new_id(),
        database=database,
        registry=registry or default_registry(),
        clouds=clouds,
        clock=clock or SystemClock(),
        new_id=new_id,
        random=random_bytes,
        settings=settings or Settings(),
        links=links,
        delegates=children,
        config_text=text_of,
        software=Delivery(database),
        start=start,
    )
    children.join(machine)
    control = Control(machine=machine, runtime=runtime, default_cloud=default_cloud)
    engine = Engine(machine, runtime)
    engine.companions += [
        Upkeep(control),
        Observer(control),
        Watchdog(control),
        Forgetting(control),
        Courier(control),
    ]
    return control, engine


@contextlib.asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Control]:
    """A whole control plane at work in a data folder; it stops when the context ends."""
    handle = await asyncio.to_thread(lock, options.data_dir)
    database = Database.at(options.data_dir / "mantle.sqlite")
    try:
        await asyncio.to_thread(migrate, database)
        settings = options.settings
        if options.environment_dir is not None:
            operator = await asyncio.to_thread(read_operator, options.environment_dir)
            settings = replace(settings, operator=operator)
        key = await database.write(event_rows.setting, "signing_key")
        links = Links(
            base_url=options.base_url,
            key=bytes.fromhex(key),
            identity=options.keystone_url is None,
        )
        clouds = build_clouds(options) | openstack_clouds(
            options, IdentityStore(database, links.keys)
        )
        runtime: Runtime = (
            DbosRuntime(options.data_dir / "dbos.sqlite") if options.durable else TaskRuntime()
        )
        control, engine = assemble(
            database=database,
            clouds=clouds,
            default_cloud=options.default_cloud,
            runtime=runtime,
            links=links,
            settings=settings,
        )
        for cloud in clouds.values():
            await cloud.start()
        await engine.open()
        try:
            yield control
        finally:
            await engine.close()
            for cloud in clouds.values():
                await cloud.stop()
    finally:
        database.close()
        handle.close()


def build_clouds(options: Options) -> dict[str, Cloud]:
    """The clouds every control plane has: this machine, and the simulated one."""
    loopback = {} if options.loopback_block is None else {"loopback_block": options.loopback_block}
    local = LocalCloud(
        options.data_dir / "local-cloud",
        clock=SystemClock(),
        new_id=new_id,
        random=random_bytes,
        metadata_base_url=f"{options.base_url}/metadata",
        **loopback,
    )
    simulated = SimulatedCloud(clock=SystemClock())
    return {local.info.name: local, simulated.info.name: simulated}


def openstack_clouds(options: Options, store: IdentityStore) -> dict[str, Cloud]:
    """One for each entry of clouds.yaml that was named.

    With a Keystone, projects are Keystone's, and the entry's credentials are scoped to each. With
    Mantle's own accounts, the entry's one project serves the one project of Mantle's it was given.
    """
    found: dict[str, Cloud] = {}
    for entry in options.openstack:
        if options.keystone_url is None and entry.project is None:
            raise MantleError(
                f"Nothing says which project may use the cloud {entry.name!r}.",
                remedy=f"Say --openstack {entry.name}=PROJECT, or --keystone-url.",
            )
        serves = _is_named(store, entry.project) if options.keystone_url is None else None
        found[entry.name] = OpenStackCloud(entry, serves=serves)
    return found


def _is_named(store: IdentityStore, name: str | None) -> Serves:
    async def serves(project_id: ProjectId) -> bool:
        project = await store.find_project(name) if name else None
        return project is not None and project.id == project_id

    return serves


# --- serving ---------------------------------------------------------------------------------


async def accounts(options: Options, control: Control) -> EmbeddedIdentity:
    """The embedded identity service with its first accounts, and `clouds.yaml` to log in with.

    Passwords are made once and kept in that file. When the file was removed, they are made anew.
    """
    store = IdentityStore(control.database, control.machine.links.keys)
    identity = EmbeddedIdentity(store, control.clock, control.random)
    path = options.data_dir / "clouds.yaml"
    known = read_passwords(path)
    passwords = {name: known.get(name) or secrets.token_urlsafe(18) for name in ("admin", "demo")}
    for name, password in passwords.items():
        user = await identity.store.find_user(name)
        if user is not None and name not in known:
            await update_user(identity, user, password)
    await ensure_accounts(
        identity,
        admin_password=passwords["admin"],
        demo_password=passwords["demo"],
        new_id=new_id,
    )
    write_clouds(path, options.base_url, passwords)
    return identity


def serve(options: Options) -> int:
    """Run a control plane until it is told to stop; the answer is the exit code."""
    configure_logs()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options))
    except MantleError as error:
        print(f"mantle up: {error}", file=sys.stderr)  # noqa: T201 - the command's answer
        return 6 if isinstance(error, Locked) else 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(options: Options) -> None:
    listener = _bind(options.host, options.port, "--listen")
    cfn_listener = (
        _bind(options.cfn_host, options.cfn_port, "--cfn-listen") if options.cfn_port else None
    )
    async with opened(options) as control:
        authenticator: Authenticator
        identity: EmbeddedIdentity | None = None
        if options.keystone_url:
            authenticator = KeystoneAuthenticator(options.keystone_url, control.clock)
        else:
            identity = await accounts(options, control)
            authenticator = identity
        app = create_app(control, authenticator, identity=identity)
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        )
        print(banner(options, control), flush=True)  # noqa: T201 - the command's answer
        async with _beside(create_cfn_app(control, identity), cfn_listener):
            await server.serve(sockets=[listener])


class _Quiet(uvicorn.Server):
    """A second server, which ends when the first has: signals are the first's alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


@contextlib.asynccontextmanager
async def _beside(app: CfnEndpoint, listener: socket.socket | None) -> AsyncIterator[None]:
    """Serve the CFN-compatible API on its own port, when it has one."""
    if listener is None:
        yield
        return
    config = uvicorn.Config(
        cast("Any", app),  # Litestar's and uvicorn's types for ASGI differ in name only
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=5,
    )
    server = _Quiet(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _bind(host: str, port: int, option: str) -> socket.socket:
    """Take the address before anything else is touched, so that a taken one is told at once."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
        # Only a listening socket keeps a second one off; who connects now is answered once ready.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise MantleError(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            remedy=f"Choose another with {option} HOST:PORT.",
        ) from error
    return listener


def banner(options: Options, control: Control) -> str:
    """What it listens on, where its data is, and how to log in."""
    facts = control.cloud.info.facts
    what = "; ".join(facts[key] for key in ("isolation", "load_balancer") if key in facts)
    lines = [
        f"Mantle listens on {options.base_url}",
        f"  data       {options.data_dir}",
        f"  cloud      {control.default_cloud} ({what or control.cloud.info.description})",
        f"  heat       {options.base_url}/heat/v1/<project>",
        f"  cfn        {options.base_url}/cfn/v1/"
        + (f" and http://{options.cfn_host}:{options.cfn_port}/v1/" if options.cfn_port else ""),
        f"  own API    {options.base_url}/v2 (OpenAPI at /v2/openapi.json)",
    ]
    if options.keystone_url:
        lines.append(f"  tokens     checked by {options.keystone_url}")
    else:
        lines += [
            f"  identity   {options.base_url}/identity/v3",
            "Log in:",
            f"  export OS_CLIENT_CONFIG_FILE={options.data_dir / 'clouds.yaml'}",
            "  export OS_CLOUD=mantle          # or mantle-admin",
            "  mantle stack list               # or: openstack stack list",
        ]
    return "\n".join(lines)


def configure_logs() -> None:
    """One line an event on standard error, plain when it is no terminal."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            # Plain tracebacks: rich ones print local variables, and those hold secrets.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
