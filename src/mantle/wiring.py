"""Builds everything once; the only module that knows every name."""

import asyncio
import contextlib
import fcntl
import math
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import structlog
import uvloop

from mantle.access.accounts import update_user
from mantle.access.bootstrap import ensure_accounts
from mantle.access.caller import Caller, stack_user
from mantle.access.catalog import REGION
from mantle.access.clouds_file import read_passwords, write_clouds
from mantle.access.identity import EmbeddedIdentity
from mantle.access.keystone import KeystoneAuthenticator, keystone_root, no_domain
from mantle.access.keystone_keys import KeystoneKeys
from mantle.access.ports import Authenticator
from mantle.access.trusts import Trusts
from mantle.api.app import create_app, create_cfn_app
from mantle.api.metrics import Metrics
from mantle.api.scrape import Scrape, ScrapePage
from mantle.api.serving import Server, beside
from mantle.backups.places import Places
from mantle.backups.schedule import Backups, Schedule
from mantle.clouds.heat import FarHeats
from mantle.clouds.keeper import KeeperServer, connect
from mantle.clouds.local import LocalCloud
from mantle.clouds.metered import metered
from mantle.clouds.openstack import (
    AccountTokens,
    Entry,
    Leave,
    Leaves,
    OpenStackCloud,
    Serves,
    StackDomain,
    credential_auth,
)
from mantle.clouds.ports import Cloud, CloudError
from mantle.clouds.simulated import SimulatedCloud
from mantle.engine.accounts import DomainAccounts, NotConfigured
from mantle.engine.dispatch import QUEUE, Dispatcher
from mantle.engine.links import Links
from mantle.engine.machine import Machine
from mantle.engine.operator_files import read_operator
from mantle.engine.recovery import Companion, Engine
from mantle.engine.runtime import DbosRuntime, Runtime, TaskRuntime
from mantle.engine.service_account import Account, domain_id_of
from mantle.engine.settings import Settings
from mantle.fleet.performing import Sweeper
from mantle.lib import key_file, logs, tracing
from mantle.lib.clock import Clock, SystemClock
from mantle.lib.garbage import collect_rarely
from mantle.lib.ids import new_id, random_bytes
from mantle.lib.key_file import KeyFile
from mantle.lib.looping import Loop
from mantle.lib.sealing import new_key
from mantle.model.errors import MantleError, Unavailable
from mantle.model.ids import OperationId, ProjectId, UserId
from mantle.model.trusts import SECRET
from mantle.resources.registry import Registry, default_registry
from mantle.software.configs import config_text
from mantle.software.delivery import Delivery
from mantle.stacks.children import Children
from mantle.stacks.control import Control
from mantle.stacks.courier import Courier
from mantle.stacks.domain_keeping import DomainKeeper
from mantle.stacks.drift import Observer
from mantle.stacks.forgetting import Forgetting
from mantle.stacks.observing import observe_for
from mantle.stacks.trusting import Trustees
from mantle.stacks.upkeep import Upkeep
from mantle.stacks.watchdog import Watchdog
from mantle.store import events as event_rows
from mantle.store import secrets as secret_rows
from mantle.store.database import Database
from mantle.store.identity import IdentityStore
from mantle.store.incarnation import Superseded
from mantle.store.keyring import check_keys, use_keys
from mantle.store.listening import Herald, Listener
from mantle.store.migrate import check_revision, migrate, revision
from mantle.store.stack_users import owner_of_row_key
from mantle.store.trusts import Trusted

log = structlog.get_logger()

REQUEST_PATIENCE_SECONDS = 20.0
"""How long a request waits for a database that is away; then it is answered 503."""

LIFE_SECONDS = 2.0
"""Between two looks whether the database is still the one that the process began with."""

START_PATIENCE_SECONDS = 60.0
"""How long a process that starts waits for the database; then it ends, and says so."""

OWN_CONCERNS = ("sinks", "upkeep", "forgetting")
"""Loops that every engine has: what one engine nudges, its own loop looks after."""

