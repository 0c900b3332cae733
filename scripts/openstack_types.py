"""Writes docs/reference/openstack-types.md: `python scripts/openstack_types.py`."""

from pathlib import Path

from mantle.clouds.openstack.limitations import TYPES
from mantle.clouds.plain import KINDS, SETTINGS
from mantle.resources.registry import default_registry

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "openstack-types.md"

HEAD = """# Resource types of an OpenStack cloud

`scripts/openstack_types.py` makes this page. *Service* is the one in the catalog that a type needs,
with the Neutron extension where not every Neutron has it; without it a template is refused when it
is validated. *Who*: what is the cloud's and not a project's is made by administrators only. *In
place* are the properties that an update changes without a new object. `openstack orchestration
resource type show NAME` has every property. `OS::Quantum::X` means `OS::Neutron::X`, and
`OS::Neutron::LBaaS::X` means `OS::Octavia::X`.

| type | service | who | in place | replaces |
|---|---|---|---|---|
"""


def page() -> str:
    """The page's text."""
    rows: dict[str, str] = {}
    for service, names in TYPES.items():
        rows |= dict.fromkeys(names, service.value)
    for kind in (*KINDS.values(), *SETTINGS.values()):
        more = f" ({kind.extension})" if kind.extension else ""
        rows |= dict.fromkeys(kind.types, kind.service + more)
    lines = []
    for name, kind in sorted(default_registry().types.items()):
        if name not in rows:
            continue
        known = {key: each for key, each in kind.schema.properties.items() if not each.hidden}
        inside = [key for key, each in known.items() if each.on_change.value == "update"]
        other = [key for key in known if key not in inside]
        who = "administrators" if kind.facts.admin_only else "members"
        lines.append(
            f"| {name} | {rows[name]} | {who} | {', '.join(inside)} | {', '.join(other)} |"
        )
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
