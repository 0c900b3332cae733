"""A URL from its parts."""

from typing import Any
from urllib.parse import quote, urlencode, urlunsplit

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, kind, wrong

TEXTS = ("scheme", "username", "password", "host", "path", "fragment")
PARTS = {*TEXTS, "port", "query"}
HIGHEST_PORT = 65535


def _check(argument: Value) -> str | None:
    """What can be told before the parts' values are known."""
    if isinstance(argument, Call):
        return None
    if not isinstance(argument, dict):
        return "needs a map of the URL's parts"
    unknown = sorted(set(argument) - PARTS)
    if unknown:
        return f"unknown parts: {', '.join(map(str, unknown))}"
    known = {key: value for key, value in argument.items() if not isinstance(value, Call)}
    return _unfit(known)


def _unfit(part: dict[str, Any]) -> str | None:
    for name in TEXTS:
        if name in part and not isinstance(part[name], str):
            return f"`{name}` must be a string, not {kind(part[name])}"
    if ":" in part.get("scheme", ""):
        return "`scheme` must not hold a colon"
    if "port" in part:
        try:
            port = int(part["port"])
        except (ValueError, TypeError, OverflowError):
            return f"the port {part['port']!r} is no number"
        if not 1 <= port <= HIGHEST_PORT:
            return f"the port {port} is not between 1 and {HIGHEST_PORT}"
    if not isinstance(part.get("query", {}), dict):
        return f"`query` must be a map, not {kind(part['query'])}"
    return None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    """Each part percent-encoded as its place in a URL needs it; an IPv6 host gets brackets."""
    del scope
    problem = _check(argument)
    if problem:
        raise wrong(call, problem)
    part: dict[str, Any] = argument
    query = urlencode(part.get("query", {})).replace("%2F", "/")
    return urlunsplit(
        (
            part.get("scheme", ""),
            _location(part),
            quote(part.get("path", "")),
            query,
            quote(part.get("fragment", "")),
        )
    )


def _location(part: dict[str, Any]) -> str:
    username, password = (quote(part.get(name, ""), safe="") for name in ("username", "password"))
    who = username + (f":{password}" if password else "")
    host = part.get("host", "")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    host = quote(host, safe=":")
    if ":" in host:
        host = f"[{host}]"
    port = f":{part['port']}" if "port" in part else ""
    return (f"{who}@" if who else "") + host + port


FUNCTION = Function(
    name="make_url",
    description="Builds a URL from its parts.",
    resolve=_resolve,
    check=_check,
)