BACKLOG = 1024
"""Connections that may wait while the control plane opens its stores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `mantle up` is told."""

    data_dir: Path
    database: str | None = None
    """A PostgreSQL that several processes share; None: SQLite in the data folder."""
    keeper: Path | None = None
    """The socket behind which this machine's clouds are; None: `keeper.sock` in the data folder."""
    public_url: str | None = None
    """How others reach this control plane; None: where it listens."""
    host: str = "127.0.0.1"
    port: int = 8778
    cfn_host: str = ""
    cfn_port: int = 0
    """Where the CFN-compatible API answers alone, with paths as Heat's; 0: only below /cfn."""
    metrics_host: str = ""
    metrics_port: int = 0
    """Where Prometheus finds /metrics alone; 0: only at an API's."""
    log_format: str = "text"
    log_level: str = "info"
    trace_to: str | None = None
    """A collector's OTLP over HTTP."""
    keystone_url: str | None = None
    """Validate tokens there instead of in the embedded identity service."""
    service_account: Entry | None = None
    """Mantle's own account there, for asking about tokens and signatures."""
    stack_domain: Entry | None = None
    """Who administers the domain of stacks' users there."""
    default_cloud: str = "local"
    loopback_block: str | None = None
    """Where the local cloud's addresses come from; None: its default."""
    settings: Settings = field(default_factory=Settings)
    environment_dir: Path | None = None
    """Where the operator's environment files are."""
    secrets_keys: Path | None = None
    """The key file; None: `keys` in the data folder. `NO_KEYS`: nothing is sealed."""
    openstack: tuple[Entry, ...] = ()
    """Clouds of a clouds.yaml."""
    trusts: bool = False
    """Work in a project is done by trusts of its users, not by the entries' own roles."""
    backups: Schedule | None = None
    """When backups are taken by themselves; None: never."""
    durable: bool = True
    """False performs operations as plain tasks: for benchmarks and simulations."""

    @property
    def base_url(self) -> str:
        """Where this control plane is reached."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def places(self) -> Places:
        """Where it keeps what it knows."""
        keys = None if self.secrets_keys == NO_KEYS else self.secrets_keys
        return Places(data_dir=self.data_dir, database=self.database, keys=keys)

    @property
    def socket(self) -> Path:
        """The keeper's."""
        return self.keeper or self.data_dir / "keeper.sock"


def default_data_dir() -> Path:
    """`$MANTLE_DATA_DIR`, else `$XDG_DATA_HOME/mantle`, else `~/.local/share/mantle`."""
    if given := os.environ.get("MANTLE_DATA_DIR"):
        return Path(given)
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "mantle"


NO_KEYS = Path("none")
"""What the option says where nothing is to be sealed, beside an older release for instance."""


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
    alone: bool = True,
    ids: Callable[[], str] = new_id,
    chance: Callable[[int], bytes] = random_bytes,
) -> tuple[Control, Engine]:
    """A control plane over parts that are given; what `opened` and the simulations share.

    `alone` is an engine that shares its database with nobody: it performs what is accepted here
    itself. Else what is accepted goes into the queue. `ids` and `chance` make ids and bytes.
    """
    children = Children()

    async def text_of(config_id: str, project_id: ProjectId) -> str | None:
        return await config_text(database, project_id, config_id)

    async def secret_of(project_id: ProjectId, name_or_id: str) -> str | None:
        secret = await database.read(secret_rows.find, project_id, name_or_id)
        return None if secret is None else secret.payload

    async def start(operation_id: OperationId, attempt: int) -> None:
        if alone:
            await runtime.start(operation_id, attempt)
            return
        # Other processes hear it too (see `_words`); whoever misses it looks every second.
        machine.nudges.nudge(QUEUE)

    machine = Machine(
        id=ids(),
        database=database,
        registry=registry or default_registry(),
        clouds=clouds,
        clock=clock or SystemClock(),
        new_id=ids,
        random=chance,
        settings=settings or Settings(),
        links=links,
        delegates=children,
        far=FarHeats(secret_of, lambda: machine.settings.destinations),
        config_text=text_of,
        start=start,
        software=Delivery(database),
    )
    children.join(machine)
    control = Control(machine=machine, runtime=runtime, default_cloud=default_cloud)
    machine.observe = partial(observe_for, control)
    engine = Engine(machine, runtime, alone=alone)
    engine.companions += [
        Upkeep(control),
        Observer(control),
        Watchdog(control),
        Forgetting(control),
        Courier(control),
        Sweeper(machine),
    ]
    if not alone:
        engine.companions.append(Dispatcher(machine, runtime))
    return control, engine


