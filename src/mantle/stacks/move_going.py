"""The resources that go: each there once, whole, and reached by nobody through its old place."""

from collections.abc import Sequence

from mantle.engine.shelter import is_container
from mantle.model.errors import Findings, MantleError, Problem
from mantle.model.ids import StackId
from mantle.model.moves import MoveKind, MoveRequest
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.software import DEPLOYMENT
from mantle.model.status import Status
from mantle.model.values import walk
from mantle.stacks.control import Control
from mantle.stacks.move_ends import AtRest
from mantle.stacks.move_inside import Inner
from mantle.store.stack_users import IAM_KEY, IAM_USER

AGENT = "os_collect_config"
"""The attribute of a server that says where the agent in it asks."""


def rows_that_go(control: Control, source: AtRest, request: MoveRequest) -> list[ResourceRecord]:
    """The rows that go; raises with every one that cannot."""
    findings = Findings()
    found = []
    if not request.names:
        raise MantleError("No resource is named.", remedy="Name those that are to go.")
    for name in request.names:
        rows = [row for row in source.rows if row.name == name]
        if not rows:
            declared = name in source.loaded.graph.resources
            why = "was never made" if declared else "is not in the stack"
            findings.add("move", f"Resource {name!r} {why}.", ("resources", name))
            continue
        row = rows[-1]
        if len(rows) > 1 or row.status is not Status.COMPLETE:
            why = "is being replaced" if len(rows) > 1 else f"is {row.state}"
            findings.add(
                "move", f"Resource {name!r} {why}.", ("resources", name), remedy="Update the stack."
            )
        elif _is_known_by(row, source.record):
            findings.problems.append(stays(row, "its stack and name"))
        elif request.kind is not MoveKind.RENAME and row.resolved_type in {IAM_USER, IAM_KEY}:
            findings.problems.append(stays(row, "its stack"))
        elif request.kind is not MoveKind.RENAME and not is_container(control.machine, row):
            known = stays_known(control, source.record.root_id, name, row)
            findings.problems.extend([known] if known else [])
        found.append(row)
    findings.raise_if_any()
    return found


def stays(row: ResourceRecord, what: str) -> Problem:
    """Why it cannot go: `what` is in an address that it has given out."""
    return Problem(
        code="move",
        message=f"Resource {row.name!r} ({row.type}) has given out an address or account with "
        f"{what} in it: whoever has it could no longer reach it.",
        path=("resources", row.name),
        remedy="Use a transport without: CFN_SIGNAL for signals, POLL_TEMP_URL for a server.",
    )


def _is_known_by(row: ResourceRecord, stack: StackRecord) -> bool:
    """Whether somebody reaches the resource by its stack and name; a signed URL is none such."""
    agent = row.attributes.get(AGENT) or {}
    return bool({"cfn", "heat"} & set(agent)) or any(
        isinstance(text, str) and stack.id in text and "Signature=" not in text
        for text in walk(dict(row.attributes))
    )


def stays_known(
    control: Control, root_id: StackId, way: str, row: ResourceRecord
) -> Problem | None:
    """Why somebody who reaches the resource through its root could no longer do so.

    A user's project is derived from the root stack's id: whoever was given it cannot log in once
    the resource is in another tree. EC2 keys, signed URLs and URLs with a hash are derived from the
    row, and stacks inside keep their ids and names: those go on working.
    """
    project = control.machine.links.keys.project_id(root_id)
    texts = [*walk(dict(row.attributes)), *walk(dict(row.metadata))]
    given = any(isinstance(text, str) and project in text for text in texts)
    deployed = DEPLOYMENT in row.data and row.properties.get("signal_transport") == "HEAT_SIGNAL"
    if not given and not deployed:
        return None
    return Problem(
        code="move",
        message=f"Resource {way!r} ({row.type}) has given out an account of its root stack's "
        "users: whoever has it could no longer log in.",
        path=("resources", way.split("/", 1)[0]),
        remedy="Use a transport without: CFN_SIGNAL for signals, POLL_TEMP_URL for a server.",
    )


def refuse_known(control: Control, root_id: StackId, inside: Sequence[Inner]) -> None:
    """Raise `Invalid` with every resource inside that has given out an account of the root's."""
    findings = Findings()
    for each in inside:
        for row in each.rows:
            problem = stays_known(control, root_id, f"{each.way}/{row.name}", row)
            findings.problems.extend([problem] if problem else [])
    findings.raise_if_any()
