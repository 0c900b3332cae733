"""Environments: parameter values, defaults for the whole tree, and what type names mean."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from mantle.model.errors import Findings, dotted
from mantle.model.graph import TemplateSource
from mantle.model.sinks import MOST_SINKS, why_no_sink
from mantle.template.load import Document, document_of, parse
from mantle.template.merging import STRATEGIES, Merging

SECTIONS = {
    "parameters",
    "parameter_defaults",
    "resource_registry",
    "event_sinks",
    "encrypted_param_names",
    "parameter_merge_strategies",
}
HOOK_NAMES = frozenset(
    f"{when}-{deed}" for when in ("pre", "post") for deed in ("create", "update", "delete")
)
RESTRICTIONS = frozenset({"update", "replace"})
SUFFIXES = (".yaml", ".yml", ".template")
"""What names a template file ends with."""
OLD_NAMES: Mapping[str, str] = {
    "OS::Quantum*": "OS::Neutron*",
    "OS::Neutron::LBaaS::*": "OS::Octavia::*",
}
"""What types were called once, and their successors; an environment may say otherwise. The load
balancers of Neutron that came before LBaaS have none: their types do nothing."""

_RESOURCES = ("resource_registry", "resources")
OWN_KEYS = {"hooks": HOOK_NAMES, "restricted_actions": RESTRICTIONS}
"""What an entry of `resource_registry.resources` may say beside types, and with which words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment, merged from files, document and parameters."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameter_defaults: Mapping[str, Any] = field(default_factory=dict)
    resource_registry: Mapping[str, Any] = field(default_factory=dict)
    """Type (or `prefix*`) to type, file or None; `resources` holds the same by resource name."""
    event_sinks: tuple[Any, ...] = ()
    encrypted_param_names: tuple[str, ...] = ()

    def resolved_type(self, resource: str, type_name: str) -> str:
        """What a type name means for a resource: a plug-in's name or a template file's key."""
        seen: set[str] = set()
        named = self._named(resource)
        while type_name not in seen:
            seen.add(type_name)
            step = _match(named, type_name)
            if step is None:
                step = _match(self.resource_registry, type_name)
            if step is None:
                step = _match(OLD_NAMES, type_name)
            if step is None or step == type_name:
                return type_name
            type_name = step
            if type_name.endswith(SUFFIXES):
                return type_name
        return type_name

    def _named(self, resource: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        entries = self.by_resource
        if not entries:
            return found
        # Heat's order: the name itself, then the longer pattern, then the alphabet. What is put in
        # last wins.
        patterns = sorted(map(str, entries), reverse=True)
        for pattern in sorted(patterns, key=lambda each: (each == resource, len(each))):
            mapping = entries[pattern]
            if fnmatch.fnmatchcase(resource, pattern) and isinstance(mapping, Mapping):
                found.update({k: v for k, v in mapping.items() if k not in OWN_KEYS})
        return found

    @property
    def by_resource(self) -> Mapping[str, Any]:
        """What is said of single resources, by name or pattern: mostly nothing."""
        entries = self.resource_registry.get("resources")
        return entries if isinstance(entries, Mapping) else {}

    def hooks_of(self, resource: str) -> frozenset[str]:
        """Where an operation waits for a person: `pre-create`, `post-update` and so on."""
        return self._said_of(resource, "hooks")

    def restrictions_of(self, resource: str) -> frozenset[str]:
        """What an update may not do to the resource: `update`, `replace`."""
        return self._said_of(resource, "restricted_actions")

    def _said_of(self, resource: str, key: str) -> frozenset[str]:
        found: set[str] = set()
        for pattern, body in self.by_resource.items():
            named = fnmatch.fnmatchcase(resource, str(pattern))
            if named and isinstance(body, Mapping) and key in body:
                found.update(_words(body[key]))
        return frozenset(found)

    def inside(self, resource: str, type_name: str) -> "Environment":
        """What the stack inside a resource inherits.

        Without the entries that made it a nested stack, so that it cannot include itself by them;
        of what is said by resource name, what is said of the resources inside.
        """
        registry = {
            key: target
            for key, target in self.resource_registry.items()
            if key != "resources" and not _makes(key, target, type_name)
        }
        inner: dict[str, Any] = {}
        for pattern, body in self.by_resource.items():
            if isinstance(body, Mapping) and fnmatch.fnmatchcase(resource, str(pattern)):
                inner.update({k: v for k, v in body.items() if isinstance(v, Mapping)})
        if inner:
            registry["resources"] = inner
        return replace(self, resource_registry=registry)

    def as_data(self) -> dict[str, Any]:
        """The environment as Heat's API shows it."""
        registry = dict(self.resource_registry)
        registry.setdefault("resources", {})
        return {
            "parameters": dict(self.parameters),
            "parameter_defaults": dict(self.parameter_defaults),
            "resource_registry": registry,
            "event_sinks": list(self.event_sinks),
            "encrypted_param_names": list(self.encrypted_param_names),
        }


def _words(said: Any) -> list[str]:
    if said is None:
        return []
    return [said] if isinstance(said, str) else [str(each) for each in said]


def _makes(key: str, target: Any, type_name: str) -> bool:
    """Whether a registry entry gives the type a template file."""
    if not isinstance(target, str) or not target.endswith(SUFFIXES):
        return False
    return key == type_name or (key.endswith("*") and type_name.startswith(key[:-1]))


def _match(registry: Mapping[str, Any], type_name: str) -> str | None:
    exact = registry.get(type_name)
    if isinstance(exact, str):
        return exact
    best: tuple[int, str] | None = None
    for key, target in registry.items():
        if not key.endswith("*") or not isinstance(target, str):
            continue
        prefix = key[:-1]
        if not type_name.startswith(prefix) or (best and len(prefix) <= best[0]):
            continue
        goal = target[:-1] + type_name[len(prefix) :] if target.endswith("*") else target
        if goal != type_name:
            best = (len(prefix), goal)
    return best[1] if best else None


class Under(Protocol):
    """What lies under every environment: the operator's (see `operator.py`)."""

    @property
    def environment(self) -> Environment: ...

    def touches(self, pattern: str) -> str | None:
        """The fixed type that a registry entry would change, or None."""
        ...


def load_environment(
    source: TemplateSource, under: Under | None = None, *, refuse: bool = False
) -> Environment:
    """The environment files in their order, then the environment, then the parameters.

    All of it lies over the operator's, whose fixed types it cannot change: `refuse` makes an entry
    that would a problem; without it the entry has no effect.
    """
    findings = Findings()
    merged = Environment()
    if under is not None:
        merged = replace(merged, resource_registry=_marked(under.environment.resource_registry))
    limits = _Limits(under, refuse=refuse)
    merging = Merging(source)
    for key in source.environment_files:
        text = source.files.get(key)
        if text is None:
            findings.add(
                "environment-file",
                f"The environment file {key!r} did not come with the request.",
                ("environment_files", key),
                remedy="Send its text in `files` under this key.",
            )
            continue
        merged = onto(merged, _document(text, key), findings, merging, limits)
    merged = onto(merged, _document(source.environment, "environment"), findings, limits=limits)
    findings.raise_if_any()
    given = {**merged.parameters, **source.parameters}
    merged = replace(merged, parameters=given)
    if under is None:
        return merged
    base = under.environment
    return replace(
        merged,
        resource_registry=_over(merged.resource_registry),
        parameter_defaults={**base.parameter_defaults, **merged.parameter_defaults},
        event_sinks=(*base.event_sinks, *merged.event_sinks),
    )


class _Operators(str):
    """A target that the operator gave; whatever the user maps the same type by is before it."""

    __slots__ = ()


def _marked(registry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _Operators(target) if isinstance(target, str) else target
        for name, target in registry.items()
    }


def _over(registry: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the operator maps of types that the user maps by a wildcard.

    As in Heat, where the user's entries all come before the system's, whichever is the longer.
    """
    prefixes = tuple(
        name.removesuffix("*")
        for name, target in registry.items()
        if name.endswith("*") and isinstance(target, str) and not isinstance(target, _Operators)
    )
    return {
        name: str(target) if isinstance(target, _Operators) else target
        for name, target in registry.items()
        if not (prefixes and isinstance(target, _Operators) and name.startswith(prefixes))
    }


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a user's environment may not change."""

    under: Under | None = None
    refuse: bool = False

    def apply(
        self, registry: Mapping[str, Any], document: Document, findings: Findings
    ) -> dict[str, Any]:
        """The registry without entries that would change a fixed type, however deep they stand."""
        return self._kept(registry, ("resource_registry",), document, findings)

    def _kept(
        self,
        entries: Mapping[str, Any],
        path: tuple[str, ...],
        document: Document,
        findings: Findings,
    ) -> dict[str, Any]:
        under = self.under
        if under is None:
            return dict(entries)
        kept: dict[str, Any] = {}
        for name, target in entries.items():
            place = (*path, str(name))
            if isinstance(target, Mapping):
                kept[name] = self._kept(target, place, document, findings)
                continue
            fixed = under.touches(str(name)) if name not in OWN_KEYS else None
            if fixed is None:
                kept[name] = target
            elif self.refuse and target != under.environment.resource_registry.get(fixed):
                findings.add(
                    "fixed-type",
                    f"What {fixed} stands for is fixed by the operator; this environment may not "
                    "change it.",
                    place,
                    mark=document.mark(place),
                    remedy="Remove the entry, or give your type a name of its own.",
                )
        return kept


def _document(given: str | Mapping[str, Any], file: str) -> Document:
    if isinstance(given, str):
        return parse(given, file=file)
    return document_of(given, file)


def onto(
    base: Environment,
    document: Document,
    findings: Findings,
    merging: Merging | None = None,
    limits: "_Limits | None" = None,
) -> Environment:
    """The base with one more document over it.

    `merging` knows of the environment files before; None for the environment, which wins.
    """
    data = document.data
    if data is None or data == {}:
        return base
    if not isinstance(data, dict):
        findings.add(
            "environment", "An environment must be a map.", mark=document.mark(()),
            remedy="Write `parameters:` and the values below it.",
        )  # fmt: skip
        return base
    if not set(data) & SECTIONS:
        # The flat form of old: all keys are parameters.
        data = {"parameters": data}
    sections: dict[str, Any] = {}
    for name, body in data.items():
        wanted: type = list if name in {"event_sinks", "encrypted_param_names"} else dict
        if name not in SECTIONS:
            findings.add(
                "environment-section", f'environment has wrong section "{name}"', (name,),
                mark=document.mark((name,)), remedy=f"Known: {', '.join(sorted(SECTIONS))}.",
            )  # fmt: skip
        elif not isinstance(body, wanted):
            findings.add(
                "environment-section",
                f"Section {name!r} of the environment must be a "
                f"{'map' if wanted is dict else 'list'}, not {_kind(body)}.",
                (name,),
                mark=document.mark((name,)),
                remedy="Fill it or leave it out.",
            )
        else:
            sections[name] = body
    _check_registry(sections.get("resource_registry", {}), document, findings)
    _check_sinks(sections.get("event_sinks", ()), document, findings)
    _check_resources(sections.get("resource_registry", {}).get("resources"), document, findings)
    said = _strategies(sections.get("parameter_merge_strategies", {}), document, findings)
    both: dict[str, dict[str, Any]] = {}
    for name in ("parameters", "parameter_defaults"):
        old, new = getattr(base, name), sections.get(name, {})
        if merging is None:
            both[name] = {**old, **new}
            continue
        report = partial(_unmergeable, document, findings, name)
        merging.settle(new, said, report)
        both[name] = merging.merged(old, new, report)
    registry = sections.get("resource_registry", {})
    if limits is not None:
        registry = limits.apply(registry, document, findings)
    later = merging is not None and merging.has_registry
    if merging is not None and registry:
        merging.has_registry = True
    return Environment(
        parameters=both["parameters"],
        parameter_defaults=both["parameter_defaults"],
        resource_registry=_registry(base.resource_registry, registry, later=later),
        event_sinks=(*base.event_sinks, *sections.get("event_sinks", ())),
        encrypted_param_names=(
            *base.encrypted_param_names,
            *sections.get("encrypted_param_names", ()),
        ),
    )


def _kind(body: Any) -> str:
    if body is None:
        return "empty"
    if isinstance(body, dict):
        return "a map"
    return "a list" if isinstance(body, list) else "a plain value"


def _check_registry(registry: Mapping[str, Any], document: Document, findings: Findings) -> None:
    for name, target in registry.items():
        if name != "resources" and target is not None and not isinstance(target, str):
            findings.add(
                "environment-registry",
                f"The registry's entry {name!r} must be a type, a template file or null, not "
                f"{target!r}.",
                ("resource_registry", name),
                mark=document.mark(("resource_registry", name)),
                remedy="Name what the type stands for.",
            )


def _check_sinks(sinks: Sequence[Any], document: Document, findings: Findings) -> None:
    """One that is not offered is refused rather than forgotten."""
    wrong = [(position, why) for position, sink in enumerate(sinks) if (why := why_no_sink(sink))]
    if len(sinks) > MOST_SINKS:
        many = f"{len(sinks)} event sinks are given; {MOST_SINKS} are allowed."
        wrong.append((MOST_SINKS, (many, "Send the events to one place, and on from there.")))
    for position, (message, remedy) in wrong:
        findings.add(
            "event-sink",
            message,
            ("event_sinks", position),
            mark=document.mark(("event_sinks", position)),
            remedy=remedy,
        )


def _strategies(
    given: Mapping[str, Any], document: Document, findings: Findings
) -> Mapping[str, str]:
    """What one file says of how its parameters are merged."""
    found: dict[str, str] = {}
    for name, strategy in given.items():
        if isinstance(strategy, str) and strategy in STRATEGIES:
            found[str(name)] = strategy
            continue
        place = ("parameter_merge_strategies", str(name))
        findings.add(
            "merge-strategy",
            f"Unknown merge strategy {strategy!r} of parameter {name!r}.",
            place,
            mark=document.mark(place),
            remedy=f"One of {', '.join(sorted(STRATEGIES))}.",
        )
    return found


def _unmergeable(document: Document, findings: Findings, section: str, name: str, why: str) -> None:
    conflict = why.startswith("the strategy")
    place = ("parameter_merge_strategies", name) if conflict else (section, name)
    findings.add(
        "merge-strategy",
        f"Conflicting merge strategies of {name!r}: {why}."
        if conflict
        else f"The values of parameter {name!r} cannot be merged: {why}.",
        place,
        mark=document.mark(place),
        remedy="Say the same in every file that sets the parameter."
        if conflict
        else "Give values of the parameter's type, or use the strategy overwrite.",
    )


def _check_resources(
    entries: Any,
    document: Document,
    findings: Findings,
    path: tuple[str, ...] = _RESOURCES,
) -> None:
    """Hooks and restrictions are of the words there are, however deep they stand."""
    if entries is None:
        return
    if not isinstance(entries, Mapping):
        findings.add(
            "environment-resources",
            f"{'.'.join(path)} of the environment must be a map.",
            path,
            mark=document.mark(path),
            remedy="Write resource names and, below each, what is said of it.",
        )
        return
    for name, body in entries.items():
        place = (*path, str(name))
        known = OWN_KEYS.get(str(name))
        if body is None:
            continue
        if known is None and isinstance(body, Mapping):
            _check_resources(body, document, findings, place)
            continue
        if known is None:
            if not isinstance(body, str) or len(path) == len(_RESOURCES):
                findings.add(
                    "environment-resources",
                    f"{dotted(place)} of the environment cannot be {str(body)[:100]!r}.",
                    place,
                    mark=document.mark(place),
                    remedy="Below a resource's name stand types, each with what it stands for.",
                )
            continue
        said = [body] if isinstance(body, str) else body
        if not isinstance(said, list) or not set(map(str, said)) <= known:
            findings.add(
                "environment-resources",
                f"Invalid {name} {body!r}.",
                place,
                mark=document.mark(place),
                remedy=f"One of these, or a list of them: {', '.join(sorted(known))}.",
            )


def _registry(old: Mapping[str, Any], new: Mapping[str, Any], *, later: bool) -> dict[str, Any]:
    """What the new one says of a type wins.

    `later`: both are environment files. Then, as in Heat, null says nothing, and what is said of
    resources by name replaces all that was said before.
    """
    merged = dict(old)
    for name, target in new.items():
        if name == "base_url" or (later and target is None):
            continue
        if target is None:
            prefix = name[:-1] if name.endswith("*") else None
            for known in list(merged):
                if known == name or (prefix is not None and known.startswith(prefix)):
                    del merged[known]
        elif name == "resources" and isinstance(merged.get(name), Mapping) and not later:
            merged[name] = {**merged[name], **target}
        else:
            merged[name] = target
    return merged