@contextlib.asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Control]:
    """A whole control plane at work in a data folder; it stops when the context ends."""
    handle = await asyncio.to_thread(lock, options.data_dir)
    database = database_of(options)
    try:
        keys = await asyncio.to_thread(keys_of, options, database)
        await asyncio.to_thread(migrate, database)
        await use_keys_of(options, database, keys)
        links = await links_of(options, database)
        far = openstack_clouds(options, IdentityStore(database, links.keys), Trusted(database))
        clouds = metered({**build_clouds(options), **far})
        runtime: Runtime = DbosRuntime(workflows_of(options)) if options.durable else TaskRuntime()
        control, engine = assemble(
            database=database,
            clouds=clouds,
            default_cloud=options.default_cloud,
            runtime=runtime,
            links=links,
            settings=await settings_of(options),
            alone=options.database is None,
        )
        defer(options, control, engine, far)
        async with stack_accounts(options, control, engine), at_work(options, engine, clouds):
            yield control
    finally:
        database.close()
        handle.close()


@contextlib.asynccontextmanager
async def member(options: Options, *, performs: bool) -> AsyncIterator[Control]:
    """An API process (`performs` is False) or an engine, of several on one database.

    An engine waits for a database that is away, however long: what it performs is its own until
    another takes it over. A request is not kept waiting: it is told after a while.
    """
    # What is missing here comes with no waiting for the database.
    check_keys_said(options)
    database = database_of(options, math.inf if performs else REQUEST_PATIENCE_SECONDS)
    try:
        await asyncio.to_thread(database.wait, START_PATIENCE_SECONDS)
        keys = await asyncio.to_thread(keys_of, options, database)
        await asyncio.to_thread(check_revision, database)
        await use_keys_of(options, database, keys)
        links = await links_of(options, database)
        try:
            held = await connect(options.socket)
        except CloudError as error:
            raise MantleError(error.message, remedy=error.remedy) from error
        far = openstack_clouds(options, IdentityStore(database, links.keys), Trusted(database))
        clouds = metered({**held, **far})
        runtime: Runtime = DbosRuntime(workflows_of(options)) if performs else TaskRuntime()
        control, engine = assemble(
            database=database,
            clouds=clouds,
            default_cloud=options.default_cloud,
            runtime=runtime,
            links=links,
            settings=await settings_of(options),
            alone=False,
        )
        defer(options, control, engine, far)
        if performs:
            async with stack_accounts(options, control, engine), at_work(options, engine, clouds):
                yield control
        else:
            if options.keystone_url and options.stack_domain is None:
                control.machine.accounts = NotConfigured()
            for cloud in clouds.values():
                await cloud.start()
            await runtime.open(_nothing, control.machine.id, ())
            words = _words(options, control.machine, performs=False)
            for each in words:
                await each.open()
            try:
                yield control
            finally:
                for each in words:
                    await each.close()
                for cloud in clouds.values():
                    await cloud.stop()
    finally:
        database.close()


async def _nothing(operation_id: OperationId, attempt: int | None) -> None:
    """An API process performs nothing."""


@contextlib.asynccontextmanager
async def at_work(
    options: Options, engine: Engine, clouds: Mapping[str, Cloud]
) -> AsyncIterator[None]:
    """An engine and its clouds, open."""
    engine.companions += _words(options, engine.machine, performs=True)
    if options.backups is not None:
        engine.companions.append(Backups(engine.machine, options.places, options.backups))
    for cloud in clouds.values():
        await cloud.start()
    await engine.open()
    try:
        yield
    finally:
        await engine.close()
        for cloud in clouds.values():
            await cloud.stop()


def _words(options: Options, machine: Machine, *, performs: bool) -> list[Companion]:
    """What wakes other processes on the database, and lets them wake this one."""
    if options.database is None:
        return []
    nudges = machine.nudges
    herald = Herald(options.database, machine.id, QUEUE, OWN_CONCERNS if performs else ())
    nudges.tell = herald.tell
    listener = Listener(options.database, machine.id, QUEUE, nudges.heard)
    return [listener, herald, _OneLife(machine.database)]


