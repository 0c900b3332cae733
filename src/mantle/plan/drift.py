"""What differs between a resource as an operation left it and the object as it is. Pure.

An operation stores what the cloud said of the object when it was done (the attribute `show`).
Drift is any later difference in what was asked for, in the state, or that the object is gone. So
there is nothing to invert: defaults the cloud fills in were filled in then as now.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mantle.model.drift import GONE, Difference
from mantle.model.records import ResourceRecord
from mantle.model.status import Action, Status

NOTHING: tuple[Any, ...] = (None, "", [], {})
"""Ways to say that nothing was asked for; false and zero are something."""

LASTING = {"ACTIVE", "STOPPED", "SUSPENDED"}
"""States of ours that stay. Some types show a service's own words for a state instead."""

OTHERS = {"device_id", "device_owner"}
"""Fields of an object that whoever uses it writes: a port's server, a router."""

LIVE = {"BUILDING", "DELETING"}
"""States in which an object is on its way: looked at again later."""


def is_settled(row: ResourceRecord) -> bool:
    """Whether the row says what its object should be now."""
    return (
        row.status is Status.COMPLETE
        and row.action not in {Action.INIT, Action.DELETE, Action.SUSPEND}
        and row.physical_id is not None
        and row.replaced_by is None
    )


def differences(
    row: ResourceRecord, live: Mapping[str, Any] | None, fields: Iterable[str]
) -> list[Difference]:
    """`live` is the object as `show` would show it now, None when it is gone."""
    if live is None:
        return [_difference(row, GONE, row.physical_id, None)]
    if live.get("status") in LIVE:
        return []
    kept = row.attributes.get("show")
    then: Mapping[str, Any] = kept if isinstance(kept, Mapping) else {}
    found = [
        _difference(row, name, then[name], live.get(name))
        for name in sorted(set(fields) - OTHERS)
        if name in then and not _same(then[name], live.get(name), shown=name in row.attributes)
    ]
    before = then.get("status")
    known = before if before in LASTING else "ACTIVE"
    now = live.get("status")
    if now == "ERROR" or (before in LASTING and now != before):
        found.append(_difference(row, "status", known, now))
    return found


def _same(then: Any, now: Any, *, shown: bool) -> bool:
    """`shown`: an attribute of this name stands in its place, perhaps as text."""
    if then == now or (then in NOTHING and now in NOTHING):
        return True
    if shown and isinstance(then, str) and isinstance(now, Mapping | list):
        return then == json.dumps(now)
    if shown and isinstance(then, str) and not isinstance(now, str):
        return True
    if isinstance(then, Sequence) and isinstance(now, Sequence) and not isinstance(then, str):
        # Lists of what was asked for are sets to most services.
        return sorted(_item(each, shown) for each in then) == sorted(
            _item(each, shown) for each in now
        )
    return False


def _item(item: Any, shown: bool) -> str:
    """Attributes show as a map of named values what the port has as a tuple: a range, a route."""
    return repr(list(item.values()) if shown and isinstance(item, Mapping) else item)


def _difference(row: ResourceRecord, path: str, expected: Any, actual: Any) -> Difference:
    return Difference(
        stack_id=row.stack_id,
        resource_id=row.id,
        resource=row.name,
        resource_type=row.type,
        path=path,
        expected=expected,
        actual=actual,
    )


def told(difference: Difference) -> str:
    """For the event."""
    if difference.path == GONE:
        return f"Drift: {difference.resource} is gone from the cloud"
    return (
        f"Drift: {difference.path} of {difference.resource} is {_short(difference.actual)}, "
        f"and was left as {_short(difference.expected)}"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
