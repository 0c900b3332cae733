"""Carries resources from one template to another, or renames them in one, changing no value.

What a resource reads beside it decides what goes along. Parameters, conditions and files are
carried. A reference that would cross from one stack to the other becomes a parameter with the value
that it has now. What has no value, or cannot be told apart, is refused with its place.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mantle.model.errors import Findings, Invalid, Mark, Path
from mantle.model.graph import TemplateSource
from mantle.model.values import Call, Unknown, Value, unknowns_in
from mantle.template.cfn.shape import is_cfn
from mantle.template.functions.base import Lookup
from mantle.template.loaded import Loaded, NothingYet
from mantle.template.resolve import resolve
from mantle.template.rewrite.calls import KEPT, Change, as_calls, type_for, walked, word
from mantle.template.rewrite.carry import Carrier
from mantle.template.rewrite.luggage import pack
from mantle.template.rewrite.side import Side, document_in

NAMES_THE_STACK = ("OS::stack_name", "OS::stack_id")
"""Pseudo parameters whose value is another one in another stack."""

LONGEST_NAME = 255
"""Characters of a resource's name."""

BODY = ("properties", "metadata", "update_policy", "deletion_policy", "external_id")
"""The parts of a resource in which functions stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A reference across the cut, and the parameter that stands for it from now on."""

    stack: str
    """Whose template reads it."""
    path: Path
    """Where, in the template as it was."""
    reads: str
    """`get_resource: net`."""
    parameter: str
    """Empty for a null, which is written as it is."""
    value: Any
    hidden: bool
    mark: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A `depends_on` across the cut: stacks do not wait for each other."""

    stack: str
    resource: str
    needs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Both templates afterwards, and what became of what crossed."""

    source: TemplateSource
    target: TemplateSource | None
    """None when there is only one stack."""
    crossings: tuple[Crossing, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Carried along: the source's parameter to the target's."""
    conditions: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    """Entries of the resource registry that went along."""
    defaults: tuple[str, ...] = ()
    """Entries of `parameter_defaults` that went along."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The template in which they are now."""


@dataclass(slots=True, kw_only=True)
class Cutting:
    """One cut. `names` are the resources that go, with what they are called afterwards."""

    names: Mapping[str, str]
    answers: Lookup
    """What the source's resources are now."""
    source: Side
    target: Side
    """The same object as `source` for a rename."""
    inside: Mapping[str, Sequence[Loaded]] = field(default_factory=dict)
    """By resource, the templates of the stacks that are inside it."""
    findings: Findings = field(default_factory=Findings)
    crossings: list[Crossing] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    carrier: Carrier = field(init=False)

    def __post_init__(self) -> None:
        self.carrier = Carrier(source=self.source, target=self.target, findings=self.findings)

    def done(self) -> Cut:
        """Both templates; raises `Invalid` with every place that cannot be carried."""
        going = self._going()
        self.findings.raise_if_any()
        if self.source is self.target:
            self._rename(going)
        else:
            self._move(going)
        self.findings.raise_if_any()
        return Cut(
            source=self.source.source(),
            target=None if self.source is self.target else self.target.source(),
            crossings=tuple(self.crossings),
            dropped=tuple(self.dropped),
            parameters=dict(self.carrier.parameters),
            conditions=tuple(self.carrier.conditions),
            files=tuple(self.carrier.files),
            types=tuple(self.carrier.types),
            defaults=tuple(self.carrier.defaults),
            data=self.target.data,
        )

    def _going(self) -> dict[str, Any]:
        section = self.source.section("resources")
        there = self.target.section("resources")
        found = {}
        for name, new in self.names.items():
            if name not in section or name not in self.source.loaded.graph.resources:
                self._refuse(
                    ("resources", name),
                    f"Stack {self.source.stack!r} has no resource {name!r}.",
                    "`mantle stack show` lists those it has.",
                )
            elif new in there and new not in self._leaving(there):
                self._refuse(
                    ("resources", name),
                    f"Stack {self.target.stack!r} has a resource {new!r} already.",
                    "Give it another name there.",
                )
            elif "/" in new or not 0 < len(new) <= LONGEST_NAME:
                self._refuse(
                    ("resources", name),
                    f"{new[:300]!r} is no name of a resource.",
                    f"Use 1 to {LONGEST_NAME} characters, none of them a `/`.",
                )
            else:
                found[name] = section[name]
        if len(set(self.names.values())) < len(self.names):
            self._refuse(("resources",), "Two resources would have one name.", "Name them apart.")
        return found

    def _leaving(self, there: Mapping[str, Any]) -> set[str]:
        return set(self.names) & set(there) if self.source is self.target else set()

    def _refuse(self, path: Path, message: str, remedy: str) -> None:
        self.carrier.refuse(path, message, remedy)

    def _walked(self, value: Any, path: Path, change: Change) -> Any:
        return walked(value, path, self.source.functions, change)

    # --- the two ways ------------------------------------------------------------------------

    def _rename(self, going: Mapping[str, Any]) -> None:
        """Within one template: whoever reads the resource reads it by its new name."""
        side = self.source
        change = self._renaming
        resources = {}
        for name, body in side.section("resources").items():
            resources[self.names.get(name, name)] = self._body(name, body, change, self._needs_new)
        side.data["resources"] = resources
        if isinstance(side.data.get("outputs"), dict):
            side.data["outputs"] = self._walked(side.data["outputs"], ("outputs",), change)
        for name in going:
            self.carrier.entry(name, self.names[name])

    def _move(self, going: Mapping[str, Any]) -> None:
        source, target = self.source, self.target
        there = target.section("resources")
        for name, body in going.items():
            there[self.names[name]] = self._body(name, body, self._leaving_call, self._needs_going)
            self._carry_condition(name, body)
            self.carrier.entry(name, self.names[name])
            pack(self.carrier, name, self.names[name], self.inside.get(name, ()))
        stays = {}
        for name, body in source.section("resources").items():
            if name not in going:
                stays[name] = self._body(name, body, self._staying_call, self._needs_staying)
        source.data["resources"] = stays
        if isinstance(source.data.get("outputs"), dict):
            source.data["outputs"] = self._walked(
                source.data["outputs"], ("outputs",), self._staying_call
            )

    def _body(
        self,
        name: str,
        body: Any,
        change: Change,
        needs: Callable[[str, str], str | None],
    ) -> Any:
        """One resource, its calls changed and its `depends_on` seen to."""
        if not isinstance(body, dict):
            return body
        path: Path = ("resources", name)
        found = dict(body)
        for key in BODY:
            if key in found:
                found[key] = self._walked(found[key], (*path, key), change)
        if "depends_on" in found:
            given = found.pop("depends_on")
            left = [needs(name, each) for each in (given if isinstance(given, list) else [given])]
            kept = [each for each in left if each is not None]
            if kept:
                found["depends_on"] = kept if isinstance(given, list) else kept[0]
        return found

    def _needs_new(self, _: str, need: str) -> str:
        return self.names.get(need, need)

    def _needs_going(self, name: str, need: str) -> str | None:
        if need in self.names:
            return self.names[need]
        self.dropped.append(Dropped(stack=self.target.stack, resource=self.names[name], needs=need))
        return None

    def _needs_staying(self, name: str, need: str) -> str | None:
        if need not in self.names:
            return need
        self.dropped.append(Dropped(stack=self.source.stack, resource=name, needs=need))
        return None

    # --- calls -------------------------------------------------------------------------------

    def _renaming(self, name: str, argument: Any, path: Path) -> Any:
        if name == "get_resource" and argument in self.names:
            return {name: self.names[argument]}
        if name == "get_attr" and self._head(name, argument, path) in self.names:
            rest = self._walked(argument[1:], (*path, name), self._renaming)
            return {name: [self.names[argument[0]], *rest]}
        return KEPT

    def _staying_call(self, name: str, argument: Any, path: Path) -> Any:
        reads = name in {"get_resource", "get_attr"}
        if reads and self._head(name, argument, path) in self.names:
            return self._crossing(self.source, name, argument, path)
        return KEPT

    def _leaving_call(self, name: str, argument: Any, path: Path) -> Any:
        match name:
            case "get_resource" | "get_attr":
                head = self._head(name, argument, path)
                if head is None:
                    return None
                if head in self.names:
                    return self._renaming(name, argument, path)
                return self._crossing(self.target, name, argument, path)
            case "get_param":
                return self._parameter(argument, path)
            case "get_file":
                return self.carrier.file(argument, path)
            case "if":
                if isinstance(argument, list) and argument:
                    self.carrier.conditions_in(argument[0], self._leaving_call)
            case "resource_facade":
                self._refuse(path, "`resource_facade` reads what only this stack has.",
                             "Write its value instead.")  # fmt: skip
        return KEPT

    def _head(self, name: str, argument: Any, path: Path) -> str | None:
        """The resource a call reads; refused when that is computed."""
        head = argument[0] if isinstance(argument, list) and argument else argument
        if isinstance(head, str):
            return head
        self._refuse(path, f"`{name}` computes which resource it reads.", "Write its name.")
        return None

    def _crossing(self, side: Side, name: str, argument: Any, path: Path) -> Any:
        """A parameter with the value of now, one for all that read the same."""
        value, hidden = self._value(name, argument, path)
        if isinstance(value, Unknown):
            return None
        reads = f"{name}: {argument if isinstance(argument, str) else json.dumps(argument)}"
        mark = self.source.document.mark(path)
        parameter = ""
        if value is not None:
            parameter = side.made.get(reads, "") or self._declared(side, reads, name, argument,
                                                                   value, hidden)  # fmt: skip
        self.crossings.append(
            Crossing(
                stack=side.stack,
                path=path,
                reads=reads,
                parameter=parameter,
                value=value,
                hidden=hidden,
                mark=mark,
            )
        )
        return {"get_param": parameter} if parameter else None

    def _declared(
        self, side: Side, reads: str, name: str, argument: Any, value: Any, hidden: bool
    ) -> str:
        parts = argument if isinstance(argument, list) else [argument]
        words = [part for part in map(word, parts) if part]
        ending = {"get_resource": ["id"], "get_param": []}.get(name, [])
        parameter = side.new_name("_".join([*words, *ending]) or "value")
        declared: dict[str, Any] = {
            "type": type_for(value),
            "description": f"What `{reads}` of stack {self.source.stack} was when it was moved.",
        }
        if hidden:
            declared["hidden"] = True
            side.environment.setdefault("parameters", {})[parameter] = value
        else:
            declared["default"] = value
        side.section("parameters")[parameter] = declared
        side.made[reads] = parameter
        return parameter

    def _value(self, name: str, argument: Any, path: Path) -> tuple[Value, bool]:
        """What the call gives now, and whether that is a secret; refused when nobody knows."""
        loaded = self.source.loaded
        call = Call(name, as_calls(argument, path, self.source.functions), path)
        try:
            value = resolve(call, loaded.scope(self.answers))
        except Invalid as error:
            self.findings.problems.extend(error.problems)
            return Unknown(()), False
        if unknowns_in(value) or isinstance(value, Unknown):
            self._refuse(
                path,
                f"`{name}: {argument}` would lead to another stack, and has no value now.",
                "Take it out of the template first.",
            )
            return Unknown(()), False
        return value, self._secret(name, argument, value)

    def _secret(self, name: str, argument: Any, value: Any) -> bool:
        loaded = self.source.loaded
        text = json.dumps(value, default=str)
        if any(secret in text for secret in loaded.graph.secret_values if secret):
            return True
        if name != "get_attr":
            return False
        definition = loaded.graph.resources.get(argument[0])
        if definition is None:
            return False
        attributes = loaded.facts[definition.resolved_type].schema.attributes
        named = argument[1] if len(argument) > 1 else None
        return any(each.secret for key, each in attributes.items() if named in {None, key, "show"})

    # --- what goes along ---------------------------------------------------------------------

    def _parameter(self, argument: Any, path: Path) -> Any:
        head = argument[0] if isinstance(argument, list) and argument else argument
        if not isinstance(head, str):
            self._refuse(path, "`get_param` computes which parameter it reads.", "Write its name.")
            return None
        if head in NAMES_THE_STACK:
            return self._crossing(self.target, "get_param", argument, path)
        if head.startswith("OS::"):
            return KEPT
        new = self.carrier.parameter(head)
        if isinstance(argument, list):
            rest = self._walked(argument[1:], (*path, "get_param"), self._leaving_call)
            return {"get_param": [new, *rest]}
        return {"get_param": new}

    def _carry_condition(self, name: str, body: Any) -> None:
        condition = body.get("condition") if isinstance(body, dict) else None
        if condition is None:
            return
        self.carrier.conditions_in(condition, self._leaving_call)
        if not isinstance(condition, str):
            there = self.target.section("resources")[self.names[name]]
            there["condition"] = self._walked(
                condition, ("resources", name, "condition"), self._leaving_call
            )


def fixed_name(stack: str, loaded: Loaded) -> Cut:
    """The template for a stack that gets another name: resources go on reading the old one."""
    side = Side(stack, loaded)
    cutting = Cutting(names={}, answers=NothingYet(), source=side, target=side)

    def change(name: str, argument: Any, path: Path) -> Any:
        head = argument[0] if isinstance(argument, list) and argument else argument
        if name == "get_param" and head == "OS::stack_name":
            return cutting._crossing(side, name, argument, path)  # noqa: SLF001 - of this module
        return KEPT

    side.data["resources"] = {
        name: cutting._body(name, body, change, lambda _, need: need)  # noqa: SLF001
        for name, body in side.section("resources").items()
    }
    cutting.findings.raise_if_any()
    crossings = tuple(cutting.crossings)
    return Cut(source=side.source(), target=None, crossings=crossings, data=side.data)


def refuse_cfn(stack: str, loaded: Loaded) -> None:
    """Raise `Invalid` for a template whose sections cannot be moved."""
    document = document_in(loaded.source)
    if is_cfn(document.data):
        findings = Findings()
        findings.add(
            "move",
            f"The template of stack {stack!r} is written in CFN's format.",
            mark=document.mark(()),
            remedy="Update it first with what `mantle template convert` makes of it.",
        )
        findings.raise_if_any()
