"""Secrets where others can read them."""

import re
from collections.abc import Iterator
from typing import Any

from mantle.template.lint.rule import Found
from mantle.template.lint.view import READS_PARAMETER, View, head

SECRET = re.compile(
    r"(^|[_\-.])(password|passwd|passphrase|secret|private_key|api_key|apikey|token|pwd)s?$",
    re.IGNORECASE,
)
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_NO_SECRETS = {"", "none", "null", "changeme", "true", "false"}


def looks_secret(name: str) -> bool:
    """By its name, in snake or camel case."""
    return SECRET.search(CAMEL.sub("_", name)) is not None


def not_hidden(view: View) -> Iterator[Found]:
    """A parameter whose name says that it is a secret."""
    for name, body in view.parameters.items():
        if looks_secret(name) and str(body.get("hidden", False)).lower() != "true":
            yield Found(("parameters", name), f"Parameter {name!r} looks secret and is shown.")


def hard_coded(view: View) -> Iterator[Found]:
    """A literal secret in a resource."""
    for body, path in view.maps:
        if path[0] != "resources" or len(path) < 3 or path[2] not in {"properties", "metadata"}:
            continue
        for key, value in body.items():
            if _is_secret(str(key), value):
                yield Found((*path, key), f"{key!r} holds a secret that everyone can read here.")


def _is_secret(key: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    if _PRIVATE_KEY.search(value):
        return True
    return looks_secret(key) and value.strip().lower() not in _NO_SECRETS and "$" not in value


def default_secret(view: View) -> Iterator[Found]:
    """A hidden parameter whose default is in the text."""
    for name, body in view.parameters.items():
        default = body.get("default")
        hidden = str(body.get("hidden", False)).lower() == "true"
        if (hidden or looks_secret(name)) and isinstance(default, str) and default:
            path = ("parameters", name, "default")
            yield Found(path, f"Secret parameter {name!r} has a default: everyone can read it.")


def leaking_output(view: View) -> Iterator[Found]:
    """An output that shows a hidden parameter."""
    hidden = {
        name
        for name, body in view.parameters.items()
        if str(body.get("hidden", False)).lower() == "true"
    }
    for use in view.calls(*READS_PARAMETER):
        name = head(use.argument)
        if use.path[0] == "outputs" and name in hidden:
            yield Found(use.path, f"This output shows the hidden parameter {name!r}.")
