"""What a resource needs of its stack's environment, and the stacks inside it: packed and carried.

A type name means what the registry says, a nested template is a file and reads others, and its
parameters take their defaults from the environment. All of it goes along; what the target has
otherwise under the same name is refused with that name. What nobody thought of here is found by the
proof: every stack inside is planned as it will be, too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mantle.model.errors import Path
from mantle.model.graph import ResourceDefinition
from mantle.template.environment import SUFFIXES, Environment
from mantle.template.loaded import Loaded
from mantle.template.rewrite.carry import Carrier
from mantle.template.rewrite.side import document_in

REGISTRY, RESOURCES, DEFAULTS = "resource_registry", "resources", "parameter_defaults"


@dataclass(slots=True)
class _Needs:
    """By name, in the order they were met."""

    types: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)
    computed: list[str] = field(default_factory=list)
    """Templates that compute which file they read."""
    defaults: dict[str, None] = field(default_factory=dict)


def pack(carrier: Carrier, name: str, new: str, inside: Sequence[Loaded]) -> None:
    """Carry what the resource needs. `inside` are the templates of the stacks there are in it."""
    definition = carrier.source.loaded.graph.resources.get(name)
    if definition is None:
        return
    path: Path = (RESOURCES, name)
    needs = _needs(carrier.source.loaded, definition, inside)
    for template in needs.computed:
        carrier.refuse(
            path,
            f"In {template}, inside the resource, `get_file` computes which file it reads.",
            "Write its name.",
        )
    for key in needs.files:
        carrier.file(key, path)
    _types(carrier, definition, new, needs, path)
    _defaults(carrier, needs, path)
    _said_inside(carrier, definition, new, path)


# --- what is needed --------------------------------------------------------------------------


def _needs(loaded: Loaded, definition: ResourceDefinition, inside: Sequence[Loaded]) -> _Needs:
    needs = _Needs(types={definition.type: None})
    if definition.is_template:
        needs.files[definition.resolved_type] = None
    read: set[str] = set()
    given = {each.source.template_name for each in inside}
    for each in _whole(loaded, definition, inside):
        for member in each.graph.resources.values():
            needs.types[member.type] = None
            if member.is_template:
                needs.files[member.resolved_type] = None
        text = each.source.template
        if not isinstance(text, str) or text not in read:
            read.update([text] if isinstance(text, str) else [])
            _files_read(each, needs)
        there = any(each is one for one in inside)
        if there or each.source.template_name not in given:
            passed = each.environment.parameters if there else {}
            needs.defaults |= dict.fromkeys(
                name for name in each.graph.parameters if name not in passed
            )
    return needs


def _whole(
    loaded: Loaded, definition: ResourceDefinition, inside: Sequence[Loaded]
) -> Iterator[Loaded]:
    """The templates inside, and those that will be when a group grows; each once."""
    pending = [*inside, *_written(loaded, definition)]
    seen: set[int] = set()
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        for member in each.graph.resources.values():
            pending += _written(each, member)


def _written(loaded: Loaded, definition: ResourceDefinition) -> list[Loaded]:
    nested = loaded.nested.get(definition.resolved_type)
    group = loaded.inside.get(definition.name)
    return [each for each in (nested, group[0] if group else None) if each is not None]


def _files_read(loaded: Loaded, needs: _Needs) -> None:
    for argument in _arguments(document_in(loaded.source).data):
        if isinstance(argument, str):
            needs.files[argument] = None
        else:
            needs.computed.append(loaded.source.template_name)


def _arguments(value: Any) -> Iterator[Any]:
    """Of every `get_file` in it."""
    if isinstance(value, Mapping):
        if set(value) == {"get_file"}:
            yield value["get_file"]
        for part in value.values():
            yield from _arguments(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _arguments(part)


# --- types -----------------------------------------------------------------------------------


def _types(
    carrier: Carrier, definition: ResourceDefinition, new: str, needs: _Needs, path: Path
) -> None:
    ours = _mapped(carrier.source.environment)
    theirs = carrier.target.environment.setdefault(REGISTRY, {})
    for key in _entries(ours, needs.types):
        if key not in theirs:
            theirs[key] = ours[key]
            carrier.types.append(key)
    here, there = Environment(resource_registry=ours), _environment(carrier)
    for each in needs.types:
        if here.resolved_type("", each) != _plain(there).resolved_type("", each):
            carrier.refuse(
                path,
                f"Type {each} stands for {_plain(there).resolved_type('', each)!r} in stack "
                f"{carrier.target.stack!r}, and for {here.resolved_type('', each)!r} in stack "
                f"{carrier.source.stack!r}.",
                "Give the type another name in one of the environments first.",
            )
    if there.resolved_type(new, definition.type) != definition.resolved_type:
        # A pattern of names gave it the meaning, or gives it another one there.
        _entry(carrier, new)[definition.type] = definition.resolved_type


def _entries(registry: Mapping[str, Any], types: Iterable[str]) -> list[str]:
    """The registry's entries that say what these types stand for, and what that stands for."""
    found: dict[str, None] = {}
    pending = list(types)
    while pending:
        each = pending.pop()
        key = _entry_for(registry, each)
        if key is None or key in found:
            continue
        found[key] = None
        target = registry[key]
        goal = target[:-1] + each[len(key) - 1 :] if target.endswith("*") else target
        if not goal.endswith(SUFFIXES):
            pending.append(goal)
    return list(found)


