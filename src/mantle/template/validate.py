"""A template, wholly checked: every problem at once, and a typed graph when there is none."""

import difflib
import graphlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mantle.model.errors import Findings, Invalid, Path, Problem
from mantle.model.graph import (
    DeletionPolicy,
    ParameterDefinition,
    ResourceDefinition,
    TemplateGraph,
    TemplateSource,
)
from mantle.model.masking import NOTHING_SECRET, Mask, mask_of, masked_error
from mantle.model.schema import (
    Limitation,
    Neighbour,
    Neighbourhood,
    TypeFacts,
)
from mantle.model.values import Call, Unknown, Value
from mantle.template.asked import Asked
from mantle.template.bounds import Bounds
from mantle.template.cfn import shape as cfn
from mantle.template.cfn.shape import arn, is_cfn
from mantle.template.constraints import Check
from mantle.template.contents import placed, template_of
from mantle.template.environment import Environment, load_environment
from mantle.template.facade import mismatches
from mantle.template.functions.cfn import REGION
from mantle.template.hot.parse import Parser, Reference
from mantle.template.hot.versions import version_of
from mantle.template.limits import check_limitations
from mantle.template.load import Document, document_of, parse
from mantle.template.loaded import Loaded, NothingYet, facts_of_template
from mantle.template.operator import NOBODY, Operator
from mantle.template.parameters import Parameters
from mantle.template.properties import coerce_properties
from mantle.template.resolve import Scope, resolve

BOUNDS = Bounds()


def load_template(
    source: TemplateSource,
    *,
    types: Mapping[str, TypeFacts],
    stack_name: str,
    stack_id: str,
    project_id: str,
    limitations: Sequence[Limitation] = (),
    require_values: bool = True,
    environment: Environment | None = None,
    depth: int = 0,
    custom: Mapping[str, Check] | None = None,
    strict: bool = True,
    asked: list[Asked] | None = None,
    operator: Operator = NOBODY,
    bounds: Bounds = BOUNDS,
) -> Loaded:
    """Parse and check; raises `Invalid` with every problem of template, files and environment.

    `asked` is given where a request is judged: what only a cloud can check is added to it, also
    when there are problems, and what the operator has fixed may not be mapped otherwise. The
    operator's environment lies under that of a stack of its own; what is inside one inherits it.

    `require_values` false is for templates on their own: parameters without a value are unknown.
    `strict` false leaves the properties inside nested templates unchecked.
    """
    try:
        if operator.files:
            source = replace(source, files={**source.files, **operator.files})
        if environment is not None:
            found = environment
        else:
            under = operator if depth == 0 else None
            found = load_environment(source, under, refuse=asked is not None)
    except Invalid as error:
        raise Invalid(
            [
                *error.problems,
                *_problems_of_the_template(
                    source, types, limitations, stack_name, stack_id, project_id, bounds
                ),
            ]
        ) from error
    findings = Findings()
    document = (
        parse(
            source.template,
            file=source.template_name,
            most_bytes=bounds.template_bytes,
            collect=findings,
        )
        if isinstance(source.template, str)
        else document_of(source.template, source.template_name)
    )
    pseudo = {
        "OS::stack_name": stack_name,
        "OS::stack_id": stack_id,
        "OS::project_id": project_id,
    }
    loader = _Loader(
        source=source,
        environment=found,
        types=types,
        limitations=limitations,
        require_values=require_values,
        pseudo=pseudo,
        custom=custom or {},
        strict=strict,
        depth=depth,
        chain=(source.template_name,),
        cache={},
        findings=findings,
        asked=asked,
        bounds=bounds,
        hidden=mask_of(source.secrets),
    )
    try:
        return loader.load(document)
    except Invalid as error:
        # Without its cause: that one is told with the values in it.
        raise masked_error(error, loader.hidden) from None
    finally:
        _keep_quiet(asked, loader.hidden)


def _keep_quiet(asked: list[Asked] | None, mask: Mask) -> None:
    """Values that hold a secret are asked of the cloud, and not told."""
    if asked is not None and mask.by_length:
        asked[:] = [
            each if mask.text(each.value) == each.value else replace(each, secret=True)
            for each in asked
        ]


