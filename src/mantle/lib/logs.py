"""What a process logs: one line an event on standard error, for people or for programs.

Who a line is about is in the context (`about`), not in its words: the request, the operation, the
stack, the engine. No line holds a secret: nothing that holds one is logged, and what looks like one
all the same (in an error of somebody else's, in an address) is masked here, last of all.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, TextIO

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}

MASK = "***"

_NAMES = r"pass(?:word|wd|phrase)?|secret|token|signature|api[_-]?key|authorization|credential"

_SECRET_KEY = re.compile(rf"(?:^|[_-])(?:{_NAMES}|adminpass|private[_-]?key)s?$", re.IGNORECASE)

_SECRETS = (
    # A password in an address.
    (re.compile(r"(://[^/\s:@]*:)[^@\s/]+(@)"), rf"\1{MASK}\2"),
    # name=value and "name": "value", also within other words: X-Auth-Token: …, os_password=…
    (
        re.compile(
            rf"((?:{_NAMES})[\"']?\s*[=:]\s*[\"']?(?:Bearer\s+)?)[^\s\"',;&)}}]+", re.IGNORECASE
        ),
        rf"\1{MASK}",
    ),
    # Fernet tokens, as Keystone gives them, and what our own signed links end with.
    (re.compile(r"\bgAAAA[\w-]{20,}={0,2}"), MASK),
    (re.compile(r"(/signal/)[^\s\"'?]+"), rf"\1{MASK}"),
)


def about(**what: str) -> AbstractContextManager[Any]:
    """Everything that is logged within is about this, in tasks begun within as well."""
    return structlog.contextvars.bound_contextvars(
        **{name: value for name, value in what.items() if value}
    )


def configure(*, as_json: bool = False, level: str = "info", stream: TextIO | None = None) -> None:
    """For the whole process: our own events, and those of the libraries from warnings on."""
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    shown: list[Any]
    if as_json:
        shown = [structlog.processors.format_exc_info, masked, structlog.processors.JSONRenderer()]
    else:
        # Plain tracebacks: rich ones print local variables, and those hold secrets.
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        shown = [structlog.processors.format_exc_info, masked, renderer]
    structlog.configure(
        processors=[*shared, *shown],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shown],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def masked(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The event without what looks like a secret."""
    return {
        key: MASK if _SECRET_KEY.search(key) and value else without_secrets(value)
        for key, value in event.items()
    }


def without_secrets(value: Any) -> Any:
    """A text without what looks like a secret; of anything else, its texts."""
    if isinstance(value, str):
        for pattern, instead in _SECRETS:
            value = pattern.sub(instead, value)
        return value
    if isinstance(value, dict):
        return masked(None, "", value)
    if isinstance(value, list | tuple):
        return [without_secrets(each) for each in value]
    return value if value is None or isinstance(value, int | float) else without_secrets(str(value))
