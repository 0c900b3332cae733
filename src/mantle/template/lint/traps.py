"""Where the language itself surprises: compatible with Heat, and told before it hurts."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from mantle.model.errors import Path
from mantle.template.cfn.shape import AWS
from mantle.template.lint.rule import Found
from mantle.template.lint.view import KNOWN_SINCE, View, head, parameter_of

_CONSTRAINTS = (
    "range", "length", "modulo", "allowed_values", "allowed_pattern", "custom_constraint",
)  # fmt: skip
_CONDITION_ONLY = ("equals", "not", "and", "or")
_REPLACES = ("str_replace", "str_replace_strict", "str_replace_vstrict")


def join_number(view: View) -> Iterator[Found]:
    """Numbers and booleans in list_join."""
    for use in view.calls("list_join", "Fn::Join"):
        lists = use.argument[1:] if isinstance(use.argument, list) else []
        for outer, items in enumerate(lists, 1):
            if not isinstance(items, list):
                continue
            for position, item in enumerate(items):
                path = (*use.path, use.name, outer, position)
                if isinstance(item, bool | int | float):
                    yield Found(path, f"{use.name} fails on {item!r}: it takes texts only.")
                elif view.parameter_type(item) in {"number", "boolean"}:
                    name = parameter_of(item)
                    kind = view.parameter_type(item)
                    yield Found(path, f"{use.name} fails on parameter {name!r}: it is a {kind}.")


def repeat_number(view: View) -> Iterator[Found]:
    """Numbers as items of for_each."""
    for use in view.calls("repeat"):
        each = use.argument.get("for_each") if isinstance(use.argument, dict) else None
        for variable, items in each.items() if isinstance(each, dict) else ():
            for position, item in enumerate(items if isinstance(items, list) else ()):
                if isinstance(item, bool | int | float):
                    path = (*use.path, "repeat", "for_each", variable, position)
                    yield Found(path, f"repeat fails on {item!r}: items must be texts.")


def silent_miss(view: View) -> Iterator[Found]:
    """A path that leads nowhere."""
    for use in view.calls("get_param"):
        if not isinstance(use.argument, list) or len(use.argument) < 2:
            continue
        name, *path = use.argument
        body = view.parameters.get(name) if isinstance(name, str) else None
        if body is None:
            continue
        kind, default = body.get("type"), body.get("default")
        if isinstance(kind, str) and kind in {"string", "number", "boolean"}:
            yield Found(use.path, f"Parameter {name!r} is a {kind}: a path into it gives ''.")
        elif isinstance(default, dict | list) and default and not _leads(default, path):
            shown = ".".join(str(part) for part in path)
            yield Found(use.path, f"The default of {name!r} has no {shown!r}: this gives ''.")


def _leads(value: Any, path: list[Any]) -> bool:
    for part in path:
        if isinstance(part, dict | list):
            return True  # computed: not known here
        if isinstance(value, Mapping) and str(part) in value:
            value = value[str(part)]
        elif isinstance(value, list) and str(part).lstrip("-").isdigit():
            if not -len(value) <= int(part) < len(value):
                return False
            value = value[int(part)]
        else:
            return False
    return True


def null_attribute(view: View) -> Iterator[Found]:
    """A path into an attribute, made part of a text."""
    for use in view.calls(*_REPLACES, "list_join"):
        for path, argument in _attributes(use.argument, (*use.path, use.name)):
            if isinstance(argument, list) and len(argument) > 2:
                shown = ".".join(str(part) for part in argument[1:] if not isinstance(part, dict))
                yield Found(
                    path, f"If {argument[0]!r} has no {shown!r}, {use.name} puts nothing here."
                )


def _attributes(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        if len(value) == 1 and "get_attr" in value:
            yield path, value["get_attr"]
            return
        items: Any = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return
    for key, part in items:
        yield from _attributes(part, (*path, key))


def empty_json(view: View) -> Iterator[Found]:
    """A json parameter whose default is no JSON."""
    for name, body in view.parameters.items():
        if body.get("type") == "json" and body.get("default") == "":
            path = ("parameters", name, "default")
            yield Found(path, f"The default of json parameter {name!r} is the text '', not a map.")


def list_blanks(view: View) -> Iterator[Found]:
    """Blanks around commas."""
    for name, body in view.parameters.items():
        default = body.get("default")
        if body.get("type") != "comma_delimited_list" or not isinstance(default, str):
            continue
        odd = [part for part in default.split(",") if part != part.strip() or not part]
        if default and odd:
            path = ("parameters", name, "default")
            yield Found(path, f"The default of {name!r} has the item {odd[0]!r}: blanks are kept.")


def text_of_map(view: View) -> Iterator[Found]:
    """A string parameter that is given a map or list."""
    for name, body in view.parameters.items():
        default = body.get("default")
        if body.get("type") == "string" and isinstance(default, dict | list):
            kind = "map" if isinstance(default, dict) else "list"
            yield Found(
                ("parameters", name, "default"),
                f"{name!r} is a string with a {kind} as default: it becomes Python text.",
            )


def true_text(view: View) -> Iterator[Found]:
    """Booleans put into texts."""
    for use in view.calls(*_REPLACES):
        params = use.argument.get("params") if isinstance(use.argument, dict) else None
        for key, value in params.items() if isinstance(params, dict) else ():
            if isinstance(value, bool) or view.parameter_type(value) == "boolean":
                path = (*use.path, use.name, "params", key)
                yield Found(path, f"{key!r} is a boolean: it is written 'True' or 'False'.")


def latin_digest(view: View) -> Iterator[Found]:
    """Text a digest cannot encode."""
    for use in view.calls("digest"):
        text = use.argument[1] if isinstance(use.argument, list) and len(use.argument) > 1 else ""
        odd = [sign for sign in text if ord(sign) > 255] if isinstance(text, str) else []
        if odd:
            path = (*use.path, "digest", 1)
            yield Found(path, f"digest fails on {odd[0]!r}: it encodes text as latin-1.")


def newer_function(view: View) -> Iterator[Found]:
    """A function the version does not know yet."""
    for use in view.uses:
        if view.is_cfn or "Fn::" in use.name or use.path[0] == "conditions":
            continue
        since = KNOWN_SINCE.get(use.name)
        if since is not None and since > view.version and _in_value(use.path):
            yield Found(
                use.path,
                f"{use.name!r} is no function in {view.version}: it stays plain data.",
                f"Set heat_template_version to {since} or newer.",
            )


def _in_value(path: Path) -> bool:
    """Inside properties, metadata or an output's value, where calls are looked for."""
    return len(path) > 2