def database_of(options: Options, patience_seconds: float = math.inf) -> Database:
    """The one it is told, or SQLite in the data folder."""
    if options.database is not None:
        return Database(options.database, patience_seconds=patience_seconds)
    return Database.at(options.data_dir / "mantle.sqlite")


def workflows_of(options: Options) -> Path | str:
    """Where DBOS keeps its own: a schema of the shared database, or a file."""
    return options.database or options.data_dir / "dbos.sqlite"


def keys_of(options: Options, database: Database) -> KeyFile | None:
    """The keys that secrets are sealed with; refuses those of another database.

    A control plane that is alone makes them at its first start.
    """
    check_keys_said(options)
    path, where = options.secrets_keys, _where(options)
    if path == NO_KEYS:
        check_keys(database, None, where)
        return None
    if path is None:
        path = options.data_dir / "keys"
        if not path.exists():
            check_keys(database, None, where)
            key_file.make(path, new_key(), today())
    try:
        keys = KeyFile(path)
    except key_file.WrongKeyFile as error:
        raise MantleError(error.message, remedy=error.remedy) from error
    check_keys(database, keys, where)
    return keys


def check_keys_said(options: Options) -> None:
    """Refuses a process on a shared database that is told of no keys: there is no default."""
    if options.secrets_keys is None and options.database is not None:
        raise MantleError(
            "Nothing says which keys the secrets in the database are sealed with.",
            remedy="Make a key file once (mantle keys new FILE), give each process on this "
            "database a copy, and say --secrets-keys FILE or MANTLE_SECRETS_KEYS.",
        )


async def use_keys_of(options: Options, database: Database, keys: KeyFile | None) -> None:
    """Seal with these keys from now on."""
    if keys is not None:
        await database.write(use_keys, keys, _where(options))
        database.seal_with(keys)


def _where(options: Options) -> str:
    if options.secrets_keys == NO_KEYS:
        return "--secrets-keys none"
    return f"the key file {options.secrets_keys or options.data_dir / 'keys'}"


def today() -> str:
    """The day in UTC, as it stands beside a new key."""
    return datetime.now(UTC).date().isoformat()


async def links_of(options: Options, database: Database) -> Links:
    """Signed links and derived keys; the secret is made once for each database."""
    key = await database.write(event_rows.setting, "signing_key")
    return Links(
        base_url=options.base_url,
        key=bytes.fromhex(key),
        keystone=keystone_root(options.keystone_url) if options.keystone_url else "",
    )


async def settings_of(options: Options) -> Settings:
    """The limits, with the operator's environment files."""
    if options.environment_dir is None:
        return options.settings
    operator = await asyncio.to_thread(read_operator, options.environment_dir)
    return replace(options.settings, operator=operator)


def migrate_database(options: Options) -> tuple[str | None, str]:
    """Bring it to this release's tables; the revisions before and after."""
    database = database_of(options)
    try:
        before = revision(database)
        migrate(database)
        return before, revision(database) or ""
    finally:
        database.close()


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


def openstack_clouds(
    options: Options, store: IdentityStore, kept: Trusted
) -> dict[str, OpenStackCloud]:
    """One for each entry of clouds.yaml that was named.

    With a Keystone, projects are Keystone's, and the entry's credentials are scoped to each. With
    Mantle's own accounts, the entry's one project serves the one project of Mantle's it was given.
    """
    found: dict[str, OpenStackCloud] = {}
    for entry in options.openstack:
        if options.keystone_url is None and entry.project is None:
            raise MantleError(
                f"Nothing says which project may use the cloud {entry.name!r}.",
                remedy=f"Say --openstack {entry.name}=PROJECT, or --keystone-url.",
            )
        serves = _is_named(store, entry.project) if options.keystone_url is None else None
        name = _cloud_name(options, entry)
        # Regions of one entry are of one Keystone: a trust that was left for one serves all.
        kin = [_cloud_name(options, each) for each in options.openstack if each.name == entry.name]
        kin.sort(key=lambda each: each != name)
        leaves = _leaves(kept, kin) if options.trusts else None
        found[name] = OpenStackCloud(entry, name=name, serves=serves, leaves=leaves)
    return found


