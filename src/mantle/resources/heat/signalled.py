"""What all types share that wait for signals: their bodies, their counting, their transports.

A signal may come before anybody waits for it (a server boots while the condition still waits for
another resource), so all signals of the handle count, whenever they came.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mantle.model.event import Signal
from mantle.model.ids import ResourceId
from mantle.model.schema import ResourceSchema, TypeFacts
from mantle.resources.kit import Context, Done, Failed, Outcome, Ref, ResourceType, Wait

LOOK_AGAIN_SECONDS = 5.0
"""A signal wakes the condition at once; this is only in case that was missed."""

TEMP_URL_SECONDS = 86_400.0
"""How long a TEMP_URL_SIGNAL address is good: twice the longest wait condition."""

OWN_KEYS = {"status": "status", "reason": "reason", "data": "data", "id": "id"}
AWS_KEYS = {"Status": "status", "Reason": "reason", "Data": "data", "UniqueId": "id"}
STATUSES = ("SUCCESS", "FAILURE")

# --- bodies ----------------------------------------------------------------------------------


def normal(body: Mapping[str, Any]) -> dict[str, Any]:
    """A signal's body with today's keys, in the form of CloudFormation or of Heat."""
    keys = AWS_KEYS if set(body) == set(AWS_KEYS) else OWN_KEYS
    return {keys.get(name, name): value for name, value in body.items()}


def refused(body: Mapping[str, Any]) -> str | None:
    """Why a body in either form is refused: an unknown key or status."""
    given = normal(body)
    unknown = sorted(set(given) - set(OWN_KEYS))
    if unknown:
        return (
            f"A signal has no key {', '.join(unknown)}. Its keys are status, reason, data and id, "
            f"or exactly Status, Reason, Data and UniqueId."
        )
    return _status_refused(given.get("status", "SUCCESS"))


def refused_by_cfn(_: Ref, __: Mapping[str, Any], body: Mapping[str, Any]) -> str | None:
    """CloudFormation's form has all of its keys, and no other."""
    if set(body) != set(AWS_KEYS):
        return "A signal to this handle has exactly the keys Status, Reason, Data and UniqueId."
    return _status_refused(body["Status"])


def _status_refused(status: Any) -> str | None:
    if status in STATUSES:
        return None
    return f"The status {str(status)[:40]!r} is not one of {', '.join(STATUSES)}."


# --- counting --------------------------------------------------------------------------------


def received(signals: Sequence[Signal]) -> dict[str, dict[str, Any]]:
    """Signals by id: a later one with the same id takes its place, one without gets a number."""
    by_id: dict[str, dict[str, Any]] = {}
    for signal in signals:
        body = normal(signal.body)
        number_of_signal = len(by_id) + 1
        by_id[str(body.get("id") or number_of_signal)] = {
            "status": body.get("status") or "SUCCESS",
            "reason": body.get("reason") or f"Signal {number_of_signal} received",
            "data": body.get("data"),
        }
    return by_id


def waited(ctx: Context, count: int, timeout_seconds: float) -> Outcome:
    """Any failure fails; enough successes end the wait; the deadline ends it too."""
    by_id = received(ctx.signals)
    failures = [each["reason"] for each in by_id.values() if each["status"] != "SUCCESS"]
    data = {"received": {name: each["data"] for name, each in by_id.items()}}
    name = ctx.ref.physical_id or ctx.name_hint
    said = f"{len(by_id)} of {count} received"
    if failures:
        return Failed(
            reason="; ".join(str(reason) for reason in failures),
            remedy="See what the sender of the signal says, then update the stack.",
            physical_id=name,
            data=data,
        )
    if len(by_id) >= count:
        return Done(physical_id=name, data=data, note=said)
    left = ctx.started_at + timeout_seconds - ctx.now
    if left <= 0:
        return Failed(
            reason=said,
            remedy="See why the others did not signal: a server's console log often tells.",
            physical_id=name,
            data=data,
        )
    return Wait(
        reason=said,
        again_after_seconds=min(left, LOOK_AGAIN_SECONDS),
        physical_id=name,
        data=data,
        idle=True,
    )


def data_text(ref: Ref) -> str:
    """JSON text: the data of the signals that ended the wait, by their ids."""
    return json.dumps(ref.data.get("received", {}))


# --- handles ---------------------------------------------------------------------------------


def handle_row(handle: Any) -> ResourceId | None:
    """The row of a handle, given by what get_resource gives for it: its id, or a signed URL."""
    if not isinstance(handle, str):
        return None
    if not handle.startswith(("http://", "https://")):
        return ResourceId(handle)
    parts = urlsplit(handle)
    keys = parse_qs(parts.query).get("AWSAccessKeyId", [])
    plain = keys[0] if keys else parts.path.rsplit("/", 1)[-1].replace("-", "")
    if len(plain) != 32:
        return None
    return ResourceId("-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:])))


def url_of(ref: Ref) -> str:
    """The reference of a handle that is its URL; before it is made, its name."""
    return str(ref.data.get("url") or ref.name)


def temp_url(ctx: Context) -> str:
    """The handle's expiring URL, the same in every call of one phase."""
    return ctx.callbacks.temp_url(ctx.ref, ctx.started_at + TEMP_URL_SECONDS)


# --- the type --------------------------------------------------------------------------------


def waiting_type(
    schema: ResourceSchema, *, handle: str, count: str, timeout: str, data: str
) -> ResourceType:
    """A type that waits for so many signals to a handle; the words are its schema's own."""

    async def wait(ctx: Context) -> Outcome:
        return waited(ctx, ctx.properties[count], float(ctx.properties[timeout]))

    def signals_from(properties: Mapping[str, Any]) -> ResourceId | None:
        return handle_row(properties.get(handle))

    async def attributes(ctx: Context) -> Mapping[str, Any]:
        return {data: data_text(ctx.ref)}

    return ResourceType(
        facts=TypeFacts(schema=schema),
        create=wait,
        update=wait,
        attributes=attributes,
        signals_from=signals_from,
    )