def _entry_for(registry: Mapping[str, Any], type_name: str) -> str | None:
    if isinstance(registry.get(type_name), str):
        return type_name
    fitting = [
        key
        for key, target in registry.items()
        if isinstance(target, str) and key.endswith("*") and type_name.startswith(key[:-1])
    ]
    return max(fitting, key=len, default=None)


# --- defaults, and what is said of resources by name -----------------------------------------


def _defaults(carrier: Carrier, needs: _Needs, path: Path) -> None:
    ours = carrier.source.environment.get(DEFAULTS) or {}
    target = carrier.target
    theirs = target.environment.setdefault(DEFAULTS, {})
    given = target.environment.get("parameters") or {}
    for name in needs.defaults:
        mine, other = ours.get(name), theirs.get(name)
        if mine == other:
            continue
        declared = name in target.section("parameters") and name not in given
        if other is not None or (
            declared and target.loaded.graph.parameter_values.get(name) != mine
        ):
            carrier.refuse(
                path,
                f"Parameter {name!r} of a stack inside has another default in the environment of "
                f"stack {target.stack!r}."
                if other is not None
                else f"The default of parameter {name!r} of a stack inside would also be that of "
                f"stack {target.stack!r}.",
                "Give the parameter its value as a property of the resource first.",
            )
        else:
            theirs[name] = mine
            carrier.defaults.append(name)


def _said_inside(carrier: Carrier, definition: ResourceDefinition, new: str, path: Path) -> None:
    """Hooks, restrictions and types that are said by name of the resources inside."""
    ours = _inside(carrier.source.says, definition.name, definition.type)
    theirs = _inside(_environment(carrier), new, definition.type)
    if any(ours.get(name) != said for name, said in theirs.items()):
        carrier.refuse(
            path,
            f"The environment of stack {carrier.target.stack!r} says something of the resources "
            f"inside {new!r}: {', '.join(sorted(theirs))}.",
            "Give it another name there.",
        )
    elif ours != theirs:
        _entry(carrier, new).update(ours)


def _inside(environment: Environment, name: str, type_name: str) -> Mapping[str, Any]:
    found = environment.inside(name, type_name).resource_registry.get(RESOURCES)
    return found if isinstance(found, Mapping) else {}


def _entry(carrier: Carrier, new: str) -> dict[str, Any]:
    entries = carrier.target.entries()
    entries[new] = dict(entries.get(new) or {})
    found: dict[str, Any] = entries[new]
    return found


def _environment(carrier: Carrier) -> Environment:
    """The target's, as it is by now."""
    return Environment(resource_registry=carrier.target.environment.get(REGISTRY) or {})


def _plain(environment: Environment) -> Environment:
    return Environment(resource_registry=_mapped({REGISTRY: environment.resource_registry}))


def _mapped(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What the registry says of types, whatever resource they are of."""
    registry = environment.get(REGISTRY) or {}
    return {key: target for key, target in registry.items() if key != RESOURCES}
