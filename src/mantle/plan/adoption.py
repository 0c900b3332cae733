"""What a row notes that is to take over an object which is there already."""

from collections.abc import Callable, Mapping
from typing import Any

from mantle.model.errors import MantleError
from mantle.model.ids import ResourceId, StackId, Token
from mantle.model.records import ResourceRecord
from mantle.model.status import Action, Status
from mantle.template.loaded import Loaded

ADOPTS = "adopts"
"""In the data of such a row, until it has: `resource_id`, and `resources` of the stack inside."""

ADOPTED = "adopted"
"""In the data of a row whose object another made: the cloud knows it by another's token."""

NAMED = "named"
"""In a row's data: the physical name it was made with, when stack or resource got another since."""


def note_of(row: ResourceRecord) -> Mapping[str, Any] | None:
    """The note of a row that has not taken over its object yet; None for any other."""
    if row.action is Action.INIT or (
        row.action is Action.ADOPT and row.status is not Status.COMPLETE
    ):
        note = row.data.get(ADOPTS)
        return note if isinstance(note, Mapping) else None
    return None


def adopted_rows(
    stack_id: StackId,
    loaded: Loaded,
    known: Any,
    *,
    new_id: Callable[[], str],
    now: float,
) -> list[ResourceRecord]:
    """One row for each resource of the template that the document's `resources` know."""
    if not isinstance(known, Mapping):
        raise MantleError(
            "`resources` of adopt_stack_data must be a map.", fault="StackValidationFailed"
        )
    rows = []
    for definition in loaded.graph.resources.values():
        entry = known.get(definition.name)
        if not isinstance(entry, dict):
            continue
        rows.append(
            ResourceRecord(
                id=ResourceId(new_id()),
                stack_id=stack_id,
                name=definition.name,
                type=definition.type,
                resolved_type=definition.resolved_type,
                token=Token(new_id()),
                # From the start, so that nobody else can lay claim to the object meanwhile.
                physical_id=None if "resources" in entry else entry.get("resource_id"),
                data={**_data_of(entry), ADOPTS: _note_of(entry)},
                requires=definition.references,
                deletion_policy=definition.deletion_policy,
                created_at=now,
            )
        )
    return rows


def _data_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    data = entry.get("resource_data")
    return dict(data) if isinstance(data, dict) else {}


def _note_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the step that adopts needs: the object's id, or the stack inside."""
    physical_id = entry.get("resource_id")
    if physical_id is not None and not isinstance(physical_id, str):
        raise MantleError(
            f"The resource_id {physical_id!r} of adopt_stack_data is no text.",
            fault="StackValidationFailed",
        )
    note: dict[str, Any] = {"resource_id": physical_id}
    if isinstance(entry.get("resources"), dict):
        note["resources"] = entry["resources"]
    return note
