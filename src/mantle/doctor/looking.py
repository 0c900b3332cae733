"""Gathers the facts: configuration, files, ports, sockets, the database, clouds."""

import asyncio
import difflib
import os
import shutil
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import httpx

from mantle.clouds.keeper import connect
from mantle.clouds.local import find_caddy, find_haproxy
from mantle.clouds.openstack import AccountTokens, OpenStackCloud, StackDomain
from mantle.clouds.ports import CloudError
from mantle.config import Configuration, ServerOptions
from mantle.doctor import judging
from mantle.doctor.findings import Finding, fail, ok, warn
from mantle.lib import key_file
from mantle.store.database import Database
from mantle.store.health import Health, examine
from mantle.wiring import NO_KEYS, Options

PATIENCE_SECONDS = 5.0

OTHER_VARIABLES = {
    "MANTLE_CONFIG",
    "MANTLE_URL",
    "MANTLE_TOKEN",
    "MANTLE_PROJECT",
}
"""Of the client."""


def look(found: Configuration, options: Options, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Everything, in the order in which one thing builds on another."""
    yield ok("configuration", f"{len([k for k in found.known.values() if k.value])} values hold")
    yield from contradictions(found, options, environ)
    yield from _files(found, options)
    yield from _disk(options)
    yield from judging.judge_ports([_port(*each) for each in _addresses(options)])
    yield judging.judge_balancer(find_haproxy(), find_caddy())
    yield from _database(options)
    yield from _keeper(options)
    for entry in options.openstack:
        yield from asyncio.run(_openstack(OpenStackCloud(entry)))
    yield from asyncio.run(_accounts(options))
    if options.backups is not None:
        yield judging.judge_backups(
            _newest(options.backups.folder), time.time(), options.backups.every_seconds
        )


def contradictions(
    found: Configuration, options: Options, environ: Mapping[str, str]
) -> Iterator[Finding]:
    """What is allowed and cannot be meant."""
    names = [f"MANTLE_{each.name.upper()}" for each in fields(ServerOptions)]
    for name in sorted(environ):
        known = name in names or name in OTHER_VARIABLES or name.startswith("MANTLE_LIMIT_")
        near = difflib.get_close_matches(name, names, 1, 0.85)
        if name.startswith("MANTLE_") and not known and near:
            yield warn(
                "configuration",
                f"the variable {name} is nothing that Mantle reads",
                f"It looks like {near[0]}, whose value is therefore not what was meant.",
                f"Rename it to {near[0]}, or unset it.",
            )
    for name in found.known:
        variable = f"MANTLE_{name.upper()}"
        if found.known[name].source == "option" and environ.get(variable):
            yield warn(
                "configuration",
                f"{name} is given as an option and in {variable}",
                "The option wins; other processes on this machine may go by the variable.",
                "Say it in one place.",
            )
    ports = [each[1] for each in _addresses(options)]
    for address in sorted(
        {f"{host}:{port}" for host, port in ports if ports.count((host, port)) > 1}
    ):
        yield fail(
            "configuration",
            f"{address} is given to two things at once",
            "Only the first of them can listen there.",
            "Give --listen, --cfn-listen and --metrics-listen different ports.",
        )
    if options.host not in {"127.0.0.1", "::1", "[::1]", "localhost"} and not (
        options.public_url or ""
    ).startswith("https://"):
        yield warn(
            "configuration",
            f"requests are taken from other machines at {options.host}, and not over TLS",
            "Tokens and passwords can be read on the way.",
            "Listen on the loopback behind a TLS proxy, and say --public-url https://…",
        )
    if options.settings.lease_seconds < 3:
        yield warn(
            "configuration",
            f"lease_seconds is {options.settings.lease_seconds:g}",
            "A short pause of a machine is taken for its death, and operations change hands.",
            "Use 10 to 15.",
        )


def _files(found: Configuration, options: Options) -> Iterator[Finding]:
    keys = options.secrets_keys or options.data_dir / "keys"
    secret = {
        options.data_dir: "the database, keys and passwords",
        options.data_dir / "clouds.yaml": "passwords",
        options.socket: "the way to this machine's clouds",
    }
    if keys != NO_KEYS:
        secret[keys] = "the keys that secrets are sealed with"
    for each in found.known.values():
        if each.name == "database" and each.value and Path(each.source).is_file():
            secret[Path(each.source)] = "the database's address, which may have a password in it"
    for path, what in secret.items():
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            yield fail(
                "file modes", f"{path}: {error.strerror}", "It is needed.", "See who owns it."
            )
            continue
        yield judging.judge_mode(path, mode, secret=what)
    if keys == NO_KEYS or (not keys.exists() and options.database is None):
        return
    try:
        ring = key_file.read(keys)
    except key_file.WrongKeyFile as error:
        yield fail("keys", error.message, "Secrets in the database cannot be opened.", error.remedy)
    else:
        yield ok("keys", f"{keys} holds {len(ring.keys)}")


def _disk(options: Options) -> Iterator[Finding]:
    folders = [options.data_dir] + ([options.backups.folder] if options.backups else [])
    for folder in folders:
        there = folder
        while not there.exists() and there != there.parent:
            there = there.parent
        if not os.access(there, os.W_OK):
            yield fail(
                "disk",
                f"{there} cannot be written to by this user",
                "Mantle keeps what it knows there.",
                f"Make it this user's, or choose another (--data-dir). Wanted: {folder}",
            )
            continue
        usage = shutil.disk_usage(there)
        yield judging.judge_disk(folder, usage.free, usage.total)


def _addresses(options: Options) -> list[tuple[str, tuple[str, int]]]:
    named = [
        ("--listen", (options.host, options.port)),
        ("--cfn-listen", (options.cfn_host, options.cfn_port)),
        ("--metrics-listen", (options.metrics_host, options.metrics_port)),
    ]
    return [each for each in named if each[1][1]]


def _port(option: str, where: tuple[str, int]) -> tuple[str, str, bool, bool]:
    host, port = where[0].strip("[]"), where[1]
    told = f"{where[0]}:{port}"
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return option, told, False, _is_mantle(told)
    return option, told, True, False


def _is_mantle(where: str) -> bool:
    """Whether what listens there answers as one of ours does."""
    for path in ("/healthz", "/v1/"):
        try:
            answer = httpx.get(f"http://{where}{path}", timeout=PATIENCE_SECONDS)
        except httpx.HTTPError:
            return False
        if path == "/healthz" and answer.status_code == 200 and "ok" in answer.text:
            return True
        if path == "/v1/" and "x-openstack-request-id" in answer.headers:
            return True
    return False


def _database(options: Options) -> Iterator[Finding]:
    path = options.data_dir / "mantle.sqlite"
    if options.database is None and not path.exists():
        yield ok("database", f"{path} is made at the first start")
        return
    told = "PostgreSQL" if options.database else str(path)
    database = Database(options.database or f"sqlite:///{path}", patience_seconds=PATIENCE_SECONDS)
    try:
        health: Health = examine(database)
    finally:
        database.close()
    yield from judging.judge_database(health, told)
    if health.figures is not None:
        yield from judging.judge_figures(
            health.figures, options.settings.lease_seconds, shared=options.database is not None
        )


def _keeper(options: Options) -> Iterator[Finding]:
    if options.database is None:
        return
    try:
        names = asyncio.run(_held(options.socket))
    except (CloudError, TimeoutError) as error:
        said = error.message if isinstance(error, CloudError) else "it does not answer in time"
        yield fail(
            "keeper",
            f"{options.socket}: {said}",
            "APIs and engines on this machine do not start without one.",
            "Start it with `mantle keeper`, with the same --data-dir or --keeper.",
        )
    else:
        yield ok("keeper", f"{options.socket} holds {', '.join(names)}")


async def _held(path: Path) -> list[str]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        clouds = await connect(path)
        for cloud in clouds.values():
            await cloud.stop()
        return sorted(clouds)


async def _openstack(cloud: OpenStackCloud) -> list[Finding]:
    """Whether its credentials work, and which services it lacks."""
    try:
        async with asyncio.timeout(6 * PATIENCE_SECONDS):
            await cloud.start()
    except TimeoutError:
        pass
    finally:
        await cloud.stop()
    facts = cloud.info.facts
    if "problem" in facts:
        return [
            fail(
                "cloud",
                f"{cloud.name}: {facts['problem']}",
                "Stacks on this cloud wait until it can be reached.",
                "Try the same entry with: openstack --os-cloud NAME token issue",
            )
        ]
    absent = sorted({each.resource_type for each in cloud.limitations})
    findings = [ok("cloud", f"{cloud.name}: logged in; services: {facts['services']}")]
    if absent:
        findings.append(
            warn(
                "cloud",
                f"{cloud.name} has no service for {', '.join(absent[:12])}",
                "Templates with these types are refused there when they are validated.",
                "Nothing, unless they are needed: then have the cloud offer the service.",
            )
        )
    return findings


async def _accounts(options: Options) -> list[Finding]:
    """Mantle's own log-ins at another Keystone: whether each works, and is for what it is for."""
    if options.keystone_url is None:
        return []
    findings = []
    if options.service_account is None:
        findings.append(
            warn(
                "service account",
                "there is none",
                "Each token is asked about with itself, which some Keystones do not allow; "
                "requests signed with people's EC2 keys are refused.",
                "Make one with `mantle register-domain`, and say --service-account ENTRY.",
            )
        )
    else:
        tokens = AccountTokens(options.service_account)
        findings.append(await _log_in("service account", tokens.name, tokens.token))
        await tokens.close()
    if options.stack_domain is None:
        findings.append(
            warn(
                "stack domain",
                "there is none",
                "Templates with HEAT_SIGNAL, POLL_SERVER_HEAT or AWS::IAM::User are refused.",
                "Make one with `mantle register-domain`, and say --stack-domain ENTRY.",
            )
        )
    else:
        domain = StackDomain(options.stack_domain)
        findings.append(await _log_in("stack domain", domain.name, domain.check))
        await domain.close()
    return findings


async def _log_in(what: str, name: str, check: Callable[[], Awaitable[str]]) -> Finding:
    try:
        async with asyncio.timeout(6 * PATIENCE_SECONDS):
            await check()
    except (CloudError, TimeoutError) as error:
        said = error.message if isinstance(error, CloudError) else "Keystone does not answer"
        remedy = error.remedy if isinstance(error, CloudError) else ""
        return fail(
            what,
            f"{name}: {said}",
            "Mantle does not start with an account that Keystone refuses.",
            remedy or "Correct the entry in clouds.yaml.",
        )
    return ok(what, f"{name}: logged in")


def _newest(folder: Path) -> float | None:
    try:
        return max(
            (each.stat().st_mtime for each in folder.iterdir() if each.is_file()), default=None
        )
    except OSError:
        return None
