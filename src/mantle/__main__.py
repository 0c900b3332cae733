"""The `mantle` command: the client's commands, and those that are or concern the server."""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from mantle.cli.app import build_app, run
from mantle.cli.exits import Exit, Stop
from mantle.config import (
    ServerOptions,
    WrongConfiguration,
    configure,
    login_shown,
    options_of,
)
from mantle.maintenance import build_backup
from mantle.model.errors import MantleError

NOTHING = ServerOptions()


def up(options: ServerOptions = NOTHING) -> int:
    """Run the whole control plane in this process: API, engine, identity, local cloud.

    It stops at Ctrl-C or SIGTERM. Servers of the local cloud go on running and are found again at
    the next start; an operation under way goes on then.

    Each option is also a variable (MANTLE_LISTEN) and a name in the file (listen = "…"); the file's
    table [limits] holds the engine's limits. `mantle config show` prints what holds and why.
    """
    from mantle.wiring import serve  # noqa: PLC0415 - the server

    return serve(options_of(configure(options)))


def api(options: ServerOptions = NOTHING) -> int:
    """Run an API process: it accepts requests; engines perform them. Any number, one database.

    It needs `database`, and a `mantle keeper` for this machine's clouds.
    """
    return _member(options, "api")


def engine(options: ServerOptions = NOTHING) -> int:
    """Run an engine process: it performs what APIs have accepted. Any number, one database.

    At SIGTERM it takes nothing more and hands what it holds to the others; killed, the others take
    over after its lease (`lease_seconds` in [limits], 12 by default).
    """
    return _member(options, "engine")


def keeper(options: ServerOptions = NOTHING) -> int:
    """Hold this machine's clouds (local and simulated) for several processes, behind a socket."""
    from mantle.wiring import serve_keeper  # noqa: PLC0415 - the server

    return serve_keeper(options_of(configure(options)))


def migrate(options: ServerOptions = NOTHING) -> int:
    """Bring the database to this release's tables. Older processes go on working meanwhile."""
    from mantle.wiring import migrate_database  # noqa: PLC0415 - the server

    before, after = migrate_database(options_of(configure(options)))
    same = before == after
    _print(f"at {after} already" if same else f"from {before or 'nothing'} to {after}")
    return Exit.OK


def show(
    options: ServerOptions = NOTHING,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Print every value and where it is from: an option, the environment, a file, the default.

    Passwords are masked.
    """
    found = configure(options)
    options_of(found)
    rows = [*found.known.values(), *found.limits.values()]
    log_ins = {each.name: login_shown(found, each.name) for each in rows}
    if as_json:
        shown = {
            each.name: {"value": each.shown, "source": each.source}
            | ({"log_in": log_ins[each.name]} if log_ins[each.name] else {})
            for each in rows
        }
        _print(json.dumps(shown, indent=2))
        return Exit.OK
    names = max(len(each.name) for each in rows)
    values = min(60, max(len(each.shown) for each in rows))
    for each in rows:
        _print(f"{each.name:{names}}  {each.shown:{values}}  {each.source}")
        if log_ins[each.name]:
            _print(f"{'':{names}}  {log_ins[each.name]}")
    return Exit.OK


def keys_new(file: Path | None = None, /, options: ServerOptions = NOTHING) -> int:
    """Make a key: in a new key file, or as the next one of a file that there is.

    A new key file is readable by its owner only. Keep a copy of it apart from the copies of the
    database: without it the secrets in the database are lost. In a file that there is, the key is
    added at the end: it opens, and seals nothing yet. Give every process the file, then exchange
    the keys with `mantle keys rotate`.

    Args:
        file: Where; without it the file that --secrets-keys names, or `keys` in the data folder.
        options: What a server process goes by.
    """
    from mantle.keys import new  # noqa: PLC0415 - the server

    return new(file, options_of(configure(options)))


def keys_list(
    options: ServerOptions = NOTHING,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """List the keys, what each is for, and how many values in the database it has sealed.

    A key that has sealed nothing that is there now is only needed for backups of before.
    """
    from mantle.keys import show  # noqa: PLC0415 - the server

    return show(options_of(configure(options)), as_json=as_json)


def keys_rotate(options: ServerOptions = NOTHING) -> int:
    """Seal everything in the database with the newest key, while the control plane runs.

    A key that `mantle keys new` has added becomes the first. Values that an earlier release or
    `--secrets-keys none` left plain are sealed, too. It works in small batches and can be killed:
    the next run goes on. Older keys stay in the file, for backups of before.
    """
    from mantle.keys import rotate  # noqa: PLC0415 - the server

    return rotate(options_of(configure(options)))


def doctor(
    options: ServerOptions = NOTHING,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Look at this deployment and say what is wrong, why it matters, and what to do.

    It needs no running server and changes nothing: it looks at the configuration, files and their
    modes, disk, ports, the database and its tables, clocks, engines and their leases, the queue,
    stuck operations, event sinks, backups, the keeper, and logs in to the clouds. Run it as the
    user, and with the options and variables, that the processes run with.

    The exit code is 0 when nothing is broken (warnings included), else 1.
    """
    from mantle.doctor.command import examine  # noqa: PLC0415 - the server

    return examine(options, as_json=as_json)


def _member(options: ServerOptions, role: str) -> int:
    found = options_of(configure(options))
    if found.database is None:
        raise Stop(
            Exit.USAGE,
            f"mantle {role} needs a database that several processes can share.",
            remedy="Give --database postgresql://…, or run everything in one: mantle up.",
        )
    if found.secrets_keys is None:
        raise Stop(
            Exit.USAGE,
            f"mantle {role} needs the keys that secrets in the database are sealed with.",
            remedy="Make a key file once (mantle keys new FILE), give each process on this "
            "database a copy, and say --secrets-keys FILE or MANTLE_SECRETS_KEYS.",
        )
    from mantle.wiring import serve_api, serve_engine  # noqa: PLC0415 - the server

    return (serve_api if role == "api" else serve_engine)(found)


def _print(line: str) -> None:
    print(line)  # noqa: T201 - the command's answer


def _checked(command: Callable[..., int]) -> Callable[..., int]:
    """Wrong configuration is wrong usage: a sentence for each mistake."""

    @functools.wraps(command)
    def run_checked(*arguments: object, **more: object) -> int:
        try:
            return command(*arguments, **more)
        except WrongConfiguration as error:
            raise Stop(Exit.USAGE, error.message, remedy=error.remedy) from error
        except MantleError as error:
            raise Stop(Exit.FAILED, error.message, remedy=error.remedy) from error

    return run_checked


def build() -> App:
    """All commands."""
    app = build_app()
    for command in (up, api, engine, keeper, migrate, doctor):
        app.command(_checked(command), name=command.__name__)
    app.command(build_backup(_checked))
    config = App(name="config", help="What a server process goes by.")
    config.command(_checked(show), name="show")
    app.command(config)
    keys = App(name="keys", help="The keys that secrets in the database are sealed with.")
    for name, verb in (("new", keys_new), ("list", keys_list), ("rotate", keys_rotate)):
        keys.command(_checked(verb), name=name)
    app.command(keys)
    return app


def main() -> int:
    """Entry point of the `mantle` command."""
    return run(build())


if __name__ == "__main__":
    sys.exit(main())
