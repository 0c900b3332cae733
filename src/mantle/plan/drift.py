"""What differs between a resource as an operation left it and the object as it is. Pure.

An operation stores what the cloud said of the object when it was done (the attribute `show`).
Drift is any later difference in what was asked for, in the state, or that the object is gone. So
there is nothing to invert: defaults the cloud fills in were filled in then as now.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from mantle.model.drift import GONE, POLICY, STATUS, Difference, DriftPolicy
from mantle.model.ids import StackId
from mantle.model.records import ResourceRecord
from mantle.model.status import Action, Status

NOTHING: tuple[Any, ...] = (None, "", [], {})
"""Ways to say that nothing was asked for; false and zero are something."""

LASTING = {"ACTIVE", "STOPPED", "SUSPENDED"}
"""States of ours that stay. Some types show a service's own words for a state instead."""

OTHERS = {"device_id", "device_owner"}
"""Fields of an object that whoever uses it writes: a port's server, a router."""

LENT = {"port_id", "fixed_ip_address"}
"""Fields that an association writes where the resource itself says nothing: a floating address's
port. What was associated belongs to that other resource."""

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
        if name not in LENT or row.properties.get(name) not in NOTHING
        if name in then and not _same(then[name], live.get(name), shown=name in row.attributes)
    ]
    before = then.get("status")
    known = before if before in LASTING else "ACTIVE"
    now = live.get("status")
    if now == "ERROR" or (before in LASTING and now != before):
        found.append(_difference(row, STATUS, known, now))
    return found


def as_left(then: Any, now: Any) -> bool:
    """Whether two values say the same: lists are sets, and all ways of saying nothing are one."""
    return _same(then, now, shown=False)


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


NOTE = "@drift"
"""In the data of a row as it is shown to the planner, never of a stored one: what was found."""


def as_seen(
    rows: Iterable[ResourceRecord],
    differences: Iterable[Difference],
    inside: Mapping[StackId, Sequence[Difference]],
) -> list[ResourceRecord]:
    """The rows as a plan that is to bring back what was has to see them.

    `inside` is what differs in the stacks below, by the id of the stack right below: its resource
    needs an update, which reaches what is inside.
    """
    by_row: dict[str, list[Difference]] = {}
    for each in differences:
        by_row.setdefault(each.resource_id, []).append(each)
    return [_noted(row, by_row.get(row.id, ()), inside) for row in rows]


def _noted(
    row: ResourceRecord,
    differences: Sequence[Difference],
    inside: Mapping[StackId, Sequence[Difference]],
) -> ResourceRecord:
    below = inside.get(StackId(row.physical_id or ""), ())
    if not differences and not below:
        return row
    note = {
        "lost": any(each.is_loss for each in differences),
        "gone": any(each.path == GONE for each in differences),
        "told": [told(each) for each in differences]
        + [f"drift inside: {within(each)}" for each in below[:3]],
        "values": {each.path: (each.actual, each.expected) for each in differences},
    }
    return structs.replace(row, data={**row.data, NOTE: note})


def within(difference: Difference) -> str:
    """For the reason of an update that is for something inside."""
    if difference.path == GONE:
        return f"{difference.resource} is gone"
    return f"{difference.path} of {difference.resource}"


def note_of(row: ResourceRecord) -> Mapping[str, Any] | None:
    """What was found of a row that `as_seen` shows."""
    note: Mapping[str, Any] | None = row.data.get(NOTE)
    return note


def reach(
    drifted: Collection[str], lost: Collection[str], needs: Mapping[str, Collection[str]]
) -> set[str]:
    """What a correction may touch: what drifts, and whatever needs what is to be made anew."""
    found = set(drifted) & needs.keys()
    pending = [name for name in lost if name in needs]
    dependents: dict[str, list[str]] = {}
    for name, required in needs.items():
        for other in required:
            dependents.setdefault(other, []).append(name)
    while pending:
        for name in dependents.get(pending.pop(), ()):
            if name not in found:
                found.add(name)
                pending.append(name)
    return found


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


# --- policies --------------------------------------------------------------------------------


def policy_said(metadata: Any) -> DriftPolicy | None:
    """What the template says; None when it says nothing that is a policy."""
    said = metadata.get(POLICY) if isinstance(metadata, Mapping) else None
    known = {str(each): each for each in DriftPolicy}
    return known.get(str(said).strip().lower()) if said is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What is to become of drift, wherever it was said."""

    chosen: Mapping[tuple[str, str], DriftPolicy]
    """By hand: (stack, resource or empty for the whole stack)."""
    metadata: Mapping[tuple[str, str], Any]
    """By the template: (stack, resource)."""
    above: Mapping[str, tuple[str, str]]
    """For a stack inside another: that one, and the resource there it stands for."""

    def of(self, stack_id: str, resource: str) -> DriftPolicy:
        """The nearest word counts."""
        return self.told(stack_id, resource)[0]

    def told(self, stack_id: str, resource: str) -> tuple[DriftPolicy, str]:
        """The policy and who says so.

        By hand for the resource, its metadata, by hand for its stack; then the same of the
        resource that the stack stands for in the one above; at last alert.
        """
        inherited = ""
        while True:
            chosen = self.chosen.get((stack_id, resource))
            if chosen is not None and resource:
                return chosen, f"{inherited}resource"
            said = policy_said(self.metadata.get((stack_id, resource)))
            if said is not None:
                return said, f"{inherited}template"
            whole = self.chosen.get((stack_id, ""))
            if whole is not None:
                return whole, f"{inherited}stack"
            if stack_id not in self.above:
                return DriftPolicy.ALERT, "default"
            stack_id, resource = self.above[stack_id]
            inherited = "parent's "
