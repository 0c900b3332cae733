"""What goes along when resources change their template: parameters, conditions, files, settings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mantle.model.errors import Findings, Path
from mantle.template.rewrite.calls import KEPT, texts_in, walked, word
from mantle.template.rewrite.side import Side, copied


@dataclass(slots=True, kw_only=True)
class Carrier:
    """Carries from source to target, each thing once."""

    source: Side
    target: Side
    findings: Findings
    parameters: dict[str, str] = field(default_factory=dict)
    """The source's parameter to the target's."""
    conditions: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    """Entries of the resource registry."""
    defaults: list[str] = field(default_factory=list)
    """Entries of `parameter_defaults`."""

    def refuse(self, path: Path, message: str, remedy: str) -> None:
        """Note why it cannot be carried, with its place."""
        self.findings.add(
            "move", message, path, mark=self.source.document.mark(path), remedy=remedy
        )

    def parameter(self, name: str) -> str:
        """The target's parameter with this declaration and value; declared when there is none."""
        if name in self.parameters:
            return self.parameters[name]
        source, target = self.source, self.target
        declared = source.section("parameters").get(name)
        value = source.loaded.graph.parameter_values.get(name)
        there = target.section("parameters")
        same = name in there and there[name] == declared
        same = same and target.loaded.graph.parameter_values.get(name) == value
        new = name
        if not same:
            if name in there:
                new = target.new_name(f"{word(source.stack)}_{name}")
            there[new] = copied(declared)
            self._give(name, new)
        self.parameters[name] = new
        return new

    def _give(self, name: str, new: str) -> None:
        """The value that the environment gives, unless the declaration's own will do."""
        source, target = self.source.environment, self.target.environment
        defaults = source.get("parameter_defaults") or {}
        given = (source.get("parameters") or {}).get(name, defaults.get(name))
        if given is None and new in (target.get("parameter_defaults") or {}):
            given = self.source.loaded.graph.parameter_values.get(name)
        if given is not None:
            target.setdefault("parameters", {})[new] = copied(given)

    def conditions_in(self, value: Any, change: Callable[[str, Any, Path], Any]) -> None:
        """Every condition that a condition names, with those that these name."""
        known = self.source.data.get("conditions")
        for name in texts_in(value):
            if isinstance(known, dict) and name in known and name not in self.conditions:
                self.conditions.append(name)
                path: Path = ("conditions", name)
                body = walked(known[name], path, self.source.functions, change)
                there = self.target.section("conditions")
                if there.get(name, body) != body:
                    self.refuse(
                        path,
                        f"Stack {self.target.stack!r} has another condition {name!r}.",
                        "Rename one of them first.",
                    )
                there[name] = body
                self.conditions_in(known[name], change)

    def file(self, key: Any, path: Path) -> Any:
        """The file itself; what reads it stays as it is."""
        if not isinstance(key, str):
            self.refuse(path, "`get_file` computes which file it reads.", "Write its name.")
            return KEPT
        text = self.source.files.get(key)
        if text is None or key in self.files:
            return KEPT
        if self.target.files.get(key, text) != text:
            self.refuse(
                path,
                f"Stack {self.target.stack!r} has another file {key!r}.",
                "Update one of the stacks with a file of another name first.",
            )
        self.target.files[key] = text
        self.files.append(key)
        return KEPT

    def entry(self, name: str, new: str) -> None:
        """What the environment says of the resource: its own entry, and hooks by pattern."""
        ours, theirs = self.source.says, self.target.says
        entry = self.source.entries().pop(name, None)
        entry = dict(entry) if isinstance(entry, dict) else {}
        for key, said, there_too in (
            ("hooks", ours.hooks_of(name), theirs.hooks_of(new)),
            ("restricted_actions", ours.restrictions_of(name), theirs.restrictions_of(new)),
        ):
            if said - there_too:
                entry[key] = sorted(said)
        if not entry:
            return
        there = self.target.entries()
        if new in there and there[new] != entry:
            self.refuse(
                ("resources", name),
                f"The environment of stack {self.target.stack!r} says something else of {new!r}.",
                "Give it another name there.",
            )
        there[new] = entry
