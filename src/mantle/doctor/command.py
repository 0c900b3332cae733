"""`mantle doctor` itself."""

import contextlib
import json
import os
from collections.abc import Iterator

import structlog

from mantle.cli.exits import Exit
from mantle.config import ServerOptions, WrongConfiguration, configure, options_of
from mantle.doctor.findings import Finding, Level, document, fail, lines, worst
from mantle.doctor.looking import look


def examine(options: ServerOptions, *, as_json: bool) -> int:
    """Print what is found; the answer is the exit code."""
    with _quiet():
        findings = found(options)
    if as_json:
        _print(json.dumps(document(findings), indent=2, ensure_ascii=False))
    else:
        for line in lines(findings):
            _print(line)
    return Exit.FAILED if worst(findings) is Level.FAIL else Exit.OK


def found(options: ServerOptions) -> list[Finding]:
    """Everything that there is to say."""
    try:
        configuration = configure(options)
        known = options_of(configuration)
    except WrongConfiguration as error:
        return [fail("configuration", error.message, "No process starts with it.", error.remedy)]
    return list(look(configuration, known, os.environ))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the parts would log is in the findings."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    try:
        yield
    finally:
        structlog.configure(**before)


def _print(line: str) -> None:
    print(line)  # noqa: T201 - the command's answer
