"""Checks of values against constraints, for parameters and properties alike.

A check answers why a value does not fit, or None. Custom constraints that ask a cloud are given as
functions by the caller; those that only look at the text are here.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import available_timezones

from mantle.model.schema import (
    AllowedPattern,
    AllowedValues,
    Constraint,
    Custom,
    Length,
    Modulo,
    Range,
)

Check = Callable[[Any], str | None]

_DNS_LABEL = re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")
_MAC = re.compile(r"([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}")
_ISO_8601 = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")


def _ip(value: Any) -> str | None:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return "Invalid IP address"
    return None


def _cidr(value: Any) -> str | None:
    text = str(value)
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"Invalid net cidr {text}"
    return None if "/" in text else f"Invalid net cidr {text}"


def _mac(value: Any) -> str | None:
    return None if _MAC.fullmatch(str(value)) else "Invalid MAC address"


def _dns(value: Any) -> str | None:
    text = str(value).rstrip(".")
    if not text or len(text) > 253:
        return f"{value!r} is no DNS name"
    bad = next((label for label in text.split(".") if not _DNS_LABEL.fullmatch(label)), None)
    return None if bad is None else f"the label {bad!r} of {value!r} is no part of a DNS name"


def _json(value: Any) -> str | None:
    try:
        json.loads(value)
    except (TypeError, ValueError) as error:
        return f"JSON string is invalid: {error}"
    return None


def _cron(value: Any) -> str | None:
    fields = str(value).split()
    if len(fields) in {5, 6} and all(re.fullmatch(r"[\w*/,?#-]+", part) for part in fields):
        return None
    return f"Invalid CRON expression: {value}"


def _timezone(value: Any) -> str | None:
    return None if str(value) in available_timezones() else f"Invalid timezone: {value}"


def _expiration(value: Any) -> str | None:
    pattern = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?"
    return None if re.fullmatch(pattern, str(value)) else f"Expiration {value} is invalid"


def _duration(value: Any) -> str | None:
    return None if _ISO_8601.fullmatch(str(value)) else f"{value!r} is no ISO 8601 duration"


OWN: Mapping[str, Check] = {
    "ip_addr": _ip,
    "net_cidr": _cidr,
    "ip_or_cidr": lambda value: None if not _ip(value) or not _cidr(value) else "no IP or CIDR",
    "mac_addr": _mac,
    "dns_name": _dns,
    "dns_domain": lambda value: (
        None if str(value).endswith(".") and not _dns(value) else f"{value!r} must end with a dot"
    ),
    "rel_dns_name": _dns,
    "json_string": _json,
    "cron_expression": _cron,
    "timezone": _timezone,
    "expiration": _expiration,
    "iso_8601": _duration,
    "test_constr": lambda _: None,
}

FAMILIES = (
    "barbican", "blazar", "cinder", "designate", "glance", "ironic", "keystone", "magnum",
    "manila", "mistral", "neutron", "nova", "octavia", "trove", "zaqar",
)  # fmt: skip
"""Services whose constraints (`nova.flavor`) ask the cloud; checked when the resource is made."""


def why_not(constraint: Constraint, value: Any, custom: Mapping[str, Check]) -> str | None:
    """Why the value breaks the constraint; the constraint's own description comes first."""
    found = _why_not(constraint, value, custom)
    return None if found is None else constraint.description or found


def _why_not(constraint: Constraint, value: Any, custom: Mapping[str, Check]) -> str | None:
    match constraint:
        case Length():
            return _length(constraint, value)
        case Range():
            return _range(constraint, value)
        case Modulo(step=step, offset=offset):
            if isinstance(value, int | float) and value % step != offset % step:
                return f"{value} is not a multiple of {step} with an offset of {offset})"
            return None
        case AllowedValues(allowed=allowed):
            items = value if isinstance(value, list) else [value]
            bad = next((item for item in items if item not in allowed), None)
            if all(item in allowed for item in items):
                return None
            shown = ", ".join(str(each) for each in allowed)
            return f'"{bad}" is not an allowed value [{shown}]'
        case AllowedPattern(pattern=pattern):
            if re.fullmatch(pattern, str(value)):
                return None
            return f'"{value}" does not match pattern "{pattern}"'
        case Custom(name=name):
            check = custom.get(name) or OWN.get(name)
            return check(value) if check is not None else None


def _length(constraint: Length, value: Any) -> str | None:
    if not isinstance(value, str | list | dict):
        return None
    size = len(value)
    low, high = constraint.min, constraint.max
    if (low is None or size >= low) and (high is None or size <= high):
        return None
    return f"length ({size}) is out of range (min: {low}, max: {high})"


def _range(constraint: Range, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    low, high = constraint.min, constraint.max
    if (low is None or value >= low) and (high is None or value <= high):
        return None
    return f"{value} is out of range (min: {low}, max: {high})"


def is_known(name: str, custom: Mapping[str, Check]) -> bool:
    """Whether a custom constraint's name means anything."""
    return name in custom or name in OWN or name.split(".", maxsplit=1)[0] in FAMILIES
