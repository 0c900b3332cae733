"""What a service's refusal means to Mantle: one table, read from the top; the first row that fits.

OpenStack's services say the same thing in different ways: a used-up quota is a 403 of Nova, a 413
of Cinder, a 409 of Neutron. Where a code or a type tells it, that is what is matched; where only
the text does, the pattern stands in the table and nowhere else.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mantle.clouds.ports import (
    Clash,
    CloudError,
    Denied,
    Exhausted,
    Missing,
    Refused,
    Unavailable,
)


class Service(Enum):
    """The services Mantle speaks with, by the first of their names in the catalog."""

    IDENTITY = "identity"
    COMPUTE = "compute"
    NETWORK = "network"
    VOLUME = "block-storage"
    IMAGE = "image"
    BALANCER = "load-balancer"

    @property
    def types(self) -> tuple[str, ...]:
        """Names it has in catalogs of all ages."""
        return _FACTS[self][0]

    @property
    def attribute(self) -> str:
        """Of the SDK's connection."""
        return _FACTS[self][1]

    @property
    def title(self) -> str:
        """As people call it."""
        return _FACTS[self][2]


_FACTS = {
    Service.IDENTITY: (("identity",), "identity", "Keystone"),
    Service.COMPUTE: (("compute",), "compute", "Nova"),
    Service.NETWORK: (("network",), "network", "Neutron"),
    Service.VOLUME: (
        ("block-storage", "volumev3", "block-store", "volume"),
        "block_storage",
        "Cinder",
    ),
    Service.IMAGE: (("image",), "image", "Glance"),
    Service.BALANCER: (("load-balancer",), "load_balancer", "Octavia"),
}


class Lost(Unavailable):
    """No answer came. Whether the deed was done is not known."""


class Busy(Unavailable):
    """Turned away before anything was done: too many requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One meaning. Empty parts fit everything; all given parts must fit."""

    error: type[CloudError]
    statuses: range | tuple[int, ...]
    service: Service | None = None
    methods: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    """Neutron's names of its errors."""
    pattern: str = ""
    remedy: str = ""


FREE = "Free something of the project, or ask the operator for a larger quota."
LATER = "It is tried again; if it stays, ask the operator, naming the request."
IN_USE = "Delete what uses it first."

TABLE: Sequence[Row] = (
    # Too many requests: nothing was done. Old Novas say 413 and when to come back.
    Row(error=Busy, statuses=(429,), remedy=LATER),
    Row(error=Busy, statuses=(413,), pattern=r"rate.?limit|retry later", remedy=LATER),
    # Quotas and capacity.
    Row(error=Exhausted, statuses=(413,), remedy=FREE),
    Row(error=Exhausted, statuses=(409,), types=("OverQuota",), remedy=FREE),
    Row(
        error=Exhausted,
        statuses=(409,),
        types=("IpAddressGenerationFailure", "ExternalIpAddressExhausted"),
        remedy="Use a larger subnet, or free some of its addresses.",
    ),
    Row(error=Exhausted, statuses=(403,), pattern=r"quota|exceeded|too many", remedy=FREE),
    # Rights.
    # Wrong credentials are told by the log-in (`door`). A service that turns a fresh token away
    # cannot check it now, which says nothing of the object: it must not be taken for absent.
    Row(
        error=Unavailable,
        statuses=(401,),
        remedy="Nothing was done. If it lasts, see whether this service reaches Keystone.",
    ),
    Row(
        error=Denied,
        statuses=(403,),
        remedy="Ask the operator for a role that may do this.",
    ),
    # What is created names something that is not there.
    Row(
        error=Refused,
        statuses=(404,),
        types=("ExternalGatewayForFloatingIPNotFound",),
        remedy="Connect the port's subnet to the external network with a router.",
    ),
    Row(
        error=Refused,
        statuses=(404,),
        methods=("POST",),
        pattern=r"could not be found|not found|does not exist|no such",
        remedy="Name something that exists in this project.",
    ),
    Row(error=Missing, statuses=(404, 410)),
    # In use, or in a state that will pass.
    Row(
        error=Clash,
        statuses=(400,),
        pattern=r"status must be|in.use|has children|is attached|still in use|is busy"
        r"|immutable|cannot delete .* it has",
        remedy=IN_USE,
    ),
    # For ever so.
    Row(
        error=Refused,
        statuses=(409,),
        pattern=r"already exists|multiple possible networks|overlaps with",
        remedy="Choose another name or address, or say which one is meant.",
    ),
    Row(error=Clash, statuses=(409, 412, 423), remedy=IN_USE),
    Row(error=Refused, statuses=range(400, 500), remedy="Correct the properties."),
    Row(error=Unavailable, statuses=range(500, 600), remedy=LATER),
)


def meaning(
    service: Service, method: str, path: str, status: int, body: Any, text: str, request_id: str
) -> CloudError | None:
    """The error that an answer means, with service, call and request id; None when it is none."""
    if status < 400:
        return None
    kind, said = _said(body, text)
    row = next((row for row in TABLE if _fits(row, service, method, status, kind, said)), None)
    error = row.error if row is not None else Refused
    where = f", request {request_id}" if request_id else ""
    return error(
        f"{service.title}: {method} {path} answered {status}: {said}{where}".strip(),
        remedy=row.remedy if row is not None else "",
    )


def _fits(row: Row, service: Service, method: str, status: int, kind: str, said: str) -> bool:
    return (
        status in row.statuses
        and row.service in {None, service}
        and (not row.methods or method in row.methods)
        and (not row.types or kind in row.types)
        and (not row.pattern or re.search(row.pattern, said, re.IGNORECASE) is not None)
    )


def _said(body: Any, text: str) -> tuple[str, str]:
    """(Neutron's error type or nothing, the message), from each service's own envelope."""
    match body:
        case {"NeutronError": {"type": kind, "message": message}}:
            return str(kind), _line(message)
        case {"NeutronError": str(message)}:
            return "", _line(message)
        case {"faultstring": message}:
            return "", _line(message)
        case {"errors": [{"detail": message}, *_]}:
            return "", _line(message)
        case {"message": str(message)}:
            return "", _line(message)
        case dict() if body:
            inner = next(iter(body.values()))
            message = inner.get("message") if isinstance(inner, dict) else inner
            return "", _line(message)
    return "", _line(re.sub(r"<[^>]*>", " ", text)) or "no reason was given"


def _line(message: Any) -> str:
    return " ".join(str(message or "").split())[:600].rstrip(".")
