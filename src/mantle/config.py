"""The server's configuration: each value from an option, the environment, a file, or its default.

`ServerOptions` is the one table of what there is: its fields are the options of `mantle up`, `api`,
`engine` and the others, the names in the file (TOML), and, as MANTLE_NAME, the variables. An option
wins over a variable, a variable over the file. Engine limits (`engine/settings.py`) are the file's
table `[limits]` and the variables MANTLE_LIMIT_NAME. All that is wrong is told at once.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from cyclopts import Parameter

from mantle.model.errors import MantleError

if TYPE_CHECKING:
    from mantle.backups.schedule import Schedule
    from mantle.clouds.openstack import Entry
    from mantle.engine.settings import Settings
    from mantle.wiring import Options

DEFAULT_FILES = (Path("/etc/mantle/mantle.toml"),)
"""Read when no file is named; one that is not there is no mistake then."""

NOT_IN_FILES = {"limits", "config"}


class WrongConfiguration(MantleError):
    """Something is configured that cannot be; names all of it and where it stands."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What a server process may be told. None: not told."""

    config: Annotated[
        Path | None,
        Parameter(help="A TOML file with any of these. Default: /etc/mantle/mantle.toml."),
    ] = None
    data_dir: Annotated[
        Path | None, Parameter(help="Where everything is kept. Default: ~/.local/share/mantle.")
    ] = None
    database: Annotated[
        str | None,
        Parameter(
            help="postgresql://… for several APIs and engines; default: SQLite in the data folder."
        ),
    ] = None
    listen: Annotated[
        str | None,
        Parameter(
            help="HOST:PORT to listen on. Keep it on the loopback unless a TLS proxy stands in "
            "front. Default: 127.0.0.1:8778."
        ),
    ] = None
    metrics_listen: Annotated[
        str | None,
        Parameter(
            help="HOST:PORT for /metrics alone, for Prometheus; engines and keepers have no other. "
            "Default: only at /metrics of an API."
        ),
    ] = None
    log_format: Annotated[
        Literal["text", "json"] | None,
        Parameter(help="How events are logged on standard error. Default: text."),
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning"] | None,
        Parameter(help="What is logged; debug has every request. Default: info."),
    ] = None
    trace_to: Annotated[
        str | None,
        Parameter(
            help="A collector's OTLP over HTTP, such as http://127.0.0.1:4318, to which traces "
            "go. Needs the extra mantle[otel]. Default: nothing is traced."
        ),
    ] = None
    public_url: Annotated[
        str | None,
        Parameter(help="How others reach this control plane, such as a proxy's https://…"),
    ] = None
    cfn_listen: Annotated[
        str | None,
        Parameter(
            help="HOST:PORT for the CFN-compatible API alone, with paths as Heat's own (8000 is "
            "usual there). It also answers below /cfn on the port above."
        ),
    ] = None
    cloud: Annotated[
        str | None,
        Parameter(
            help="Where stacks go unless they say otherwise: local (default), simulated, or one of "
            "--openstack."
        ),
    ] = None
    keeper: Annotated[
        Path | None,
        Parameter(
            help="Socket of a `mantle keeper`, which holds this machine's clouds for several "
            "processes. Default for api and engine: keeper.sock in the data folder."
        ),
    ] = None
    keystone_url: Annotated[
        str | None,
        Parameter(help="Check tokens at this Keystone instead of the embedded identity service."),
    ] = None
    service_account: Annotated[
        str | None,
        Parameter(
            help="The entry of clouds.yaml that is Mantle's own account at --keystone-url, to ask "
            "about tokens and signatures with. Default: a token is asked about with itself, and "
            "EC2 keys of Keystone's are not taken."
        ),
    ] = None
    stack_domain: Annotated[
        str | None,
        Parameter(
            help="The entry of clouds.yaml that administers the domain of stacks' users at "
            "--keystone-url (`mantle register-domain` makes both). Default: what needs such users "
            "is refused."
        ),
    ] = None
    loopback_block: Annotated[
        str | None,
        Parameter(help="Where the local cloud's addresses come from, such as 127.96.0.0/12."),
    ] = None
    destinations: Annotated[
        str | None,
        Parameter(
            help="Where requests to addresses that users name may go (templates by URL, event "
            "sinks, other Heats): public (default), none, networks such as 10.1.0.0/16 and host "
            "names, separated by commas."
        ),
    ] = None
    environment_dir: Annotated[
        Path | None,
        Parameter(help="A folder of environment files that lie under every stack's environment."),
    ] = None
    openstack: Annotated[
        str | None,
        Parameter(
            help="Clouds of clouds.yaml, separated by commas: ENTRY, ENTRY@REGION. With the "
            "embedded identity service ENTRY=PROJECT: the entry's project serves that project of "
            "Mantle's, and no other."
        ),
    ] = None
    openstack_by: Annotated[
        str | None,
        Parameter(
            help="How work goes on in a project of --keystone-url: entry (default): the entry's "
            "user has a role there; trust: each user leaves a trust with the first request that "
            "needs one, and the entry's user needs no role."
        ),
    ] = None
    openstack_config: Annotated[
        Path | None,
        Parameter(help="The clouds.yaml they are in. Default: where openstack clients look."),
    ] = None
    secrets_keys: Annotated[
        Path | None,
        Parameter(
            help="The file with the keys that secrets in the database are sealed with; `mantle "
            "keys new FILE` makes one. Every process on one database has the same. Default "
            "without --database: keys in the data folder, made at the first start. `none`: "
            "nothing is sealed."
        ),
    ] = None
    secret_parameters: Annotated[
        str | None,
        Parameter(
            help="Names of parameters, separated by commas, that are sealed in the database as "
            "hidden ones are, though they are shown; * stands for any text."
        ),
    ] = None
    backup_dir: Annotated[
        Path | None,
        Parameter(help="Where backups are. Default: backups in the data folder."),
    ] = None
    backup_every: Annotated[
        str | None,
        Parameter(
            help="Take a backup this often: 30m, 6h, 1d. Of several engines one does. "
            "Default: never by itself."
        ),
    ] = None
    backup_keep: Annotated[
        str | None,
        Parameter(
            help="Which of them stay when one was taken: 14 (the newest), or such as "
            "'3, 7 daily, 4 weekly, 12 monthly'. Default: 14."
        ),
    ] = None
    backup_key_file: Annotated[
        Path | None,
        Parameter(help="A file with a passphrase or random bytes: backups are encrypted with it."),
    ] = None
    max_template_size: Annotated[
        int | None,
        Parameter(help="Bytes that a template may have, nested ones too. Default: 4194304."),
    ] = None
    max_nested_depth: Annotated[
        int | None, Parameter(help="Levels of stacks below the first. Default: 5.")
    ] = None
    max_resources_per_stack: Annotated[
        int | None,
        Parameter(
            help="Resources of a stack with all that is nested in it; -1 is no limit. "
            "Default: 50000."
        ),
    ] = None
    max_stacks_per_project: Annotated[
        int | None,
        Parameter(
            help="Stacks that a project may have; -1 is no limit. Default: 512. For this and what "
            "follows an administrator can set another limit for one project: mantle project "
            "set-limit."
        ),
    ] = None
    max_operations_per_project: Annotated[
        int | None,
        Parameter(
            help="Operations of a project that may be under way at once; -1 is no limit. "
            "Default: 256."
        ),
    ] = None
    max_snapshots_per_stack: Annotated[
        int | None,
        Parameter(help="Snapshots that a stack may have; -1 is no limit. Default: 32."),
    ] = None
    hidden_stack_tags: Annotated[
        str | None,
        Parameter(
            help="Tags, separated by commas: stacks with one of them are left out of listings. "
            "Default: data-processing-cluster."
        ),
    ] = None


