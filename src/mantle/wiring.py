"""Builds everything once; the only module that knows every name."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mantle.clouds.local import LocalCloud
from mantle.clouds.ports import Cloud
from mantle.clouds.simulated import SimulatedCloud
from mantle.engine.links import Links
from mantle.engine.machine import Machine
from mantle.engine.recovery import Engine
from mantle.engine.runtime import DbosRuntime, Runtime, TaskRuntime
from mantle.engine.settings import Settings
from mantle.lib.clock import Clock, SystemClock
from mantle.lib.ids import new_id, random_bytes
from mantle.model.errors import MantleError
from mantle.model.ids import OperationId, ProjectId
from mantle.resources.registry import Registry, default_registry
from mantle.stacks.children import Children
from mantle.stacks.control import Control
from mantle.store import events as event_rows
from mantle.store.database import Database
from mantle.store.migrate import migrate


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `mantle up` is told."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8778
    keystone_url: str | None = None
    """Validate tokens there instead of in the embedded identity service."""
    default_cloud: str = "local"
    loopback_block: str | None = None
    """Where the local cloud's addresses come from; None: its default."""
    settings: Settings = field(default_factory=Settings)
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


async def no_config(_: str, __: ProjectId) -> str | None:
    """For control planes without stored software configs."""
    return None


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
    make_id: object = None,
    random: object = None,
) -> tuple[Control, Engine]:
    """A control plane over parts that are given; what `build` and the simulations share."""
    from mantle.software.configs import config_text  # noqa: PLC0415 - a door of its own

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
        new_id=make_id if callable(make_id) else new_id,
        random=random if callable(random) else random_bytes,
        settings=settings or Settings(),
        links=links,
        delegates=children,
        config_text=text_of,
        start=start,
    )
    children.join(machine)
    control = Control(machine=machine, runtime=runtime, default_cloud=default_cloud)
    return control, Engine(machine, runtime)


@contextlib.asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Control]:
    """A whole control plane at work in a data folder; it stops when the context ends."""
    handle = await asyncio.to_thread(lock, options.data_dir)
    database = Database.at(options.data_dir / "mantle.sqlite")
    try:
        await asyncio.to_thread(migrate, database)
        key = await database.write(event_rows.setting, "signing_key")
        clouds = build_clouds(options)
        runtime: Runtime = (
            DbosRuntime(options.data_dir / "dbos.sqlite") if options.durable else TaskRuntime()
        )
        control, engine = assemble(
            database=database,
            clouds=clouds,
            default_cloud=options.default_cloud,
            runtime=runtime,
            links=Links(base_url=options.base_url, key=bytes.fromhex(key)),
            settings=options.settings,
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