def second_constraint(view: View) -> Iterator[Found]:
    """Several constraints in one list entry."""
    for name, body in view.parameters.items():
        entries = body.get("constraints")
        for position, entry in enumerate(entries if isinstance(entries, list) else ()):
            given = [key for key in _CONSTRAINTS if isinstance(entry, dict) and key in entry]
            for key in given[1:]:
                yield Found(
                    ("parameters", name, "constraints", position, key),
                    f"{key!r} is ignored: only {given[0]!r} of this entry counts.",
                )


def condition_alias(view: View) -> Iterator[Found]:
    """A condition that is only another's name."""
    if view.version == AWS:
        return
    for name, body in view.section("conditions").items():
        if isinstance(body, str):
            yield Found(
                ("conditions", name),
                f"Condition {name!r} is only the name {body!r}: Heat refuses that.",
                f"Write `and: [{body}, true]`, or use {body!r} where {name!r} is used.",
            )


def region(view: View) -> Iterator[Found]:
    """OS::region."""
    for use in view.calls("get_param", "Ref"):
        if head(use.argument) == "OS::region":
            yield Found(use.path, "OS::region is documented and never has a value.")


def two_keys(view: View) -> Iterator[Found]:
    """A function with a second key beside it."""
    names = {name for name, since in KNOWN_SINCE.items() if since <= view.version}
    for body, path in view.maps:
        for key in body if len(body) > 1 and len(path) > 2 else ():
            if key in names and key.startswith(("get_", "str_", "list_", "map_", "Fn::")):
                yield Found((*path, key), f"{key!r} is plain data: another key stands beside it.")


def condition_function(view: View) -> Iterator[Found]:
    """Condition functions where values are."""
    for use in view.uses:
        if use.name not in _CONDITION_ONLY or use.path[0] == "conditions":
            continue
        if _is_condition(use.path):
            continue
        yield Found(use.path, f"{use.name!r} is no function here: it stays plain data.")


def _is_condition(path: Path) -> bool:
    if "condition" in path or len(path) < 3:
        return True
    return any(one == "if" and following == 0 for one, following in pairwise(path))
