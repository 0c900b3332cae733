"""What differs between a resource's stored properties and its desired ones, and what that means.

Paths are dotted below the properties. What a template says of a resource beside its properties has
an `@` before it, so that it never meets a property of that name: `@metadata.role`, `@depends_on`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mantle.model.plan import Change
from mantle.model.schema import OnChange, Property, ResourceSchema, TypeFacts, renamed
from mantle.model.values import Unknown, Value, unknowns_in
from mantle.plan.masking import MASKED, NOTHING_SECRET, Mask, hide

LONGEST_SHOWN = 40
"""Characters of a value in a reason; the change itself carries all of it."""


def changes_between(
    schema: ResourceSchema,
    before: Mapping[str, Any],
    after: Mapping[str, Value],
    mask: Mask = NOTHING_SECRET,
) -> tuple[Change, ...]:
    """Every property that differs, as deep as it differs, secrets hidden.

    A property absent from `before` counts as its default: rows written before a schema grew a
    property must not look changed.
    """
    found: list[Change] = []
    for name in [*after, *(name for name in before if name not in after)]:
        old, new = before.get(name), after.get(name)
        if (type(old) is str and type(new) is str and old == new) or (
            old is new and name in before and name in after
        ):
            # Most values are texts that have not changed, or nothing at all.
            continue
        declared = schema.properties.get(name)
        default = declared.default if declared else None
        old = before.get(name, default)
        new = after.get(name, default)
        if old is new:
            continue
        replaces = declared is not None and declared.on_change is OnChange.REPLACE
        found += [
            _shown(path, was, becomes, replaces=replaces, part=part, mask=mask)
            for path, was, becomes, part in _differences(name, old, new, declared)
        ]
    return tuple(found)


def settings_of(
    schema: ResourceSchema,
    after: Mapping[str, Value],
    given: Mapping[str, Value],
    mask: Mask = NOTHING_SECRET,
) -> tuple[Change, ...]:
    """What a new resource is made with: the given properties' values, secrets hidden."""
    return tuple(
        _shown(name, None, after[name], part=schema.properties.get(name), mask=mask)
        for name in renamed(schema.properties, given)
        if after.get(name) is not None
    )


def metadata_changes(
    before: Mapping[str, Any], after: Value, mask: Mask = NOTHING_SECRET
) -> tuple[Change, ...]:
    """What differs in the resource's own metadata section."""
    return tuple(
        _shown(path, was, becomes, mask=mask)
        for path, was, becomes, _ in _differences("@metadata", dict(before), after, None)
    )


def refused(schema: ResourceSchema, changes: Sequence[Change]) -> list[Change]:
    """The changes that an existing resource of this type does not allow at all."""
    return [change for change in changes if _declared(schema, change.path) is OnChange.REFUSE]


def replacement_reason(
    facts: TypeFacts, before: Mapping[str, Any], after: Mapping[str, Value]
) -> str | None:
    """Why the type's own rule says this change cannot be made in place, or None.

    The rule sees exact values only: an unknown is taken as unchanged. The engine asks again when
    the value is known, before it updates.
    """
    if facts.replace_when is None:
        return None
    exact = {
        name: before.get(name) if unknowns_in(value) else value for name, value in after.items()
    }
    return facts.replace_when(before, exact)


def same(before: Value, after: Value) -> bool:
    """Equality of JSON data in which true is not 1."""
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(
            same(part, after[key]) for key, part in before.items()
        )
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(same, before, after))
    return bool(before == after)


def described(changes: Sequence[Change]) -> str:
    """The changes in a few words: the first exactly, the others counted."""
    first, *others = changes
    text = _one(first)
    if others:
        text += f", and {len(others)} more {'change' if len(others) == 1 else 'changes'}"
    return text


def _one(change: Change) -> str:
    name = change.path.removeprefix("@")
    if isinstance(change.after, Unknown):
        return f"{name} is known only after {', '.join(change.after.after)}"
    if _hides(change.before) or _hides(change.after) or unknowns_in(change.after):
        return f"{name} changes"
    return f"{name} changes from {_short(change.before)} to {_short(change.after)}"


def _hides(value: Value) -> bool:
    return isinstance(value, str) and MASKED in value


def _short(value: Value) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _declared(schema: ResourceSchema, path: str) -> OnChange | None:
    name = path if path in schema.properties else re.split(r"[.\[]", path, maxsplit=1)[0]
    declared = schema.properties.get(name)
    return declared.on_change if declared else None


def _shown(
    path: str,
    before: Value,
    after: Value,
    *,
    replaces: bool = False,
    part: Property | None = None,
    mask: Mask,
) -> Change:
    """One change as a plan may show it.

    Where the new value holds a secret text, the old one is hidden whole: it likely holds the
    secret's former value, which nobody knows to be one any more.
    """
    shown = mask.value(after)
    was = mask.value(before)
    if shown is not after and not same(shown, after) and before is not None:
        was = MASKED
    return Change(
        path=path, before=hide(part, was), after=hide(part, shown), forces_replacement=replaces
    )


def _differences(
    path: str, before: Value, after: Value, schema: Property | None
) -> Iterator[tuple[str, Value, Value, Property | None]]:
    """The innermost differing parts, each with its schema.

    Lists of unequal length differ as a whole: which item is which is anybody's guess.
    """
    if same(before, after):
        return
    if schema is not None and schema.secret:
        yield path, before, after, schema
    elif isinstance(before, dict) and isinstance(after, dict) and before and after:
        fields = (schema.fields if schema else None) or {}
        for key in [*after, *(key for key in before if key not in after)]:
            part = fields.get(key)
            default = part.default if part else None
            yield from _differences(
                f"{path}.{key}", before.get(key, default), after.get(key, default), part
            )
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        items = schema.items if schema else None
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{path}[{number}]", old, new, items)
    else:
        yield path, before, after, schema