INTERVAL_SECONDS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_INTERVAL = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
LEAST_INTERVAL_SECONDS = 10

DEFAULTS: Mapping[str, Any] = {
    "listen": "127.0.0.1:8778",
    "cloud": "local",
    "log_format": "text",
    "log_level": "info",
    "destinations": "public",
    "openstack": "",
    "openstack_by": "entry",
    "backup_keep": "14",
}


LEAST: Mapping[str, int] = {
    "max_template_size": 1024,
    "max_nested_depth": 0,
    "max_resources_per_stack": -1,
    "max_stacks_per_project": -1,
    "max_operations_per_project": -1,
    "max_snapshots_per_stack": -1,
}
"""The options that are limits of the engine, with the least each may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One value and where it is from."""

    name: str
    value: Any
    source: str
    """`option`, `MANTLE_…`, a file's path, or `default`."""

    @property
    def shown(self) -> str:
        """For people: passwords masked, nothing for what is not set."""
        if self.value is None:
            return ""
        if self.name == "database":
            return masked(str(self.value))
        return str(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a server process goes by."""

    known: Mapping[str, Known]
    limits: Mapping[str, Known]
    """Those of the engine's limits that are not the default."""

    def __getitem__(self, name: str) -> Any:
        return self.known[name].value


def masked(url: str) -> str:
    """A URL without the password in it."""
    scheme, mark, rest = url.partition("://")
    account, at, host = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    return f"{scheme}{mark}{user}{colon}{'***' if colon else ''}{at}{host}" if at else url


def configure(options: ServerOptions, environ: Mapping[str, str] | None = None) -> Configuration:
    """Gather and check; `WrongConfiguration` lists all that is wrong."""
    environ = os.environ if environ is None else environ
    wrong: list[str] = []
    named = options.config or (
        Path(environ["MANTLE_CONFIG"]) if environ.get("MANTLE_CONFIG") else None
    )
    path, told = _file(named, wrong)
    limits_told = told.pop("limits", {})
    if not isinstance(limits_told, dict):
        wrong.append(f"limits in {path} is a table: [limits]")
        limits_told = {}
    types = get_type_hints(ServerOptions)
    names = [each.name for each in fields(ServerOptions) if each.name != "config"]
    wrong += _strangers(told, names, f"in {path}")
    known = {}
    for name in names:
        sources = [
            ("option", getattr(options, name)),
            (f"MANTLE_{name.upper()}", environ.get(f"MANTLE_{name.upper()}") or None),
            (str(path), told.get(name)),
            ("default", DEFAULTS.get(name)),
        ]
        known[name] = _first(name, types[name], sources, wrong)
    limits = dict(_limits(limits_told, environ, str(path), wrong))
    if wrong:
        raise WrongConfiguration(
            "The configuration is wrong: " + "; ".join(wrong) + ".",
            remedy="`mantle config show` prints every value and where it is from.",
        )
    return Configuration(known=known, limits=limits)


def _file(named: Path | None, wrong: list[str]) -> tuple[Path | None, dict[str, Any]]:
    for path in (named,) if named else DEFAULT_FILES:
        try:
            return path, tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if named:
                wrong.append(f"there is no file {path}")
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            wrong.append(f"{path}: {error}")
    return named, {}


def _strangers(told: Mapping[str, Any], names: list[str], where: str) -> Iterator[str]:
    for name in sorted(set(told) - set(names)):
        near = difflib.get_close_matches(name, names, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        yield f"there is no {name!r} {where}{hint}"


def _first(name: str, kind: Any, sources: list[tuple[str, Any]], wrong: list[str]) -> Known:
    for source, value in sources:
        if value is None:
            continue
        plain = str(value) if isinstance(value, Path) else value
        path = kind in {Path, Path | None}
        try:
            checked = msgspec.convert(plain, str if path else _plain(kind), strict=False)
        except msgspec.ValidationError as error:
            wrong.append(f"{name} ({source}): {error}")
            continue
        return Known(name=name, value=Path(checked) if path and checked else checked, source=source)
    return Known(name=name, value=None, source="default")


def _plain(kind: Any) -> Any:
    """The type without None: what is there at all is not None."""
    return next(iter(each for each in get_args(kind) if each is not NoneType), kind)


def _limits(
    told: Mapping[str, Any], environ: Mapping[str, str], path: str, wrong: list[str]
) -> Iterator[tuple[str, Known]]:
    from mantle.engine.settings import Settings  # noqa: PLC0415 - the server

    types = {
        name: kind for name, kind in get_type_hints(Settings).items() if kind in {int, float, bool}
    }
    prefix = "MANTLE_LIMIT_"
    from_environ = {
        name.removeprefix(prefix).lower(): value
        for name, value in environ.items()
        if name.startswith(prefix)
    }
    wrong += _strangers(told, sorted(types), f"in [limits] of {path}")
    wrong += _strangers(from_environ, sorted(types), f"among the limits ({prefix}…)")
    for name, kind in types.items():
        sources = [
            (f"{prefix}{name.upper()}", from_environ.get(name)),
            (path, told.get(name)),
        ]
        found = _first(name, kind, sources, wrong)
        if found.value is None:
            continue
        if not isinstance(found.value, bool) and found.value < (-1 if kind is int else 0):
            wrong.append(f"{name} ({found.source}): must not be negative")
        yield name, found


# --- what the parts are built from -----------------------------------------------------------


def options_of(found: Configuration) -> "Options":
    """The server's options; `WrongConfiguration` names what cannot be."""
    from mantle.wiring import NO_KEYS, Options, default_data_dir  # noqa: PLC0415 - the server

    wrong: list[str] = []
    host, port = address(found, "listen", wrong)
    cfn_host, cfn_port = address(found, "cfn_listen", wrong) if found["cfn_listen"] else ("", 0)
    metrics_host, metrics_port = (
        address(found, "metrics_listen", wrong) if found["metrics_listen"] else ("", 0)
    )
    data_dir = (found["data_dir"] or default_data_dir()).absolute()
    folder, keeper, keys = found["environment_dir"], found["keeper"], found["secrets_keys"]
    if found["database"] and not found["database"].startswith(("postgresql://", "postgres://")):
        wrong.append("database takes postgresql://USER:PASSWORD@HOST:PORT/NAME")
    options = Options(
        data_dir=data_dir,
        database=found["database"],
        keeper=keeper.absolute() if keeper else None,
        public_url=found["public_url"],
        host=host,
        port=port,
        cfn_host=cfn_host,
        cfn_port=cfn_port,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        log_format=found["log_format"],
        log_level=found["log_level"],
        trace_to=found["trace_to"],
        keystone_url=found["keystone_url"],
        service_account=_own_entry(found, "service_account", wrong),
        stack_domain=_own_entry(found, "stack_domain", wrong),
        default_cloud=found["cloud"],
        loopback_block=found["loopback_block"],
        environment_dir=folder.absolute() if folder else None,
        secrets_keys=keys if keys is None or keys == NO_KEYS else keys.absolute(),
        openstack=_entries(found, wrong),
        trusts=_by_trust(found, wrong),
        settings=settings_of(found, wrong),
        backups=_schedule(found, data_dir, wrong),
    )
    if wrong:
        raise WrongConfiguration(
            "The configuration is wrong: " + "; ".join(wrong) + ".",
            remedy="`mantle config show` prints every value and where it is from.",
        )
    return options


def address(found: Configuration, name: str, wrong: list[str]) -> tuple[str, int]:
    """HOST:PORT in two."""
    given = found[name]
    host, _, port = given.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        wrong.append(f"--{name.replace('_', '-')} takes HOST:PORT, not {given!r}")
        return "", 0
    return host, int(port)


def settings_of(found: Configuration, wrong: list[str]) -> "Settings":
    """The engine's limits."""
    from mantle.engine.settings import Settings  # noqa: PLC0415 - the server
    from mantle.lib.outbound import destinations_of  # noqa: PLC0415 - the server

    limits: dict[str, Any] = {name: known.value for name, known in found.limits.items()}
    settings = replace(Settings(), **limits)
    try:
        settings = replace(settings, destinations=destinations_of(found["destinations"]))
    except ValueError as error:
        wrong.append(f"--destinations {found['destinations']!r}: {error}")
    numbers: dict[str, Any] = {}
    for name, least in LEAST.items():
        value = found[name]
        if value is None:
            continue
        if value < least:
            wrong.append(f"--{name.replace('_', '-')} is at least {least}, not {value}")
        numbers[name.removeprefix("max_")] = value
    bounds = settings.bounds
    if "template_size" in numbers:
        bounds = replace(bounds, template_bytes=numbers.pop("template_size"))
    if "nested_depth" in numbers:
        bounds = replace(bounds, nesting=numbers.pop("nested_depth"))
    for name in ("hidden_stack_tags", "secret_parameters"):
        if found[name] is not None:
            words = map(str.strip, found[name].split(","))
            numbers[name] = tuple(filter(None, words))
    return replace(settings, bounds=bounds, **numbers)


def backup_dir_of(found: Configuration, data_dir: Path) -> Path:
    """The folder of backups."""
    return (found["backup_dir"] or data_dir / "backups").absolute()


def _schedule(found: Configuration, data_dir: Path, wrong: list[str]) -> "Schedule | None":
    """None: no backups by itself."""
    from mantle.backups.keeping import keep_of  # noqa: PLC0415 - the server
    from mantle.backups.schedule import Schedule  # noqa: PLC0415 - the server

    try:
        keep = keep_of(found["backup_keep"])
    except ValueError as error:
        wrong.append(f"--backup-keep: {error}")
        return None
    if found["backup_every"] is None:
        return None
    every = _INTERVAL.fullmatch(found["backup_every"].strip())
    seconds = int(every[1]) * INTERVAL_SECONDS[every[2]] if every else 0
    if seconds < LEAST_INTERVAL_SECONDS:
        wrong.append(f"--backup-every takes 30m, 6h or 1d, not {found['backup_every']!r}")
        return None
    key_file = found["backup_key_file"]
    return Schedule(
        folder=backup_dir_of(found, data_dir),
        every_seconds=seconds,
        keep=keep,
        key_file=key_file.absolute() if key_file else None,
    )


def _by_trust(found: Configuration, wrong: list[str]) -> bool:
    by = found["openstack_by"]
    if by not in {"entry", "trust"}:
        wrong.append("openstack-by is entry or trust")
    if by == "trust" and not found["keystone_url"]:
        wrong.append("openstack-by trust needs keystone-url: trusts are that Keystone's")
    return bool(by == "trust")


def _own_entry(found: Configuration, name: str, wrong: list[str]) -> "Entry | None":
    """An entry of clouds.yaml that is no cloud, but a log-in of Mantle's."""
    from mantle.clouds.openstack import Entry, login_of  # noqa: PLC0415 - the server

    given, file = found[name], found["openstack_config"]
    if given is None:
        return None
    option = name.replace("_", "-")
    if not found["keystone_url"]:
        wrong.append(f"{option} needs keystone-url: it is an account there")
        return None
    where, _, region = given.partition("@")
    entry = Entry(
        name=where, region=region or None, file=file.absolute() if file is not None else None
    )
    if login_of(entry) is None:
        wrong.append(f"{option}: no clouds.yaml has an entry {where!r} with a log-in")
    return entry


def login_shown(found: Configuration, name: str) -> str:
    """How such an entry logs in, secrets masked; empty for what is no such entry."""
    entry = _own_entry(found, name, []) if name in {"service_account", "stack_domain"} else None
    if entry is None:
        return ""
    from mantle.clouds.openstack import login_of  # noqa: PLC0415 - the server

    return str(login_of(entry) or "not in clouds.yaml")


def _entries(found: Configuration, wrong: list[str]) -> "tuple[Entry, ...]":
    """`real-demo@RegionOne=demo,other`."""
    from mantle.clouds.openstack import Entry  # noqa: PLC0415 - the server

    file = found["openstack_config"]
    entries = []
    for part in filter(None, map(str.strip, found["openstack"].split(","))):
        where, _, project = part.partition("=")
        name, _, region = where.partition("@")
        if not name:
            wrong.append(f"--openstack takes ENTRY[@REGION][=PROJECT], not {part!r}")
            continue
        entries.append(
            Entry(
                name=name,
                region=region or None,
                project=project or None,
                file=file.absolute() if file else None,
            )
        )
    return tuple(entries)