def _problems_of_the_template(
    source: TemplateSource,
    types: Mapping[str, TypeFacts],
    limitations: Sequence[Limitation],
    stack_name: str,
    stack_id: str,
    project_id: str,
    bounds: Bounds,
) -> Sequence[Problem]:
    """What is wrong with the template itself, when its environment cannot be read."""
    try:
        load_template(
            source,
            types=types,
            stack_name=stack_name,
            stack_id=stack_id,
            project_id=project_id,
            limitations=limitations,
            require_values=False,
            environment=Environment(),
            bounds=bounds,
        )
    except Invalid as error:
        # Which types there are, the environment would say: what is unknown may be in it.
        return [
            each for each in error.problems if each.code not in {"unknown-type", "missing-file"}
        ]
    return ()


@dataclass(slots=True, kw_only=True)
class _Loader:
    source: TemplateSource
    environment: Environment
    types: Mapping[str, TypeFacts]
    limitations: Sequence[Limitation]
    require_values: bool
    pseudo: Mapping[str, str]
    custom: Mapping[str, Check]
    strict: bool
    depth: int
    chain: tuple[str, ...]
    bounds: Bounds
    cache: dict[str, "Loaded | None"]
    """Nested template files, loaded once; None while one is being loaded or is broken."""
    asked: list[Asked] | None = None
    findings: Findings = field(default_factory=Findings)
    facts: dict[str, TypeFacts] = field(default_factory=dict)
    settled: dict[str, Mapping[str, Value]] = field(default_factory=dict)
    nested: dict[str, Loaded] = field(default_factory=dict)
    inside: dict[str, tuple[Loaded, int]] = field(default_factory=dict)
    hidden: Mask = NOTHING_SECRET
    """Hides the hidden parameters' values in what is told of the template's problems."""
    facades: set[tuple[str, str]] = field(default_factory=set)
    """Type and file that were compared: one pair is told once."""

    def load(self, document: Document) -> Loaded:
        data = document.data
        if not isinstance(data, dict):
            what = "empty" if data is None else "no map"
            self.findings.add(
                "template",
                f"The template is {what}.",
                mark=document.mark(()),
                remedy="Begin it with `heat_template_version:`.",
                fault="HTTPBadRequest",
            )
            self.findings.raise_if_any()
        if is_cfn(data):
            return self._load_cfn(document)
        version = version_of(document, self.findings)
        self.findings.raise_if_any()
        return self._load(document, version, self.pseudo)

    def _load_cfn(self, document: Document) -> Loaded:
        """The same with other keys; problems are told with the keys that were written."""
        version = cfn.version_of(document.data, document, self.findings)
        self.findings.raise_if_any()
        shaped = cfn.hot_shaped(document, version, self.findings)
        name, stack_id = self.pseudo["OS::stack_name"], self.pseudo["OS::stack_id"]
        # `self.pseudo` stays HOT's: nested templates are given it, of whichever family they are.
        pseudo = {
            "AWS::StackName": name,
            "AWS::StackId": arn(self.pseudo["OS::project_id"], name, stack_id),
            "AWS::Region": REGION,
        }
        before = len(self.asked or ())
        try:
            return self._load(shaped, version, pseudo)
        except Invalid as error:
            raise Invalid([shaped.as_written(each) for each in error.problems]) from error
        finally:
            if self.asked is not None:
                self.asked[before:] = [
                    replace(each, problem=shaped.as_written(each.problem))
                    for each in self.asked[before:]
                ]

    def _load(self, document: Document, version: str, pseudo: Mapping[str, str]) -> Loaded:
        data = document.data
        reader = Parameters(document, version, self.findings, self.custom, self.asked)
        declared = reader.declared(data.get("parameters"))
        values = reader.values(declared, self.environment, require=self.require_values)
        # A parameter whose declaration is wrong is unknown, so that one mistake is reported once.
        section = data.get("parameters")
        names = [str(name) for name in section] if isinstance(section, dict) else []
        broken = {name: Unknown((f"parameter {name}",)) for name in names}
        secret_values = (
            *(
                str(values[name])
                for name, definition in declared.items()
                if definition.hidden and values.get(name)
            ),
            *self.source.secrets,
        )
        self.hidden = mask_of(secret_values)
        known = {**broken, **values, **pseudo}
        parser = Parser(
            document, version, self.environment, known, self.source.files, self.findings
        )
        parser.check_sections(data)
        parser.read_conditions(data)
        groups = parser.parameter_groups(data, declared)
        resources = self._resources(parser, data, declared, known, version)
        outputs = {}
        for name, body in parser.section(data, "outputs").items():
            made = parser.output(str(name), body)
            if made is not None:
                outputs[str(name)] = made[0]
                self._references(parser, made[1], resources, data)
        self.findings.raise_if_any()
        graph = TemplateGraph(
            version=version,
            description=str(data.get("description") or "No description"),
            parameters=declared,
            parameter_groups=groups,
            parameter_values=known,
            conditions=parser.conditions,
            resources=resources,
            outputs=outputs,
            secret_values=secret_values,
        )
        return Loaded(
            graph=graph,
            environment=self.environment,
            source=self.source,
            facts=self.facts,
            digests=self._digests(resources),
            warnings=tuple(parser.warnings.problems),
            nested=self.nested,
            settled=self.settled,
            inside=self.inside,
        )

    # --- resources ---------------------------------------------------------------------------

    def _resources(
        self,
        parser: Parser,
        data: Mapping[str, Any],
        declared: Mapping[str, ParameterDefinition],
        known: Mapping[str, Any],
        version: str,
    ) -> dict[str, ResourceDefinition]:
        section = parser.section(data, "resources")
        definitions: dict[str, ResourceDefinition] = {}
        references: dict[str, list[Reference]] = {}
        for name, body in section.items():
            if name in declared:
                parser.add(
                    "duplicate-name",
                    f"Duplicate names ['{name}']: a parameter and a resource.",
                    ("resources", name),
                    "Rename one of them.",
                )
            made = parser.resource(str(name), body, section)
            if made is not None:
                definitions[str(name)], references[str(name)] = made
        scope = Scope(
            version=version,
            parameters=known,
            files=self.source.files,
            lookup=NothingYet(),
            conditions=parser.conditions,
            facade=self.source.facade,
        )
        for definition in definitions.values():
            self._type(parser, definition)
        for name, definition in definitions.items():
            self._references(parser, references[name], definitions, data)
            self._check(parser, definition, scope, alone=not references[name])
        kept = {
            name: replace(
                definition,
                references=tuple(each for each in definition.references if each in definitions),
            )
            if any(each not in definitions for each in definition.references)
            else definition
            for name, definition in definitions.items()
        }
        return self._ordered(parser, kept)

    def _type(self, parser: Parser, definition: ResourceDefinition) -> None:
        self._known_type(parser, definition)
        provider = self.facts.get(definition.resolved_type)
        facade = self.types.get(definition.type)
        pair = (definition.type, definition.resolved_type)
        if not definition.is_template or None in (provider, facade) or pair in self.facades:
            return
        assert provider is not None
        assert facade is not None
        self.facades.add(pair)
        for each in mismatches(definition.type, facade.schema, provider.schema):
            parser.add("facade", each.message, (*definition.path, "type"), each.remedy)

    def _known_type(self, parser: Parser, definition: ResourceDefinition) -> None:
        name = definition.resolved_type
        if name in self.facts:
            return
        if definition.is_template:
            made = self._template_facts(parser, definition)
            if made is not None:
                self.facts[name] = made
            return
        facts = self.types.get(name)
        if facts is not None:
            self.facts[name] = facts
            return
        near = difflib.get_close_matches(name, self.types, n=1)
        parser.add(
            "unknown-type",
            f"The Resource Type ({name}) could not be found.",
            (*definition.path, "type"),
            f"Did you mean {near[0]}?" if near else "`resource_types` lists what there is.",
        )

    def _check(
        self, parser: Parser, definition: ResourceDefinition, scope: Scope, *, alone: bool
    ) -> None:
        """Its properties against its type; `alone` when they refer to no other resource."""
        facts = self.facts.get(definition.resolved_type)
        if facts is None or (self.depth > 0 and not self.strict):
            return
        path: Path = (*definition.path, "properties")
        try:
            given = resolve(definition.properties, scope)
        except Invalid as error:
            parser.adopt(error)
            return
        if isinstance(given, Unknown):
            return
        if not isinstance(given, dict | None):
            parser.add(
                "resource",
                f'"properties" must be a map; the function gives {str(given)[:100]!r}.',
                path,
                "Give the function a map, or write the properties out.",
            )
            return
        before = len(self.findings.problems)
        values = coerce_properties(
            facts.schema,
            given or {},
            path,
            self.findings,
            parser.document.mark,
            self.custom,
            self.asked,
        )
        check_limitations(
            [each for each in self.limitations if each.resource_type == definition.resolved_type],
            values,
            facts.schema,
            lambda code, message, where, remedy: parser.add(code, message, (*path, *where), remedy),
        )
        if facts.check_properties is not None and len(self.findings.problems) == before:
            for text in facts.check_properties(values):
                parser.add("properties", f"Property error: {text}", path,
                           "Change the properties that it names.")  # fmt: skip
        if len(self.findings.problems) == before:
            self._look_inside(parser, definition, facts, values)
        if alone and self.require_values and len(self.findings.problems) == before:
            self.settled[definition.name] = values
        self._policies(parser, definition, facts, scope)

    def _policies(
        self, parser: Parser, definition: ResourceDefinition, facts: TypeFacts, scope: Scope
    ) -> None:
        policy = definition.deletion_policy
        if policy is DeletionPolicy.SNAPSHOT and not facts.schema.takes_snapshots:
            parser.add(
                "deletion-policy",
                f'"Snapshot" deletion policy not supported by {definition.type}.',
                (*definition.path, "deletion_policy"),
                "Use Delete or Retain.",
            )
        allowed = facts.schema.update_policies
        policy_given = definition.update_policy
        if isinstance(policy_given, Call):
            try:
                policy_given = resolve(policy_given, scope)
            except Invalid as error:
                parser.adopt(error)
                return
            if not isinstance(policy_given, dict | Unknown | None):
                parser.add(
                    "resource",
                    f'"update_policy" must be a map; the function gives '
                    f"{str(policy_given)[:100]!r}.",
                    (*definition.path, "update_policy"),
                    "Give the function a map, or write the policy out.",
                )
        if isinstance(policy_given, dict) and policy_given:
            for key in policy_given:
                if key not in allowed:
                    parser.add(
                        "update-policy",
                        f"Unknown update policy {key!r} for {definition.type}.",
                        (*definition.path, "update_policy", key),
                        f"It takes {', '.join(allowed)}." if allowed else "It takes none.",
                    )
            self._policy_values(parser, definition, facts, policy_given, scope)

    def _policy_values(
        self,
        parser: Parser,
        definition: ResourceDefinition,
        facts: TypeFacts,
        given: Mapping[str, Any],
        scope: Scope,
    ) -> None:
        """What the policies say, against the type's schema of them."""
        try:
            values = resolve(dict(given), scope)
        except Invalid as error:
            parser.adopt(error)
            return
        known = {key: each for key, each in values.items() if key in facts.schema.update_policy}
        coerce_properties(
            replace(facts.schema, properties=facts.schema.update_policy, any_property=False),
            known,
            (*definition.path, "update_policy"),
            self.findings,
            parser.document.mark,
        )

    def _references(
        self,
        parser: Parser,
        references: Sequence[Reference],
        definitions: Mapping[str, ResourceDefinition],
        data: Mapping[str, Any],
    ) -> None:
        for name, attribute, path in references:
            target = definitions.get(name)
            if target is None:
                parser.unknown_resource(name, path, definitions)
                continue
            facts = self.facts.get(target.resolved_type)
            if not attribute or facts is None or facts.contains_resources or facts.open_attributes:
                continue
            known = facts.schema.attributes
            if attribute in known or attribute == "show":
                continue
            if target.is_template and attribute.startswith("resource."):
                continue
            near = difflib.get_close_matches(attribute, known, n=1)
            parser.add(
                "unknown-attribute",
                f"The Referenced Attribute ({name} {attribute}) is incorrect.",
                path,
                f"Did you mean {near[0]!r}?"
                if near
                else f"{target.type} has: {', '.join(sorted(known)) or 'none'}.",
                "InvalidTemplateAttribute",
            )
        del data

    # --- order -------------------------------------------------------------------------------

    def _ordered(
        self, parser: Parser, definitions: dict[str, ResourceDefinition]
    ) -> dict[str, ResourceDefinition]:
        """With hidden dependencies added; a cycle is a problem that names its members."""
        explicit = {name: each.references for name, each in definitions.items()}
        cycle = _cycle(explicit)
        if cycle:
            shown = " -> ".join(cycle)
            parser.add(
                "cycle",
                f"Circular Dependency Found: {shown}",
                definitions[cycle[0]].path,
                "Break the circle: one of these must not refer to the next.",
                "CircularDependencyException",
            )
            return definitions
        hidden = self._hidden(definitions)
        if not hidden:
            return definitions
        both = {name: (*needs, *hidden.get(name, ())) for name, needs in explicit.items()}
        while cycle := _cycle(both):
            # What is written down wins over what is only guessed.
            for name in cycle:
                both[name] = explicit[name]
        return {
            name: replace(each, references=tuple(sorted(set(both[name]))))
            if name in hidden
            else each
            for name, each in definitions.items()
        }

    def _hidden(self, definitions: Mapping[str, ResourceDefinition]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        everyone: Neighbourhood | None = None
        for name, definition in definitions.items():
            facts = self.facts.get(definition.resolved_type)
            if facts is None or facts.neighbours is None:
                continue
            if everyone is None:
                everyone = Neighbourhood(
                    {
                        other: Neighbour(each.resolved_type, _plain(each.properties))
                        for other, each in definitions.items()
                    }
                )
            names = facts.neighbours(_plain(definition.properties), everyone)
            wanted = tuple(each for each in names if each != name and each in definitions)
            if wanted:
                found[name] = wanted
        return found

    # --- nested templates --------------------------------------------------------------------

    def _template_facts(self, parser: Parser, definition: ResourceDefinition) -> TypeFacts | None:
        key = definition.resolved_type
        path: Path = (*definition.path, "type")
        text = self.source.files.get(key)
        if text is None:
            parser.add(
                "missing-file",
                f"The template file {key!r} of resource {definition.name!r} did not come with "
                "the request.",
                path,
                "Send its text in `files` under exactly this key.",
            )
            return None
        if key in self.chain or self.depth + 1 > self.bounds.nesting:
            shown = " -> ".join([*self.chain, key])
            why = (
                "includes itself"
                if key in self.chain
                else f"is deeper than {self.bounds.nesting} levels"
            )
            parser.add(
                "nesting",
                f"The nesting of templates {why}: {shown}.",
                path,
                "Flatten it, or end the recursion.",
                "RequestLimitExceeded",
            )
            return None
        child = self._child(key, text, definition)
        if child is None:
            return None
        if self.depth + 1 + _height(child) > self.bounds.nesting:
            # Seen before at a lesser depth, where it fitted.
            parser.add(
                "nesting",
                f"The nesting of templates is deeper than {self.bounds.nesting} levels "
                f"below {key}.",
                path,
                "Flatten it.",
                "RequestLimitExceeded",
            )
            return None
        self.nested[key] = child
        return facts_of_template(key, child, self.environment)

    def _child(self, key: str, text: str, definition: ResourceDefinition) -> Loaded | None:
        if key in self.cache:
            return self.cache[key]
        self.cache[key] = None
        inside = self.environment.inside(definition.name, definition.type)
        environment = replace(inside, parameters={})
        source = TemplateSource(
            template=text, files=self.source.files, template_name=key, facade=_FACADE
        )
        loader = _Loader(
            source=source,
            environment=environment,
            types=self.types,
            limitations=self.limitations,
            require_values=False,
            pseudo=self.pseudo,
            custom=self.custom,
            bounds=self.bounds,
            strict=self.strict,
            depth=self.depth + 1,
            chain=(*self.chain, key),
            cache=self.cache,
            asked=self.asked,
        )
        try:
            self.cache[key] = loader.load(
                parse(
                    text,
                    file=key,
                    most_bytes=self.bounds.template_bytes,
                    collect=loader.findings,
                )
            )
        except Invalid as error:
            self.findings.problems.extend(error.problems)
        return self.cache[key]

    def _look_inside(
        self,
        parser: Parser,
        definition: ResourceDefinition,
        facts: TypeFacts,
        values: Mapping[str, Value],
    ) -> None:
        """Check what a group is going to hold, with problems told at the group."""
        contents = facts.contents(values) if facts.contents is not None else None
        if contents is None:
            return
        if self.depth + 1 > self.bounds.nesting:
            parser.add(
                "nesting",
                f"The nesting of stacks is deeper than {self.bounds.nesting} levels "
                f"at {definition.name}.",
                (*definition.path, "type"),
                "Flatten it.",
                "RequestLimitExceeded",
            )
            return
        before = len(self.asked or ())
        below: Path = (*definition.path, "properties")
        name = f"{definition.name} ({definition.type})"
        loader = _Loader(
            source=TemplateSource(template=template_of(contents), files=self.source.files),
            environment=replace(
                self.environment.inside(definition.name, definition.type), parameters={}
            ),
            types=self.types,
            limitations=self.limitations,
            require_values=False,
            pseudo=self.pseudo,
            custom=self.custom,
            bounds=self.bounds,
            strict=self.strict,
            depth=self.depth + 1,
            chain=self.chain,
            cache=self.cache,
            asked=self.asked,
        )

        def here(problem: Problem) -> Problem:
            moved = placed(problem, contents, below)
            return replace(moved, mark=moved.mark or parser.document.mark(moved.path))

        try:
            inside = loader.load(document_of(template_of(contents), name))
        except Invalid as error:
            self.findings.problems += [here(each) for each in error.problems]
        else:
            self.inside[definition.name] = (inside, contents.times)
        if self.asked is not None:
            self.asked[before:] = [
                replace(each, problem=here(each.problem)) for each in self.asked[before:]
            ]

    # --- digests -----------------------------------------------------------------------------

    def _digests(self, resources: Mapping[str, ResourceDefinition]) -> dict[str, str]:
        if not self.nested and not any(
            self.facts[each.resolved_type].contains_resources for each in resources.values()
        ):
            return {}
        shared = json.dumps(
            [
                dict(self.environment.parameter_defaults),
                # An exported environment names the empty `resources`, a written one does not.
                {key: body for key, body in self.environment.resource_registry.items() if body},
            ],
            sort_keys=True,
            default=str,
        )
        everything = json.dumps(dict(self.source.files), sort_keys=True)
        digests = {"": f"{_hash(shared)}.{_hash(everything)}"}
        for key, child in self.nested.items():
            texts = [self.source.files[key], *sorted(child.digests.values())]
            if any(each.type != each.resolved_type for each in child.graph.resources.values()):
                texts.append(everything)
            if "get_file" in texts[0]:
                texts.append(everything)
            digests[key] = _hash(shared, *texts)
        return digests


_FACADE: Mapping[str, Any] = {"metadata": {}, "deletion_policy": "Delete", "update_policy": {}}


def _height(loaded: Loaded) -> int:
    """Levels of templates below this one."""
    return max((1 + _height(each) for each in loaded.nested.values()), default=0)


def _plain(properties: Any) -> Mapping[str, Any]:
    return {} if isinstance(properties, Call) else properties


def _cycle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The names of one cycle, first one repeated at the end; empty when there is none."""
    needy = {name: needed for name, needed in needs.items() if needed}
    try:
        graphlib.TopologicalSorter(needy).prepare()
    except graphlib.CycleError as error:
        return [str(name) for name in reversed(error.args[1])]
    return []


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()
