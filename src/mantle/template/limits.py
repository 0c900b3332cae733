"""What the target cloud cannot honour is refused here, by name, before anything is made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mantle.model.errors import Path
from mantle.model.schema import Limitation, Property, ResourceSchema
from mantle.model.values import Call, Unknown

Report = Callable[[str, str, Path, str], None]


def check_limitations(
    limitations: Sequence[Limitation],
    values: Mapping[str, Any],
    schema: ResourceSchema,
    report: Report,
) -> None:
    """Report every property whose value the cloud cannot honour, and types it does not have."""
    for limitation in limitations:
        if not limitation.path:
            report(
                "cloud-limitation",
                f"{limitation.resource_type}: {limitation.why}.",
                (),
                limitation.remedy,
            )
            continue
        parts = limitation.path.split(".")
        default = _default(schema.properties, parts)
        for path, value in _found(values, parts, ()):
            if _refused(limitation, value, default):
                report(
                    "cloud-limitation",
                    f"Property {limitation.path} = {str(value)[:100]}: {limitation.why}.",
                    path,
                    limitation.remedy,
                )


def _refused(limitation: Limitation, value: Any, default: Any) -> bool:
    if value is None or isinstance(value, Call | Unknown):
        return False
    if limitation.below is not None:
        return isinstance(value, int | float) and value < limitation.below
    if limitation.values is not None:
        return value in limitation.values
    return bool(value != default and value not in ("", [], {}))


def _found(value: Any, parts: Sequence[str], path: Path) -> Iterator[tuple[Path, Any]]:
    if not parts:
        yield path, value
        return
    head, rest = parts[0], parts[1:]
    if head == "*" and isinstance(value, list):
        for position, item in enumerate(value):
            yield from _found(item, rest, (*path, position))
    elif isinstance(value, Mapping) and head in value:
        yield from _found(value[head], rest, (*path, head))


def _default(known: Mapping[str, Property], parts: Sequence[str]) -> Any:
    schema: Property | None = None
    for part in parts:
        inside = schema.items if schema else None
        schema = inside if part == "*" else known.get(part)
        if schema is None:
            return None
        inner = schema.fields or (schema.items.fields if schema.items else None)
        known = inner or {}
    return schema.default if schema else None
