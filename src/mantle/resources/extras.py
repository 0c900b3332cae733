"""Properties that not every cloud has a notion of: passed on by the name their service gives them.

The specs of `clouds/ports.py` say what every cloud understands. What goes beyond is in a spec's
`extra`, as the service would be told. A cloud that cannot honour such a property names it in its
limitations, so that a template is refused when it is validated.
"""

from collections.abc import Mapping
from typing import Any

OURS = ("id", "project_id", "tenant_id", "description", "tags")
"""Not to be set by `value_specs`: whose the object is, and what Mantle finds it by."""


def reserved(properties: Mapping[str, Any]) -> list[str]:
    """A rule: extra values name no project and overwrite no mark."""
    free = properties.get("value_specs")
    named = sorted(set(free) & set(OURS)) if isinstance(free, Mapping) else []
    return [f"value_specs.{name}: it is not for a template to say. Leave it out." for name in named]


def extras(
    wanted: Mapping[str, Any], table: Mapping[str, str], *, taken: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The extra fields that the properties ask for; `table` is property to field.

    `value_specs` is passed on as it is, but for what the spec says itself (`taken`).
    """
    free = wanted.get("value_specs") or {}
    found = {name: value for name, value in free.items() if name not in taken}
    for name, fieldname in table.items():
        value = wanted.get(name)
        if value is not None and value not in ("", [], {}):
            found[fieldname] = value
    return found
