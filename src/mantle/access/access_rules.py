"""What an application credential's access rules allow: which calls of which service. Pure.

Keystone gives the rules to whoever validates the token and says that it understands them; to others
such tokens are no good. Each rule names a service by its type, a method and a path, in which
`{name}` and `*` stand for one part and `**` for any number. Source: Keystone's API reference,
"Application Credentials: Access Rules".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

HEADER = {"OpenStack-Identity-Access-Rules": "1.0"}
"""Says to Keystone that rules are understood here."""

SERVICES = frozenset({"orchestration", "cloudformation", "mantle"})
"""The types that Mantle has in catalogs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRule:
    """One call that is allowed."""

    service: str
    method: str
    path: str


def rules_of(facts: object) -> tuple[AccessRule, ...] | None:
    """The rules of a validated token; None where it has none, which allows everything."""
    match facts:
        case {"application_credential": {"access_rules": [*rules]}}:
            return tuple(
                AccessRule(
                    service=str(rule.get("service", "")),
                    method=str(rule.get("method", "")),
                    path=str(rule.get("path", "")),
                )
                for rule in rules
                if isinstance(rule, dict)
            )
    return None


def allowed(rules: Sequence[AccessRule] | None, method: str, path: str) -> bool:
    """Whether a call may be made; `path` as it was asked for.

    Rules written for Heat begin with `/v1`, which is below `/heat` here: they mean the same.
    """
    if rules is None:
        return True
    paths = {path, path.removeprefix("/heat"), path.removeprefix("/cfn")}
    return any(
        rule.service in SERVICES
        and rule.method.upper() == method.upper()
        and any(re.fullmatch(_pattern(rule.path), each) for each in paths)
        for rule in rules
    )


def _pattern(path: str) -> str:
    """As a regular expression; everything but the wildcards means itself."""
    found = []
    for part in re.split(r"(\*\*|\*|\{[^{}]*\})", path):
        if part == "**":
            found.append(".+")
        elif part == "*" or (part.startswith("{") and part.endswith("}")):
            found.append("[^/]+")
        else:
            found.append(re.escape(part))
    return "".join(found)
