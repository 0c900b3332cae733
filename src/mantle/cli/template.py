"""`mantle template`: templates looked at and put in order on this machine, without a server."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from mantle import __version__
from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, Common

LIMIT_BYTES = 4 * 2**20
"""Of one template; the server takes no more either."""


def build_template() -> App:
    """The noun with its verbs."""
    app = App(name="template", help="Check and tidy templates on this machine; no server needed.")
    app.command(lint)
    return app


def lint(
    *files: Path,
    format: Literal["text", "json", "sarif", "github"] = "text",  # noqa: A002 - the option's name
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    fix: Annotated[bool, Parameter(negative="")] = False,
    common: Common = NOTHING,
) -> Exit:
    """Warn of what a template says and its author hardly meant.

    Ends with 1 when it found an error or a warning; notes alone do not count. A finding that is
    meant is silenced by a comment on its line or the one above: `# mantle: ignore MTL004`, or for
    the whole file: `# mantle: ignore-file MTL004`.

    Try:

        mantle template lint web.yaml

        mantle template lint --format sarif --ignore MTL043 *.yaml

    Parameters
    ----------
    files: Templates, HOT or CFN.
    format: text with the lines in question, json, sarif (code scanning) or github (annotations).
    select: Only rules whose id begins so; repeatable.
    ignore: Not the rules whose id begins so; repeatable.
    fix: Repair first what can be repaired without changing what the template means.
    """
    from mantle.template.lint import report  # noqa: PLC0415 - only where it is needed
    from mantle.template.lint.fix import fixed  # noqa: PLC0415
    from mantle.template.lint.run import lint as look  # noqa: PLC0415

    texts = {str(place): _read(place) for place in _some(files)}
    found = []
    for name, text in texts.items():
        warned = look(text, name, select=select, ignore=ignore)
        if fix:
            better = fixed(text, name, select=select, ignore=ignore)
            if better != text:
                _write(Path(name), better)
                texts[name] = better
                warned = look(better, name, select=select, ignore=ignore)
        found += warned
    chosen = "json" if common.json else format
    written = {
        "text": lambda: report.as_text(found, texts),
        "json": lambda: report.as_json(found),
        "sarif": lambda: report.as_sarif(found, __version__),
        "github": lambda: report.as_github(found),
    }[chosen]()
    if written:
        print(written)  # noqa: T201 - this is the command line's own door
    return Exit.FAILED if report.fails(found) else Exit.OK


def _some(files: tuple[Path, ...]) -> tuple[Path, ...]:
    if not files:
        raise Stop(Exit.USAGE, "Name at least one template.")
    return files


def _read(place: Path) -> str:
    try:
        if place.stat().st_size > LIMIT_BYTES:
            raise Stop(Exit.INVALID, f"{place} is larger than {LIMIT_BYTES // 2**20} MiB.")
        with place.open(encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError:
        raise Stop(Exit.INVALID, f"{place} is not text in UTF-8.") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise Stop(Exit.USAGE, f"Cannot read {str(place)!r}: {why}.") from None


def _write(place: Path, text: str) -> None:
    """Whole or not at all: a new file takes the old one's name."""
    beside = place.with_name(f".{place.name}.new")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        beside.chmod(place.stat().st_mode & 0o777)
        beside.replace(place)
    except OSError as error:
        beside.unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise Stop(Exit.USAGE, f"Cannot write {str(place)!r}: {why}.") from None
