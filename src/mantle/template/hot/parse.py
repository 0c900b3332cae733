"""A HOT document's sections, one after another, into definitions with calls in them.

`if` is a macro: its condition is decided here, and only the chosen branch is read, so that the
other may be wrong for its place (Heat does the same).
"""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.model.errors import Findings, Invalid, Path
from mantle.model.graph import (
    DeletionPolicy,
    OutputDefinition,
    ParameterGroup,
    ResourceDefinition,
)
from mantle.model.values import OMITTED, Call, Unknown, Value
from mantle.template.cfn.shape import AWS, HEAT
from mantle.template.environment import Environment
from mantle.template.functions import SINCE, callable_in, removed_in
from mantle.template.functions.base import Scope, form_of
from mantle.template.functions.get_param import undeclared
from mantle.template.load import Document
from mantle.template.resolve import resolve

SECTIONS = {
    "heat_template_version",
    "description",
    "parameter_groups",
    "parameters",
    "resources",
    "outputs",
}
RESOURCE_KEYS = {
    "type",
    "properties",
    "metadata",
    "depends_on",
    "deletion_policy",
    "update_policy",
    "description",
}
OUTPUT_KEYS = {"value", "description"}
NEWTON = "2016-10-14"
"""Conditions, external_id and lower-case deletion policies came with it."""

_EVER = {each.name for _, new in SINCE for each in new}

INSTEAD = {
    "Ref": "get_param or get_resource",
    "Fn::Select": "get_param or get_attr with a path",
    "Fn::Join": "list_join",
    "Fn::Split": "str_split (since 2015-10-15)",
    "Fn::Replace": "str_replace",
    "Fn::Base64": "the text itself; Heat's Fn::Base64 changes nothing",
    "Fn::ResourceFacade": "resource_facade",
}
"""What HOT has for the functions it lost."""

Reference = tuple[str, str | None, Path]
"""A resource's name, the attribute read (None: only the resource), and where it stands."""


