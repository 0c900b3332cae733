"""Brings a change made from one source onto another: three documents become one.

A plan is made from the source that was in force (`base`) towards a new one (`ours`). When another
source (`theirs`) is in force by the time it is applied, what we changed is changed in theirs.
Wherever both changed the same thing in different ways, that is a conflict and is named.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.model.errors import Conflict
from mantle.model.graph import TemplateSource
from mantle.template.environment import load_environment
from mantle.template.load import parse

_GONE = object()


def rebased(base: TemplateSource, theirs: TemplateSource, ours: TemplateSource) -> TemplateSource:
    """Ours on top of theirs; raises `Conflict` naming what both changed."""
    conflicts: list[str] = []
    template = _merged(_template(base), _template(theirs), _template(ours), "", conflicts)
    files = _merged(dict(base.files), dict(theirs.files), dict(ours.files), "files", conflicts)
    environment = _merged(
        _environment(base), _environment(theirs), _environment(ours), "environment", conflicts
    )
    if conflicts:
        raise Conflict(
            f"The stack's source has changed since the plan was made, and both changed "
            f"{', '.join(conflicts[:10])}.",
            remedy="Make a new plan.",
            fault="PlanStale",
        )
    return replace(
        ours,
        template=template,
        files=files,
        environment=environment,
        environment_files=(),
        parameters={},
    )


def _template(source: TemplateSource) -> Any:
    template = source.template
    if isinstance(template, str):
        return parse(template, file=source.template_name).data
    return dict(template)


def _environment(source: TemplateSource) -> dict[str, Any]:
    return dict(load_environment(source).as_data())


def _merged(base: Any, theirs: Any, ours: Any, path: str, conflicts: list[str]) -> Any:
    if ours in (theirs, base):
        return theirs
    if theirs == base:
        return ours
    if all(isinstance(one, Mapping) or one is _GONE for one in (base, theirs, ours)) and (
        theirs is not _GONE and ours is not _GONE
    ):
        old = {} if base is _GONE else base
        merged: dict[str, Any] = {}
        for name in dict.fromkeys([*theirs, *ours]):
            value = _merged(
                old.get(name, _GONE),
                theirs.get(name, _GONE),
                ours.get(name, _GONE),
                f"{path}.{name}" if path else str(name),
                conflicts,
            )
            if value is not _GONE:
                merged[name] = value
        return merged
    conflicts.append(path or "everything")
    return theirs
