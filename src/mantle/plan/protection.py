"""`mantle:prevent_destroy`: a resource says in its own metadata that it must not be destroyed.

Metadata is free to Heat, so a template with the key stays a valid Heat template, and its value may
come from a parameter. The row remembers what the template said last: taking the resource out of
the template does not take the protection away, an explicit `false` does.
"""

from collections.abc import Mapping

from mantle.model.records import ResourceRecord
from mantle.model.status import Action, Status
from mantle.model.values import Value

KEY = "mantle:prevent_destroy"

REMEDY = (
    f"Set {KEY} to false in the resource's metadata, update the stack with that, then try again."
)

_TRUE = {"true", "yes", "on", "1", "t", "y"}


def says(metadata: Value) -> bool | None:
    """What the metadata says of it; None when it says nothing or nobody knows yet."""
    if not isinstance(metadata, Mapping) or KEY not in metadata:
        return None
    value = metadata[KEY]
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        return str(value).strip().lower() in _TRUE
    return None


def holds(row: ResourceRecord, wanted: Value = None) -> bool:
    """Whether destroying the row is forbidden; `wanted` is the metadata it is to have.

    What was never finished holds nothing worth keeping.
    """
    made = row.action not in {Action.INIT, Action.DELETE} and not (
        row.action in {Action.CREATE, Action.ADOPT} and row.status is not Status.COMPLETE
    )
    if not made:
        return False
    now = says(wanted)
    return bool(says(row.metadata)) if now is None else now


def refusal(row: ResourceRecord, deed: str) -> str:
    """What the plan says of it."""
    return f"{row.name} ({row.type}) must not be destroyed ({KEY} is true), but {deed}."
