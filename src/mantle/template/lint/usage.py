"""What a template declares and does not use, or says twice."""

from collections.abc import Iterator
from typing import Any

from mantle.model.drift import POLICY, DriftPolicy
from mantle.model.errors import Path
from mantle.template.lint.rule import Found
from mantle.template.lint.view import (
    READS_ATTRIBUTE,
    READS_PARAMETER,
    READS_RESOURCE,
    View,
    head,
    parts_of,
)


def unused_parameter(view: View) -> Iterator[Found]:
    """Declared, never read."""
    arguments = [use.argument for use in view.calls(*READS_PARAMETER)]
    if any(head(argument) is None for argument in arguments):
        return  # a computed name may be any
    read = {head(argument) for argument in arguments}
    for name in view.section("parameters"):
        if name not in read:
            yield Found(("parameters", name), f"Parameter {name!r} is not used.")


def odd_drift_policy(view: View) -> Iterator[Found]:
    """`mantle:drift` with a word that is no policy: it would count as if nothing were said."""
    words = [str(policy) for policy in DriftPolicy]
    for name, body in view.resources.items():
        metadata = body.get("metadata")
        said = metadata.get(POLICY) if isinstance(metadata, dict) else None
        computed = isinstance(said, dict)
        if said is None or computed or str(said).strip().lower() in words:
            continue
        yield Found(
            ("resources", name, "metadata", POLICY), f"{said!r} is no policy for drift of {name!r}."
        )


def unused_condition(view: View) -> Iterator[Found]:
    """Defined, never asked."""
    defined = view.section("conditions")
    if not defined:
        return
    used: set[str] = set()
    for section in ("resources", "outputs"):
        for body in view.entries(section).values():
            used.update(_names(body.get("condition")))
    for use in view.calls("if", "Fn::If"):
        used.update(_names(use.argument[:1] if isinstance(use.argument, list) else None))
    for use in view.calls("not", "and", "or", "Fn::Not", "Fn::And", "Fn::Or", "Condition"):
        used.update(_names(use.argument))
    for name in defined:
        if name not in used:
            yield Found(("conditions", name), f"Condition {name!r} is not used.")


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _names(part)


def implied_dependency(view: View) -> Iterator[Found]:
    """depends_on that a reference makes already."""
    implied = references(view)
    for name, body in view.resources.items():
        given = body.get("depends_on")
        items = given if isinstance(given, list) else [given]
        seen: set[str] = set()
        for position, item in enumerate(items):
            if not isinstance(item, str):
                continue
            path: Path = ("resources", name, "depends_on")
            place = (*path, position) if isinstance(given, list) else path
            if item in implied.get(name, ()):
                yield Found(place, f"{name!r} refers to {item!r}, so it depends on it already.")
            elif item in seen:
                yield Found(place, f"{item!r} stands here twice.")
            seen.add(item)


def references(view: View) -> dict[str, set[str]]:
    """Resource to those it refers to unconditionally in properties or metadata."""
    found: dict[str, set[str]] = {}
    for use in view.uses:
        if len(use.path) < 3 or use.path[0] != "resources":
            continue
        if use.path[2] not in {"properties", "metadata"} or {"if", "Fn::If"} & set(use.path):
            continue
        target = None
        if use.name in READS_RESOURCE:
            target = head(use.argument)
        elif use.name in READS_ATTRIBUTE:
            target = head(parts_of(use.argument))
        if target in view.resources and isinstance(target, str):
            found.setdefault(str(use.path[1]), set()).add(target)
    return found


def case_only(view: View) -> Iterator[Found]:
    """Names that a reader cannot tell apart."""
    for section in ("parameters", "resources", "outputs", "conditions"):
        seen: dict[str, str] = {}
        for name in view.section(section):
            first = seen.setdefault(name.lower(), name)
            if first != name:
                yield Found((section, name), f"{name!r} differs from {first!r} by case only.")


def live_attribute(view: View) -> Iterator[Found]:
    """`show` inside another resource's properties."""
    for use in view.calls(*READS_ATTRIBUTE):
        parts = parts_of(use.argument)
        if len(parts) > 1 and parts[1] == "show" and use.path[0] == "resources":
            yield Found(
                use.path, f"`show` of {parts[0]!r} is read anew each time and changes by itself."
            )


def own_attribute(view: View) -> Iterator[Found]:
    """A resource that reads itself."""
    for use in view.calls(*READS_ATTRIBUTE, "get_resource"):
        parts = parts_of(use.argument)
        own = use.path[1] if use.path[0] == "resources" and len(use.path) > 2 else None
        if own is not None and parts and parts[0] == own:
            yield Found(use.path, f"{own!r} refers to itself: it can never be made.")


def old_version(view: View) -> Iterator[Found]:
    """Before conditions."""
    if view.is_cfn or "heat_template_version" not in view.document.data:
        return
    if view.version < "2016-10-14":
        yield Found(
            ("heat_template_version",),
            f"Version {view.version} has no conditions, `if` or `external_id`.",
        )
