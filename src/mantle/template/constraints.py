"""Checks of values against constraints, for parameters and properties alike.

A check answers why a value does not fit, or None. Custom constraints that ask a cloud are given as
functions by the caller; those that only look at the text are here.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from mantle.lib.patterns import TooSlow, whole_match
from mantle.lib.zones import is_zone
from mantle.model.schema import (
    AllowedPattern,
    AllowedValues,
    Constraint,
    Custom,
    Length,
    Modulo,
    Range,
)
from mantle.template.asked import EXPIRATION, moment_of

Check = Callable[[Any], str | None]

_DNS_LABEL = re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")
_MAC = re.compile(
    r"[0-9a-f]{1,2}([:-])[0-9a-f]{1,2}(\1[0-9a-f]{1,2}){4}"
    r"|[0-9a-f]{1,4}([:.-])[0-9a-f]{1,4}\3[0-9a-f]{1,4}"
    r"|[0-9a-f]{5,6}[:-][0-9a-f]{5,6}|[0-9a-f]{11,12}",
    re.IGNORECASE,
)
"""In pairs, in fours, in sixes, or in one piece."""


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
    if not value:
        return None
    if not text or len(text) > 253:
        return f"{value!r} is no DNS name"
    bad = next((label for label in text.split(".") if not _DNS_LABEL.fullmatch(label)), None)
    return None if bad is None else f"the label {bad!r} of {value!r} is no part of a DNS name"


def _dns_domain(value: Any) -> str | None:
    if value and not str(value).endswith("."):
        return f"{value!r} must end with a dot"
    return _dns(value)


def _json(value: Any) -> str | None:
    if not value:
        return None
    try:
        json.loads(value)
    except (TypeError, ValueError, RecursionError) as error:
        return f"JSON string is invalid: {error}"
    return None


_CRON = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7), (0, 59), (1970, 2099))
"""Minute, hour, day, month, day of the week, and seconds and year where they are given."""
_CRON_NAMES = {
    3: ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    4: ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}


_CRON_WORDS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}


def _cron(value: Any) -> str | None:
    fields = str(value).split()
    if not fields or str(value) in _CRON_WORDS:
        return None
    if len(fields) in {5, 6, 7} and all(_cron_field(at, each) for at, each in enumerate(fields)):
        return None
    return f"Invalid CRON expression: {value}"


def _cron_field(position: int, text: str) -> bool:
    low, high = _CRON[position]
    for item in text.lower().split(","):
        span, slash, step = item.partition("/")
        if slash and not (step.isdecimal() and int(step) > 0):
            return False
        if span in {"*", "?", "l"}:
            continue
        ends = span.split("#", maxsplit=1)[0].split("-")
        numbers = [_cron_number(position, each) for each in ends]
        if len(ends) > 2 or any(each is None or not low <= each <= high for each in numbers):
            return False
    return True


def _cron_number(position: int, text: str) -> int | None:
    names = _CRON_NAMES.get(position, ())
    if text in names:
        return names.index(text) + (1 if position == 3 else 0)
    return int(text) if text.isdecimal() and len(text) <= 4 else None


def _timezone(value: Any) -> str | None:
    return None if not value or is_zone(str(value)) else f"Invalid timezone: {value}"


def _expiration(value: Any) -> str | None:
    """The form only: whether the time is over is asked of whoever has a clock (see `asked.py`)."""
    return f"Expiration {value} is invalid" if value and _moment(value) else None


def _moment(value: Any) -> str | None:
    return None if moment_of(value) is not None else f"{value!r} is no ISO 8601 time"


OWN: Mapping[str, Check] = {
    "ip_addr": _ip,
    "net_cidr": _cidr,
    "ip_or_cidr": lambda value: None if not _ip(value) or not _cidr(value) else "no IP or CIDR",
    "mac_addr": _mac,
    "dns_name": _dns,
    "dns_domain": _dns_domain,
    "rel_dns_name": lambda value: (
        f"{value!r} must not end with a dot" if str(value).endswith(".") else _dns(value)
    ),
    "json_string": _json,
    "cron_expression": _cron,
    "timezone": _timezone,
    EXPIRATION: _expiration,
    "iso_8601": _moment,
    "test_constr": lambda _: None,
}

OF_SERVICES: Mapping[str, str] = {
    "barbican": "container secret",
    "blazar": "reservation",
    "cinder": "backup qos_specs snapshot volume vtype",
    "designate": "zone",
    "glance": "image",
    "ironic": "node portgroup",
    "keystone": "domain group project region role service user",
    "magnum": "cluster_template",
    "manila": "share_network share_snapshot share_type",
    "mistral": "workflow",
    "neutron": "address_scope flow_classifier network port port_pair port_pair_group qos_policy "
    "router security_group segment subnet subnetpool lbaas.listener lbaas.loadbalancer "
    "lbaas.pool lbaas.provider taas.tap_flow taas.tap_service",
    "nova": "flavor host keypair network server",
    "octavia": "availabilityzone availabilityzoneprofile flavor flavorprofile l7policy listener "
    "loadbalancer pool",
    "trove": "flavor",
    "zaqar": "queue",
}
"""Constraints that ask a service (`nova.flavor`), by service: Heat's. They are written down while a
template is loaded (see `asked.py`), and the cloud is asked about all of them at once."""


def asks_more(name: str) -> bool:
    """Whether what fits depends on more than the text: on a cloud, or on what time it is."""
    return name == EXPIRATION or asks_a_service(name)


def asks_a_service(name: str) -> bool:
    """Whether only a cloud can tell what fits."""
    return name.partition(".")[0] in OF_SERVICES


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
                return f"{value} is not a multiple of {step} with an offset of {offset}"
            return None
        case AllowedValues(allowed=allowed):
            items = value if isinstance(value, list) else [value]
            bad = next((item for item in items if item not in allowed), None)
            if all(item in allowed for item in items):
                return None
            shown = ", ".join(str(each) for each in allowed)
            return f'"{bad}" is not an allowed value [{shown}]'
        case AllowedPattern(pattern=pattern):
            try:
                if whole_match(pattern, str(value)):
                    return None
            except TooSlow as error:
                return str(error)
            return f'"{value}" does not match pattern "{pattern}"'
        case Custom(name=name):
            check = custom.get(name) or OWN.get(name)
            return check(value) if check is not None else None


def _length(constraint: Length, value: Any) -> str | None:
    if not isinstance(value, str | list | dict):
        return f"{value} has no length"
    size = len(value)
    low, high = constraint.min, constraint.max
    if (low is None or size >= low) and (high is None or size <= high):
        return None
    return f"length ({size}) is out of range (min: {low}, max: {high})"


def _range(constraint: Range, value: Any) -> str | None:
    if not isinstance(value, int | float):
        return None
    low, high = constraint.min, constraint.max
    if (low is None or value >= low) and (high is None or value <= high):
        return None
    return f"{value} is out of range (min: {low}, max: {high})"


def is_known(name: str, custom: Mapping[str, Check]) -> bool:
    """Whether a custom constraint's name means anything."""
    service, _, what = name.partition(".")
    return name in custom or name in OWN or what in OF_SERVICES.get(service, "").split()