def _cloud_name(options: Options, entry: Entry) -> str:
    """Several regions of one entry are several clouds."""
    several = sum(each.name == entry.name for each in options.openstack) > 1
    return f"{entry.name}@{entry.region}" if several and entry.region else entry.name


def _leaves(kept: Trusted, clouds: Sequence[str]) -> Leaves:
    """What users left for work in a project: trusts, and then what the project keeps for it."""

    async def leaves(project_id: ProjectId, user_id: UserId | None) -> list[Leave]:
        good = [
            trust
            for cloud in clouds
            for trust in await kept.of_project(project_id, cloud)
            if trust.looked_at
        ]
        good.sort(key=lambda trust: trust.user_id != user_id)
        found = [
            Leave(
                by=f"the trust of {trust.user_name!r}",
                auth={"trust_id": trust.trust_id},
                refused=partial(kept.save, replace(trust, looked_at=0.0)),
            )
            for trust in good
        ]
        secret = await kept.secret(project_id)
        auth = credential_auth(secret) if secret is not None else None
        if auth is not None:
            found.append(Leave(by=f"the secret {SECRET!r}", auth=auth, refused=_unchanged))
        return found

    return leaves


async def _unchanged() -> None:
    """A secret is its project's to change."""


def defer(
    options: Options, control: Control, engine: Engine, far: Mapping[str, OpenStackCloud]
) -> None:
    """Have what is accepted go on by trusts, where the operator wants that."""
    if not options.trusts or options.keystone_url is None:
        return
    kept = Trusted(control.database)
    trustees = {name: cloud.trustee for name, cloud in far.items()}
    control.machine.deferral = Trusts(options.keystone_url, kept, control.clock, trustees)
    engine.companions.append(Trustees(kept, control.clock, far))


@contextlib.asynccontextmanager
async def stack_accounts(options: Options, control: Control, engine: Engine) -> AsyncIterator[None]:
    """Users of stacks at another Keystone, while the engine is at work."""
    if options.keystone_url is None:
        yield
        return
    if options.stack_domain is None:
        control.machine.accounts = NotConfigured()
        yield
        return
    domain = StackDomain(options.stack_domain)
    try:
        await _is_good("--stack-domain", options.stack_domain, domain.check)
        region = options.stack_domain.region or REGION
        accounts = DomainAccounts(control.database, control.machine.links.keys, domain, region)
        control.machine.accounts = accounts
        engine.companions.append(DomainKeeper(control, accounts))
        yield
    finally:
        await domain.close()


async def _is_good(option: str, entry: Entry, check: Callable[[], Awaitable[str]]) -> None:
    """Refuse to start with an account that Keystone refuses; one that is away now comes back."""
    try:
        await check()
    except CloudError as error:
        if error.retryable:
            log.warning("an account could not be checked", entry=entry.name, reason=error.message)
            return
        raise MantleError(f"{option} {entry.name}: {error.message}", remedy=error.remedy) from error


@contextlib.asynccontextmanager
async def keystone_of(
    options: Options, control: Control
) -> AsyncIterator[tuple[KeystoneAuthenticator, KeystoneKeys]]:
    """Who checks tokens and signatures at another Keystone."""
    assert options.keystone_url is not None, "asked before"
    async with contextlib.AsyncExitStack() as ends:
        service = None
        if options.service_account is not None:
            tokens = AccountTokens(options.service_account)
            ends.push_async_callback(tokens.close)
            await _is_good("--service-account", options.service_account, tokens.token)
            service = Account(tokens)
        of_stacks: Callable[[], Awaitable[str]] = no_domain
        if options.stack_domain is not None:
            domain = StackDomain(options.stack_domain)
            ends.push_async_callback(domain.close)
            of_stacks = domain_id_of(domain.name, domain.domain_id)
        authenticator = KeystoneAuthenticator(
            options.keystone_url, control.clock, service=service, stack_domain=of_stacks
        )
        ends.push_async_callback(authenticator.close)
        keys = control.machine.links.keys

        async def own(access: str) -> Caller | None:
            found = await control.database.read(owner_of_row_key, keys, access)
            return None if found is None else stack_user(*found)

        yield (
            authenticator,
            KeystoneKeys(keystone=authenticator, keys=keys, own=own, clock=control.clock),
        )


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
    return _run("up", options, _serve(options, opened(options)))


