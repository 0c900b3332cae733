"""What a move does, as data that is shown and compared. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from mantle.model.errors import dotted
from mantle.model.moves import MoveKind, MoveRequest
from mantle.model.records import ResourceRecord
from mantle.plan.binding import print_of, seal
from mantle.template.rewrite.cut import Crossing, Cut

HIDDEN = "******"


def document_of(
    request: MoveRequest,
    source: str,
    target: str,
    rows: Sequence[tuple[ResourceRecord, str]],
    cut: Cut,
    notes: Sequence[str],
    stacks: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """What is shown before it is done. `rows` are those that go, with their names afterwards.

    `stacks` are those inside them: `resource` says the way there, `resources` how many it has.
    """
    return {
        "kind": str(request.kind),
        "source": source,
        "target": target,
        "resources": [
            {"name": row.name, "new_name": name, "type": row.type, "physical_id": row.physical_id}
            for row, name in rows
        ],
        "crossings": [_crossing(each) for each in cut.crossings],
        "parameters": [
            {"name": name, "new_name": new} for name, new in sorted(cut.parameters.items())
        ],
        "conditions": list(cut.conditions),
        "files": list(cut.files),
        "types": list(cut.types),
        "defaults": list(cut.defaults),
        "stacks": [dict(each) for each in stacks],
        "dropped": [
            {"stack": each.stack, "resource": each.resource, "depends_on": each.needs}
            for each in cut.dropped
        ],
        "notes": list(notes),
    }


def _crossing(crossing: Crossing) -> dict[str, Any]:
    return {
        "stack": crossing.stack,
        "path": dotted(crossing.path),
        "line": crossing.mark.line if crossing.mark else None,
        "reads": crossing.reads,
        "parameter": crossing.parameter,
        "value": HIDDEN if crossing.hidden else crossing.value,
    }


def prints_of(
    request: MoveRequest,
    source: str,
    rows: Sequence[tuple[ResourceRecord, str]],
    cut: Cut,
    key: bytes,
) -> dict[str, str]:
    """Keyed hashes of what the move is made of, by what they are of.

    What others change elsewhere in the two stacks is in none of them, and does not spoil it.
    """
    prints = {"the stack's name": seal(source, key)}
    for row, _ in rows:
        prints[f"resource {row.name}"] = print_of(without_digest(row), key)
    sections = cut.data
    for name in request.names.values():
        body = (sections.get("resources") or {}).get(name)
        prints[f"the template of {name}"] = seal(body, key)
    for each in cut.crossings:
        what = f"{dotted(each.path)} of stack {each.stack}"
        prints[what] = seal([each.reads, each.parameter, each.value, each.hidden], key)
    declared = sections.get("parameters") or {}
    for name, new in cut.parameters.items():
        prints[f"parameter {name}"] = seal([new, declared.get(new)], key)
    prints["what goes along"] = seal(
        [
            sorted(cut.parameters.items()),
            *(sorted(each) for each in (cut.conditions, cut.files, cut.types, cut.defaults)),
        ],
        key,
    )
    prints["dependencies"] = seal(
        sorted([each.stack, each.resource, each.needs] for each in cut.dropped), key
    )
    return prints


def without_digest(row: ResourceRecord) -> ResourceRecord:
    """The row without what it notes of its stack's files and environment.

    A change elsewhere in those changes the digest of every group; the stacks inside are compared
    by what they are made of.
    """
    return structs.replace(
        row, data={key: each for key, each in row.data.items() if key != "digest"}
    )


def moved_since(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What is no longer as it was when the move was planned."""
    return [what for what in dict.fromkeys([*then, *now]) if then.get(what) != now.get(what)]


TITLES: Mapping[str, str] = {
    MoveKind.MOVE: "Move {count} from stack {source} to stack {target}",
    MoveKind.SPLIT: "Split {count} off stack {source} into a new stack {target}",
    MoveKind.RENAME: "Rename {count} of stack {source}",
    MoveKind.RENAME_STACK: "Rename stack {source} to {target}",
}


def render_move(document: Mapping[str, Any]) -> str:
    """For people."""
    there = document["resources"]
    count = f"{len(there)} resource{'' if len(there) == 1 else 's'}"
    title = TITLES[document["kind"]].format(
        count=count, source=document["source"], target=document["target"]
    )
    lines = [f"{title}. Nothing on the cloud is touched."]
    for each in there:
        new = "" if each["new_name"] == each["name"] else f" -> {each['new_name']}"
        lines.append(f"  {each['name']}{new}  {each['type']}  {each['physical_id'] or '-'}")
    for inner in document.get("stacks", ()):
        count = f"{inner['resources']} resource{'' if inner['resources'] == 1 else 's'}"
        lines.append(f"    with stack {inner['name']} inside {inner['resource']} ({count})")
    if document["crossings"]:
        lines += ["", "These references become parameters with the value of now:"]
        lines += [_told(each) for each in document["crossings"]]
    along = [
        *(_renamed("parameter", each) for each in document["parameters"]),
        *(f"condition {name}" for name in document["conditions"]),
        *(f"file {name}" for name in document["files"]),
        *(f"what type {name} stands for" for name in document.get("types", ())),
        *(f"the default of {name}" for name in document.get("defaults", ())),
    ]
    if along:
        lines += ["", f"Goes along: {', '.join(along)}"]
    if document["dropped"]:
        lines += ["", "No longer waited for, as stacks do not wait for each other:"]
        lines += [
            f"  {each['stack']}: {each['resource']} depends_on {each['depends_on']}"
            for each in document["dropped"]
        ]
    lines += ["", *(f"Note: {note}" for note in document["notes"])]
    both = "both stacks" if document["kind"] in {MoveKind.MOVE, MoveKind.SPLIT} else "the stack"
    inside = ", and of those inside," if document.get("stacks") else ""
    lines.append(f"Afterwards the plan of {both}{inside} is empty: that was checked.")
    return "\n".join(lines) + "\n"


def _told(each: Mapping[str, Any]) -> str:
    line = f" (line {each['line']})" if each["line"] else ""
    if not each["parameter"]:
        return f"  {each['stack']}: {each['path']}{line}: {each['reads']} is null, written as such"
    return (
        f"  {each['stack']}: {each['path']}{line}: {each['reads']} -> parameter "
        f"{each['parameter']} = {_short(each['value'])}"
    )


def _renamed(what: str, each: Mapping[str, Any]) -> str:
    new = "" if each["new_name"] == each["name"] else f" as {each['new_name']}"
    return f"{what} {each['name']}{new}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
