"""`mantle template`: templates looked at and put in order on this machine, without a server."""

import difflib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from cyclopts import App, Parameter

from mantle import __version__
from mantle.cli.changes import placed
from mantle.cli.exits import Exit, Problem, Stop
from mantle.cli.options import NO_SOURCE, NOTHING, Common, Source, places, source_body

ResultT = TypeVar("ResultT")
LIMIT_BYTES = 4 * 2**20
"""Of one template; the server takes no more either."""


def build_template() -> App:
    """The noun with its verbs."""
    app = App(name="template", help="Check and tidy templates; all but `validate` need no server.")
    app.command(lint)
    app.command(validate)
    app.command(fmt)
    app.command(show)
    app.command(convert)
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


def validate(*, source: Source = NO_SOURCE, common: Common = NOTHING) -> Exit:
    """Have a server check a template against its clouds: all problems at once, then warnings.

    Try:

        mantle template validate -t web.yaml -e production.yaml
    """
    if not source.given:
        raise Stop(Exit.USAGE, "There is no template to validate: -t FILE.", remedy="See --help.")
    gathered = source.gathered()
    screen = common.screen
    with common.client() as client:
        body = source_body(source, gathered)
        answer = placed(lambda: client.post("validate", body=body), places(gathered))
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    screen.say(f"Valid: {len(answer['resources'])} resources, version {answer['version']}.")
    for found in answer["warnings"]:
        where = f"{found['file']}:{found['line']}:{found['column']}"
        screen.say(f"{where}: {found['rule']} {found['message']} {found['fix']}")
    return Exit.OK


def fmt(
    *files: Path,
    check: Annotated[bool, Parameter(negative="")] = False,
    diff: Annotated[bool, Parameter(negative="")] = False,
) -> Exit:
    """Lay templates out: order of sections and keys, two blanks a level, a quoted version.

    Comments stay, and so does the meaning: what comes out is read again and compared. A template
    that cannot be laid out (JSON, for one) is left as it is, and named.

    Try:

        mantle template fmt web.yaml

        mantle template fmt --check --diff *.yaml

    Parameters
    ----------
    files: Templates, written in place.
    check: Write nothing; end with 1 when a file would change.
    diff: Show what changes; writes nothing.
    """
    from mantle.template.rewrite.layout import formatted  # noqa: PLC0415 - as above

    changed = 0
    for place in _some(files):
        text = _read(place)
        result = _of(text, place, formatted)
        if result.left:
            print(f"{place}: left as it is: {result.left}", file=sys.stderr)  # noqa: T201
        if result.text == text:
            continue
        changed += 1
        if diff:
            sys.stdout.writelines(_diff(text, result.text, place))
        elif check:
            print(f"{place}: would be laid out")  # noqa: T201
        else:
            _write(place, result.text)
            print(f"{place}: laid out")  # noqa: T201
    return Exit.FAILED if check and changed else Exit.OK


def show(
    file: Path, /, *, graph: Literal["dot", "mermaid"] | None = None, common: Common = NOTHING
) -> Exit:
    """Sum a template up: parameters, resources with what they depend on, outputs.

    Try:

        mantle template show web.yaml

        mantle template show web.yaml --graph dot | dot -Tsvg > web.svg

    Parameters
    ----------
    file: The template.
    graph: Only the dependencies, for Graphviz (dot) or Markdown (mermaid).
    """
    from mantle.template.rewrite.summary import drawn, summary, told  # noqa: PLC0415 - as above

    found = _of(_read(file), file, summary)
    if graph is not None:
        print(drawn(found, graph))  # noqa: T201
    else:
        common.screen.answer(found.data(), told(found))
    return Exit.OK


def convert(
    file: Path, /, *, output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None
) -> Exit:
    """Carry a CFN template over to HOT.

    What has no equal in HOT is kept as it is and told, with its line; the command then ends with 1.

    Try:

        mantle template convert wordpress.template -o wordpress.yaml

    Parameters
    ----------
    file: The template, in either of the two CFN formats, YAML or JSON.
    output: Where to write; without it, standard output.
    """
    from mantle.template.rewrite.convert import converted  # noqa: PLC0415 - as above

    result = _of(_read(file), file, converted)
    if output is not None:
        _write(output, result.text)
    else:
        sys.stdout.write(result.text)
    for problem in result.problems:
        print(problem, file=sys.stderr)  # noqa: T201
    return Exit.FAILED if result.problems else Exit.OK


def _of(text: str, place: Path, make: Callable[[str, str], ResultT]) -> ResultT:
    """The tool's answer; a template that cannot be read is a refusal with its lines."""
    from mantle.model.errors import Invalid  # noqa: PLC0415 - as above

    try:
        return make(text, str(place))
    except Invalid as error:
        problems = [
            Problem(
                message=each.message,
                code=each.code,
                path=each.where,
                file=each.mark.file if each.mark else None,
                line=each.mark.line if each.mark else None,
                column=each.mark.column if each.mark else None,
                remedy=each.remedy,
            )
            for each in error.problems
        ]
        stop = Stop(Exit.INVALID, error.message, problems=problems)
        stop.places = {str(place): place}
        raise stop from None


def _diff(before: str, after: str, place: Path) -> Iterator[str]:
    for line in difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        str(place),
        f"{place} (laid out)",
    ):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


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
        if place.exists():
            beside.chmod(place.stat().st_mode & 0o777)
        beside.replace(place)
    except OSError as error:
        beside.unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise Stop(Exit.USAGE, f"Cannot write {str(place)!r}: {why}.") from None