class Parser:
    """Reads one document for one set of parameter values."""

    def __init__(
        self,
        document: Document,
        version: str,
        environment: Environment,
        parameters: Mapping[str, Any],
        files: Mapping[str, str],
        findings: Findings,
    ) -> None:

        self.document = document
        self.version = version
        self.environment = environment
        self.parameters = parameters
        self.files = files
        self.findings = findings
        self.warnings = Findings()
        self.functions = callable_in(version)
        self.removed = removed_in(version)
        self.knows_conditions = version >= NEWTON or version == AWS
        self._resource_keys = set(RESOURCE_KEYS)
        if self.knows_conditions:
            self._resource_keys.add("condition")
        if version >= NEWTON:
            self._resource_keys.add("external_id")
        self.conditions: dict[str, bool] = {}
        self._definitions: Mapping[str, Any] = {}
        self._deciding: list[str] = []
        self.references: list[Reference] = []
        section = document.data.get("resources")
        self.names = frozenset(map(str, section)) if isinstance(section, dict) else frozenset()
        """Of all resources, also of those a condition leaves out."""
        self.mappings = self._mappings(document.data)

    def add(self, code: str, message: str, path: Path, remedy: str = "", fault: str = "") -> None:
        """Record a problem with its place."""
        self.findings.add(
            code,
            message,
            path,
            mark=self.document.mark(path),
            remedy=remedy,
            fault=fault or "StackValidationFailed",
        )

    def adopt(self, error: Invalid) -> None:
        """Give problems found while resolving their place in this document, each once."""
        for problem in error.problems:
            known = (problem.code, problem.path)
            if any((each.code, each.path) == known for each in self.findings.problems):
                continue
            mark = problem.mark or self.document.mark(problem.path)
            self.findings.problems.append(replace(problem, mark=mark))

    # --- sections ----------------------------------------------------------------------------

    def section(self, data: Mapping[str, Any], name: str) -> Mapping[Any, Any]:
        """A section that must be a map; null is empty."""
        body = data.get(name)
        if body is None:
            return {}
        if not isinstance(body, dict):
            self.add("section", f'"{name}" section must be a map.', (name,), "Write it as a map.")
            return {}
        return body

    def check_sections(self, data: Mapping[str, Any]) -> None:
        """Unknown top-level keys."""
        if self.version in {HEAT, AWS}:
            return  # looked at when the document was brought into shape
        known = SECTIONS | ({"conditions"} if self.knows_conditions else set())
        for key in data:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                self.add(
                    "unknown-section",
                    f"The template section is invalid: {key}",
                    (key,),
                    f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}.",
                    "InvalidTemplateSection",
                )

    def parameter_groups(
        self, data: Mapping[str, Any], declared: Mapping[str, Any]
    ) -> tuple[ParameterGroup, ...]:
        """Groups of declared parameters, each in at most one."""
        body = data.get("parameter_groups")
        if body is None:
            return ()
        if not isinstance(body, list):
            self.add(
                "section",
                "The parameter_groups must be a list.",
                ("parameter_groups",),
                "Write each group as an item: `- {label: …, parameters: [NAME]}`.",
            )
            return ()
        seen: set[str] = set()
        groups = []
        for position, group in enumerate(body):
            path: Path = ("parameter_groups", position)
            names = group.get("parameters") if isinstance(group, dict) else None
            if not isinstance(names, list):
                self.add(
                    "parameter-group",
                    "A parameter group needs a list of `parameters`.",
                    path,
                    "List the names of the group's parameters.",
                )
                continue
            for name in map(str, names):
                if name in seen or name not in declared:
                    why = "is in two groups" if name in seen else "is not declared"
                    remedy = "List it once." if name in seen else _near(name, declared)
                    self.add("parameter-group", f"The {name} parameter {why}.", path, remedy)
                seen.add(name)
            groups.append(
                ParameterGroup(
                    label=str(group.get("label") or ""),
                    description=str(group.get("description") or ""),
                    parameters=tuple(str(name) for name in names),
                )
            )
        return tuple(groups)

    # --- conditions --------------------------------------------------------------------------

    def read_conditions(self, data: Mapping[str, Any]) -> None:
        """Decide every condition; one that depends on a missing parameter counts as true."""
        if not self.knows_conditions:
            return
        self._definitions = self.section(data, "conditions")
        for name in self._definitions:
            self.decide(str(name), ("conditions", name))

    def decide(self, name: str, path: Path) -> bool:
        """One named condition."""
        if name in self.conditions:
            return self.conditions[name]
        if name not in self._definitions:
            near = difflib.get_close_matches(name, self._definitions, n=1)
            self.add(
                "unknown-condition",
                f'Invalid condition "{name}".',
                path,
                f"Did you mean {near[0]!r}?" if near else "Define it under `conditions`.",
            )
            return True
        if name in self._deciding:
            cycle = " -> ".join([*self._deciding, name])
            self.add("condition-cycle", f"Circular definition of conditions: {cycle}.", path,
                     "Break the circle.")  # fmt: skip
            return True
        self._deciding.append(name)
        body = self._definitions[name]
        if isinstance(body, str):
            self.add(
                "condition",
                f"The definition of condition {name!r} is invalid: {body!r} is only a name.",
                ("conditions", name),
                "Use true, false or a function; wrap a name in `not`, `and` or `or`.",
            )
            result = True
        elif body is None:
            self.add("condition", f"The definition of condition {name!r} is invalid: it is null.",
                     ("conditions", name), "Use true, false or a function.")  # fmt: skip
            result = True
        else:
            result = self.condition(body, ("conditions", name), names=False)
        self._deciding.pop()
        self.conditions[name] = result
        return result

    def condition(self, body: Any, path: Path, *, names: bool = True) -> bool:
        """A boolean, a condition's name or an inline condition; null is no condition.

        `names` is false in a definition, where a name, also a computed one, stands for nothing.
        """
        if body is None:
            return True
        if isinstance(body, bool):
            return body
        if isinstance(body, str):
            return self.decide(body, path)
        value = self._conditional(body, path)
        if not isinstance(value, Call):
            self.add("condition", f"{str(body)[:100]!r} is no condition.", path,
                     "Use a condition's name, true, false or a condition function.")  # fmt: skip
            return True
        scope = Scope(
            version=self.version, parameters=self.parameters, conditions=_Names(self, path)
        )
        try:
            result = resolve(value, scope)
        except Invalid as error:
            self.adopt(error)
            return True
        if isinstance(result, Unknown):
            return True
        if isinstance(result, bool):
            return result
        if names and isinstance(result, str):
            return self.decide(result, path)
        self.add("condition", f"It gives {str(result)[:100]!r}, which is no condition.", path,
                 "Compare it with `equals`; a condition is true or false.")  # fmt: skip
        return True

    def _conditional(self, body: Any, path: Path) -> Value:
        """Parse inside a condition: only its functions are calls there."""
        if isinstance(body, dict):
            if len(body) == 1:
                name = next(iter(body))
                if name == "Condition" and self.version == AWS:
                    return body[name]
                function = self.functions.get(name)
                if name == "Ref" and function is not None:
                    return self._parameter(body[name], path)
                if function is not None and function.is_condition:
                    argument = self._conditional(body[name], (*path, name))
                    return self.checked(name, argument, path)
                if function is not None:
                    self.add(
                        "condition",
                        f"The function {name!r} cannot be used in a condition.",
                        path,
                        "Conditions know parameters only.",
                    )
                    return None
            return {key: self._conditional(part, (*path, key)) for key, part in body.items()}
        if isinstance(body, list):
            return [self._conditional(part, (*path, i)) for i, part in enumerate(body)]
        return body

    # --- values ------------------------------------------------------------------------------

    def value(self, data: Any, path: Path) -> Value:
        """Data with its functions recognised. What needs no change is given back as it is."""
        kind = type(data)
        if kind is dict:
            if len(data) == 1:
                name = next(iter(data))
                if name in self.functions or name in self.removed:
                    found = self._function(name, data[name], path)
                    if found is not None:
                        return found[0]
                elif name in _EVER:
                    self.warnings.add(
                        "newer-function",
                        f"{name!r} is no function in version {self.version}: it stays plain text.",
                        path,
                        mark=self.document.mark(path),
                        remedy="Raise heat_template_version.",
                    )
            result = {}
            for key, part in data.items():
                inner = type(part)
                if inner is dict or inner is list:
                    part = self.value(part, (*path, key))  # noqa: PLW2901 - the same, parsed
                    if part is OMITTED:
                        continue
                result[key] = part
            return result
        if kind is list:
            items = []
            for position, part in enumerate(data):
                inner = type(part)
                if inner is dict or inner is list:
                    part = self.value(part, (*path, position))  # noqa: PLW2901 - as above
                    if part is OMITTED:
                        continue
                items.append(part)
            return items
        return data

    def _function(self, name: str, body: Any, path: Path) -> tuple[Value] | None:
        """A call in a tuple; None when the map is plain data after all."""
        if name in self.removed:
            instead = INSTEAD.get(name)
            self.add(
                "function",
                f"The template function {name!r} is not supported in this version.",
                path,
                f"Use {instead}." if instead else "No function of HOT does the same; leave it out.",
            )
            return (None,)
        if self.functions[name].only_condition:
            return None
        if name in {"if", "Fn::If"}:
            return (self._if(body, path, name),)
        if name == "Ref":
            return (self._ref(body, path),)
        argument = body
        if isinstance(body, dict | list):
            argument = self.value(body, (*path, name))
        return (self.checked(name, argument, path),)

    def _mappings(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """CFN's `Mappings`: maps of maps of values."""
        body = data.get("mappings")
        if body is None:
            return {}
        if isinstance(body, dict) and all(
            isinstance(inner, dict) and all(isinstance(each, dict) for each in inner.values())
            for inner in body.values()
        ):
            return body
        self.findings.add(
            "mappings",
            "`Mappings` must be a map of maps of maps.",
            ("mappings",),
            mark=self.document.mark(("mappings",)),
            remedy="Write {name: {key: {value name: value}}}.",
        )
        return {}

    def _ref(self, name: Any, path: Path) -> Value:
        """A resource if one has the name, else a parameter."""
        if isinstance(name, str) and name in self.names:
            self.references.append((name, None, path))
            return Call("get_resource", name, path)
        return self._parameter(name, path)

    def _parameter(self, name: Any, path: Path) -> Value:
        if not isinstance(name, str) or not name:
            self.add("function-argument", '"Ref": needs a name', path, form_of("Ref"))
            return None
        self._note_parameter(name, path)
        return Call("get_param", name, path)

    def _if(self, body: Any, path: Path, name: str) -> Value:
        allowed = {2, 3} if self.version >= "2021-04-16" else {3}
        if not isinstance(body, list) or len(body) not in allowed:
            self.add(
                "function-argument",
                f'"{name}": needs [condition, value, other value]'
                + (" (two arguments since wallaby)" if 2 not in allowed else ""),
                path,
                form_of(name),
            )
            return None
        chosen = 1 if self.condition(body[0], (*path, name, 0)) else 2
        if chosen >= len(body):
            return OMITTED
        return self.value(body[chosen], (*path, name, chosen))

    def checked(self, name: str, argument: Value, path: Path) -> Value:
        """A call whose argument has the right shape; its references are noted."""
        if name == "Fn::FindInMap" and isinstance(argument, list):
            argument = [*argument, self.mappings]
        problem = self.functions[name].check(argument)
        if problem is not None:
            self.add("function-argument", f'"{name}": {problem}', path, form_of(name))
            return None
        if name == "get_resource":
            self.references.append((argument, None, path))
        elif name in {"get_attr", "Fn::GetAtt"}:
            self._note_attribute(argument, path)
            return Call("get_attr", argument, path)
        elif name == "get_param":
            self._note_parameter(argument, path)
        elif name == "get_file" and isinstance(argument, str) and argument not in self.files:
            there = ", ".join(sorted(self.files)[:5]) or "none"
            self.add(
                "missing-file",
                f'No content found in the "files" section for get_file path: {argument} '
                f"(there: {there}).",
                path,
                "Send the file with the template, under exactly this key.",
            )
            return None
        return Call(name, argument, path)

    def _note_attribute(self, argument: list[Any], path: Path) -> None:
        name, attribute = argument[0], argument[1] if len(argument) > 1 else None
        if isinstance(name, Call):
            name = self._early(name)
        if isinstance(attribute, Call):
            attribute = self._early(attribute)
        for what, found in (("resource's", name), ("attribute's", attribute)):
            if not isinstance(found, str | Unknown) and (found is not None or found is name):
                self.add("function-argument", f'"get_attr": {str(found)[:100]!r} is no {what} name',
                         path, form_of("get_attr"))  # fmt: skip
                return
        if isinstance(name, str):
            if len(argument) == 1 and self.version < "2015-10-15":
                self.add(
                    "function-argument",
                    f'"get_attr": needs an attribute\'s name in version {self.version}',
                    path,
                    "Name one, or use 2015-10-15 or later.",
                )
            self.references.append((name, attribute if isinstance(attribute, str) else "", path))

    def _note_parameter(self, argument: Any, path: Path) -> None:
        name = argument[0] if isinstance(argument, list) else argument
        if isinstance(name, str) and name not in self.parameters:
            near = difflib.get_close_matches(name, self.parameters, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else "Declare it under `parameters`."
            problem = replace(undeclared(name, path, remedy), mark=self.document.mark(path))
            # Heat looks at outputs only when they are asked for: such a one has an error instead
            # of a value, and the stack is made all the same.
            found = self.warnings if path[0] == "outputs" else self.findings
            found.problems.append(problem)

    def _early(self, call: Call) -> Value:
        """A value computed from parameters is known already; one that is not is unknown."""
        try:
            return resolve(call, Scope(version=self.version, parameters=self.parameters))
        except Invalid:
            return Unknown(())

    # --- resources and outputs ---------------------------------------------------------------

    def resource(
        self, name: str, body: Any, names: Mapping[str, Any]
    ) -> tuple[ResourceDefinition, list[Reference]] | None:
        """One resource; None when its condition is false or it is no resource at all."""
        path: Path = ("resources", name)
        if not isinstance(body, dict):
            self.add("resource", f"Resource {name!r} must be a map.", path, "Give it a type.")
            return None
        if "/" in name:
            self.add("resource-name", f'Resource name may not contain "/": {name}', path,
                     f"Call it {name.replace('/', '_')!r}.")  # fmt: skip
        for key in body:
            if key not in self._resource_keys:
                known = self._resource_keys
                near = difflib.get_close_matches(str(key), known, n=1)
                self.add(
                    "unknown-key",
                    f'Invalid key "{key}" inside a resource definition',
                    (*path, key),
                    f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}.",
                )
        body = self._filled(name, body, path)
        conditional = self.knows_conditions and "condition" in body
        if conditional and not self.condition(body["condition"], (*path, "condition")):
            return None
        kind = body.get("type")
        if kind is not None and not isinstance(kind, str):
            self.add(
                "resource-type",
                f"The type of resource {name!r} must be a text.",
                (*path, "type"),
                "Write a type's name; a function cannot give it.",
            )
            return None
        if not kind:
            self.add("resource-type", f"Resource {name!r} has no type.", path, "Add `type: OS::…`.")
            return None
        description = body.get("description", "")
        if not isinstance(description, str):
            self.add("resource", f"The description of resource {name!r} must be a text.",
                     (*path, "description"), "Write plain text; put it into quotes.")  # fmt: skip
        self.references = []
        properties = self._map(body, "properties", path)
        metadata = self._map(body, "metadata", path)
        found = self.references
        needed = {reference[0] for reference in found}
        depends = self._depends(name, body.get("depends_on"), path, names)
        external = self._external(body, path)
        self.references = []
        update_policy = self._map(body, "update_policy", path)
        definition = ResourceDefinition(
            name=name,
            type=kind,
            resolved_type=self.environment.resolved_type(name, kind),
            properties=properties,
            metadata=metadata,
            depends_on=depends,
            # What exists already waits for nothing.
            references=() if external is not None else tuple(sorted({*needed, *depends})),
            deletion_policy=self._deletion(body, path, external),
            update_policy=update_policy,
            external_id=external,
            description=str(description),
            path=path,
        )
        return definition, found

    def _filled(self, name: str, body: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
        """Without keys that stand there empty, each of which is told."""
        empty = [key for key in body if body[key] is None and key != "type"]
        if not empty:
            return body
        for key in empty:
            self.add("empty-key", f"The key {key!r} of resource {name!r} is empty (null).",
                     (*path, key), "Fill it, or leave it out.")  # fmt: skip
        return {key: value for key, value in body.items() if key not in empty}

    def _map(self, body: Mapping[str, Any], key: str, path: Path) -> Any:
        data = body.get(key)
        if data is None:
            return {}
        value = self.value(data, (*path, key))
        if isinstance(value, dict | Call):
            return value
        if value is not None:
            self.add("resource", f'"{key}" must be a map.', (*path, key), "Write it as a map.")
        return {}

    def _depends(
        self, name: str, given: Any, path: Path, names: Mapping[str, Any]
    ) -> tuple[str, ...]:
        if given is None:
            return ()
        items = given if isinstance(given, list) else [given]
        found = []
        for item in items:
            if not isinstance(item, str):
                self.add("depends-on", f"depends_on of {name!r} takes names only, not {item!r}.",
                         (*path, "depends_on"),
                         "List names of resources; a function cannot give one.")  # fmt: skip
            elif item not in names:
                self.unknown_resource(item, (*path, "depends_on"), names)
            else:
                found.append(item)
        return tuple(found)

    def unknown_resource(self, name: str, path: Path, names: Mapping[str, Any]) -> None:
        """A reference to nothing."""
        near = difflib.get_close_matches(name, names, n=1)
        place = ".".join(str(part) for part in path[:2])
        self.add(
            "unknown-resource",
            f'The specified reference "{name}" (in {place}) is incorrect.',
            path,
            f"Did you mean {near[0]!r}?"
            if near
            else f"There is no such resource, or its condition leaves it out; "
            f"there are: {', '.join(sorted(names)[:12]) or 'none'}.",
            "InvalidTemplateReference",
        )

    def _deletion(
        self, body: Mapping[str, Any], path: Path, external: str | None
    ) -> DeletionPolicy:
        given = body.get("deletion_policy")
        usual = DeletionPolicy.DELETE if external is None else DeletionPolicy.RETAIN
        if given is None:
            return usual
        value = self.value(given, (*path, "deletion_policy"))
        if isinstance(value, Call):
            value = self._early(value)
        for policy in DeletionPolicy:
            if value == policy or (self.version >= NEWTON and value == policy.lower()):
                return policy if external is None else usual
        known = not isinstance(value, Unknown)
        self.add(
            "deletion-policy",
            f'Invalid deletion policy "{value if known else "which is not known now"}"',
            (*path, "deletion_policy"),
            f"Choose one of {', '.join(DeletionPolicy)}.",
        )
        return usual

    def _external(self, body: Mapping[str, Any], path: Path) -> str | None:
        if self.version < NEWTON or body.get("external_id") is None:
            return None
        value = self.value(body["external_id"], (*path, "external_id"))
        if isinstance(value, Call):
            value = self._early(value)
        if "depends_on" in body:
            self.add("external-id", "A resource with external_id takes no depends_on.",
                     (*path, "depends_on"), "Remove one of the two.")  # fmt: skip
        if not isinstance(value, str) or not value:
            self.add("external-id", "external_id must be a text that is known now.",
                     (*path, "external_id"),
                     "Write the object's id, or give it as a parameter.")  # fmt: skip
            return None
        return value

    def output(self, name: str, body: Any) -> tuple[OutputDefinition, list[Reference]] | None:
        """One output."""
        path: Path = ("outputs", name)
        known = OUTPUT_KEYS | ({"condition"} if self.knows_conditions else set())
        if not isinstance(body, dict):
            self.add("output", f"Output {name!r} must be a map.", path, "Add `value:`.")
            return None
        if "value" not in body:
            self.add("output", f"Each output must contain a value key ({name!r} has none).", path,
                     "Add `value:`.")  # fmt: skip
            return None
        for key in body:
            if key not in known:
                # Heat passes them over without a word.
                self.warnings.add(
                    "unknown-key",
                    f"The key {key!r} of output {name!r} means nothing in version {self.version}.",
                    (*path, key),
                    mark=self.document.mark((*path, key)),
                    remedy=f"Leave it out; known: {', '.join(sorted(known))}.",
                )
        enabled = True
        if "condition" in body and self.knows_conditions:
            enabled = self.condition(body["condition"], (*path, "condition"))
        self.references = []
        value = self.value(body["value"], (*path, "value")) if enabled else None
        definition = OutputDefinition(
            name=name,
            value=None if value is OMITTED else value,
            description=str(body.get("description") or ""),
            enabled=enabled,
            path=path,
        )
        return definition, self.references


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else "Declare it under `parameters`."


class _Names(Mapping[str, bool]):
    """Conditions by name, decided when asked for, so that they may stand in any order."""

    def __init__(self, parser: Parser, path: Path) -> None:
        self._parser = parser
        self._path = path

    def __getitem__(self, name: str) -> bool:
        return self._parser.decide(name, self._path)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __iter__(self) -> Any:
        return iter(self._parser.conditions)

    def __len__(self) -> int:
        return len(self._parser.conditions)