def serve_api(options: Options) -> int:
    """Run one API process of several."""
    return _run("api", options, _serve(options, member(options, performs=False), shared=True))


def serve_engine(options: Options) -> int:
    """Run one engine process of several."""

    async def work() -> None:
        async with member(options, performs=True) as control:
            print(f"Engine {control.machine.id} is at work", flush=True)  # noqa: T201 - the answer
            scrape = Scrape(Metrics(), control.database, control.clock)
            async with beside(ScrapePage(scrape.text), _metrics_listener(options)):
                await _told_to_stop()

    return _run("engine", options, work())


def serve_keeper(options: Options) -> int:
    """Hold this machine's clouds for other processes until told to stop."""

    async def work() -> None:
        handle = await asyncio.to_thread(lock, options.data_dir)
        clouds = metered(build_clouds(options))
        server = KeeperServer(options.socket, clouds)
        page = ScrapePage(Scrape(Metrics(), None, SystemClock()).text)
        try:
            for cloud in clouds.values():
                await cloud.start()
            await server.start()
            print(f"The keeper listens at {options.socket}", flush=True)  # noqa: T201 - the answer
            async with beside(page, _metrics_listener(options)):
                await _told_to_stop()
        finally:
            await server.stop()
            for cloud in clouds.values():
                await cloud.stop()
            handle.close()

    return _run("keeper", options, work())


class _OneLife(Loop):
    """Ends the process, as SIGTERM does, when its database was restored from a backup meanwhile."""

    name = "one life"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LIFE_SECONDS)
            try:
                await self._database.check_life()
            except Superseded as error:
                log.warning("this process ends: start it again", why=error.message)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            except Unavailable:
                # Away, or being restored: looked at again.
                continue


async def _told_to_stop() -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    await stop.wait()


def _run(command: str, options: Options, work: Coroutine[Any, Any, None]) -> int:
    logs.configure(as_json=options.log_format == "json", level=options.log_level)
    collect_rarely()
    try:
        if options.trace_to:
            tracing.start(f"mantle-{command}", options.trace_to)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except tracing.NoTracing as error:
        work.close()
        said = f"mantle {command}: nothing can be traced here ({error})."
        print(f"{said} Install the extra: pip install 'mantle[otel]'.", file=sys.stderr)  # noqa: T201 - the answer
        return 1
    except MantleError as error:
        print(f"mantle {command}: {error}", file=sys.stderr)  # noqa: T201 - the command's answer
        return 6 if isinstance(error, Locked) else 1
    except KeyboardInterrupt:
        return 130
    finally:
        tracing.stop()
    return 0


async def _serve(
    options: Options,
    plane: contextlib.AbstractAsyncContextManager[Control],
    *,
    shared: bool = False,
) -> None:
    """Answer until told to end; `shared` is one API of several, which leaves gracefully."""
    listener = _bind(options.host, options.port, "--listen")
    cfn_listener = (
        _bind(options.cfn_host, options.cfn_port, "--cfn-listen") if options.cfn_port else None
    )
    async with plane as control, contextlib.AsyncExitStack() as ends:
        authenticator: Authenticator
        identity: EmbeddedIdentity | None = None
        signers: KeystoneKeys | None = None
        if options.keystone_url:
            authenticator, signers = await ends.enter_async_context(keystone_of(options, control))
        else:
            identity = await accounts(options, control)
            authenticator = identity
        metrics = Metrics()
        server = Server(control.settings.drain_seconds if shared else 0.0)
        app = create_app(
            control,
            authenticator,
            identity=identity,
            signers=signers,
            metrics=metrics,
            leaving=lambda: server.leaves,
        )
        print(banner(options, control), flush=True)  # noqa: T201 - the command's answer
        page = ScrapePage(Scrape(metrics, control.database, control.clock).text)
        async with (
            beside(create_cfn_app(control, identity, metrics, signers), cfn_listener),
            beside(page, _metrics_listener(options)),
        ):
            await server.serve_app(app, listener)


def _metrics_listener(options: Options) -> socket.socket | None:
    if not options.metrics_port:
        return None
    return _bind(options.metrics_host, options.metrics_port, "--metrics-listen")


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
