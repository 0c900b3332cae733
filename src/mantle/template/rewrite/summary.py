"""What a template holds, at a glance: parameters, resources and what they wait for, outputs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mantle.model.errors import Invalid, Mark, Problem
from mantle.template.lint.view import (
    READS_ATTRIBUTE,
    READS_RESOURCE,
    View,
    head,
    parts_of,
    view_of,
)
from mantle.template.load import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Plain facts, in the template's order."""

    version: str
    description: str
    parameters: Mapping[str, Mapping[str, Any]]
    resources: Mapping[str, str]
    """Name to type."""
    needs: Mapping[str, tuple[str, ...]]
    """Resource to those it depends on."""
    conditions: tuple[str, ...]
    outputs: Mapping[str, str]
    """Name to description."""

    def data(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "version": self.version,
            "description": self.description,
            "parameters": self.parameters,
            "resources": {
                name: {"type": kind, "needs": self.needs[name]}
                for name, kind in self.resources.items()
            },
            "conditions": self.conditions,
            "outputs": self.outputs,
        }


def summary(text: str, file: str = "template") -> Summary:
    """Sum up a text. Raises `Invalid` when it is no template."""
    view = view_of(parse(text, file=file), text)
    if view is None:
        raise Invalid(
            [
                Problem(
                    code="template",
                    message="This is no template.",
                    mark=Mark(file, 1, 1),
                    remedy="Begin it with `heat_template_version:`.",
                )
            ]
        )
    return Summary(
        version=view.version,
        description=str(view.document.data.get("description") or ""),
        parameters={name: _parameter(body) for name, body in view.parameters.items()},
        resources={name: str(body.get("type", "?")) for name, body in view.resources.items()},
        needs=_needs(view),
        conditions=tuple(view.section("conditions")),
        outputs={
            name: str(body.get("description") or "")
            for name, body in view.entries("outputs").items()
        },
    )


def _parameter(body: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        key: body[key]
        for key in ("type", "description", "default", "immutable", "constraints")
        if key in body
    }
    if str(body.get("hidden", "")).lower() == "true":
        found["hidden"] = True
        if "default" in found:
            found["default"] = "******"
    return found


def _needs(view: View) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {name: set() for name in view.resources}
    for use in view.uses:
        if len(use.path) < 3 or use.path[0] != "resources" or use.path[2] == "update_policy":
            continue
        target: Any = None
        if use.name in READS_RESOURCE:
            target = head(use.argument)
        elif use.name in READS_ATTRIBUTE:
            target = head(parts_of(use.argument))
        if isinstance(target, str) and target in found and str(use.path[1]) in found:
            found[str(use.path[1])].add(target)
    for name, body in view.resources.items():
        given = body.get("depends_on")
        items = given if isinstance(given, list) else [given]
        found[name].update(each for each in items if isinstance(each, str) and each in found)
    return {name: tuple(sorted(needed)) for name, needed in found.items()}


def told(found: Summary) -> str:
    """As text, resources as a tree: below each what waits for it."""
    lines = [f"version  {found.version}"]
    if found.description:
        lines.append(f"about    {' '.join(found.description.split())}")
    if found.parameters:
        lines += ["", f"parameters ({len(found.parameters)})"]
        width = max(map(len, found.parameters))
        lines += [
            f"  {name:<{width}}  {_told(body)}".rstrip() for name, body in found.parameters.items()
        ]
    if found.conditions:
        lines += ["", f"conditions ({len(found.conditions)})", f"  {', '.join(found.conditions)}"]
    lines += ["", f"resources ({len(found.resources)})", *_tree(found)]
    if found.outputs:
        lines += ["", f"outputs ({len(found.outputs)})"]
        width = max(map(len, found.outputs))
        lines += [f"  {name:<{width}}  {about}".rstrip() for name, about in found.outputs.items()]
    return "\n".join(lines)


def _told(body: Mapping[str, Any]) -> str:
    parts = [str(body.get("type", "?"))]
    parts.append(f"= {body['default']!r}" if "default" in body else "(required)")
    parts += [key for key in ("hidden", "immutable") if body.get(key)]
    constraints = body.get("constraints")
    for entry in constraints if isinstance(constraints, list) else ():
        if isinstance(entry, dict):
            parts += [f"{key}: {value}" for key, value in entry.items() if key != "description"]
    return "  ".join(parts)


def _tree(found: Summary) -> Iterator[str]:
    waiting: dict[str, list[str]] = {name: [] for name in found.resources}
    for name, needed in found.needs.items():
        for each in needed:
            waiting[each].append(name)
    shown: set[str] = set()
    roots = [name for name, needed in found.needs.items() if not needed]
    # What depends on itself in a circle has no root; it is shown all the same.
    for root in [*roots, *found.resources]:
        if root in shown:
            continue
        pending = [(root, 0)]
        while pending:
            name, depth = pending.pop()
            again = name in shown
            shown.add(name)
            yield f"  {'  ' * depth}{name}  {found.resources[name]}{'  (above)' if again else ''}"
            if not again:
                pending += [(each, depth + 1) for each in reversed(waiting[name])]


def drawn(found: Summary, form: str) -> str:
    """The dependencies as a graph; arrows point at what is needed."""
    ids = {name: f"r{number}" for number, name in enumerate(found.resources)}
    edges = [(ids[name], ids[each]) for name, needs in found.needs.items() for each in needs]
    if form == "dot":
        nodes = [
            f'  {ids[name]} [label="{_label(name)}\\n{_label(kind)}"];'
            for name, kind in found.resources.items()
        ]
        arrows = [f"  {one} -> {other};" for one, other in edges]
        return "\n".join(
            ["digraph template {", "  rankdir=LR; node [shape=box];", *nodes, *arrows, "}"]
        )
    nodes = [
        f'  {ids[name]}["{_html(name)}<br/>{_html(kind)}"]'
        for name, kind in found.resources.items()
    ]
    return "\n".join(["flowchart LR", *nodes, *(f"  {one} --> {other}" for one, other in edges)])


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _html(text: str) -> str:
    for sign, name in (("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("\n", " ")):
        text = text.replace(sign, name)
    return text
