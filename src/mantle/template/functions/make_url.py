"""A URL from its parts."""

from urllib.parse import quote, urlencode

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, wrong

PARTS = {"scheme", "username", "password", "host", "port", "path", "query", "fragment"}


def _check(argument: Value) -> str | None:
    if isinstance(argument, Call):
        return None
    if not isinstance(argument, dict):
        return "needs a map of the URL's parts"
    unknown = sorted(set(argument) - PARTS)
    return f"unknown parts: {', '.join(map(str, unknown))}" if unknown else None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    problem = _check(argument)
    if problem:
        raise wrong(call, problem)
    part = {key: value for key, value in argument.items() if value not in (None, "")}
    scheme = str(part.get("scheme", ""))
    if ":" in scheme:
        raise wrong(call, "the scheme must not hold a colon")
    location = ""
    if "host" in part:
        host = str(part["host"])
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        location = host
        if "port" in part:
            location += f":{_port(part['port'], call)}"
        if "username" in part:
            who = quote(str(part["username"]), "")
            if "password" in part:
                who += ":" + quote(str(part["password"]), "")
            location = f"{who}@{location}"
    path = quote(str(part.get("path", "")), "/")
    if location and path and not path.startswith("/"):
        path = "/" + path
    url = f"{scheme}:" if scheme else ""
    url += f"//{location}" if location or scheme == "file" else ""
    url += path
    query = part.get("query")
    if isinstance(query, dict):
        url += "?" + urlencode({str(k): str(v) for k, v in query.items()}, safe="/")
    elif query is not None:
        url += "?" + quote(str(query), "/=&")
    if "fragment" in part:
        url += "#" + quote(str(part["fragment"]))
    return url


def _port(value: Value, call: Call) -> int:
    try:
        port = int(value)
    except (ValueError, TypeError) as error:
        raise wrong(call, f"the port {value!r} is no number") from error
    if not 1 <= port <= 65535:
        raise wrong(call, f"the port {port} is not between 1 and 65535")
    return port


FUNCTION = Function(
    name="make_url",
    description="Builds a URL from its parts.",
    resolve=_resolve,
    check=_check,
)
