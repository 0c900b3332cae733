"""What the operator of a control plane puts under every stack's environment.

A folder of environment files, as Heat's `environment.d`: types that mean something else here,
defaults, event sinks. A user's environment wins over it, but for the types the operator has
*fixed*: those mean what the operator says, and an environment that maps one otherwise is refused.
"""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mantle.model.errors import Findings
from mantle.model.graph import TemplateSource
from mantle.template.environment import SUFFIXES, Environment, load_environment, onto
from mantle.template.load import Document

FIXED = "fixed"
SECTIONS = ("parameter_defaults", "resource_registry", "event_sinks", FIXED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The operator's environment, whole."""

    environment: Environment = field(default_factory=Environment)
    files: Mapping[str, str] = field(default_factory=dict)
    """Template files its registry names, by `file://` key."""
    fixed: frozenset[str] = frozenset()

    def touches(self, pattern: str) -> str | None:
        """The fixed type that a registry entry would change, or None."""
        if pattern in self.fixed:
            return pattern
        if "*" not in pattern:
            return None
        return next(
            (each for each in sorted(self.fixed) if fnmatch.fnmatchcase(each, pattern)), None
        )


NOBODY = Operator()


def operator_of(
    documents: Sequence[Document], files: Mapping[str, str], findings: Findings
) -> Operator:
    """Merge the files in their order; raises `Invalid` with every problem of all of them."""
    merged = Environment()
    fixed: set[str] = set()
    for document in documents:
        data = document.data
        if data is None:
            continue
        if not isinstance(data, dict):
            findings.add("environment", "An environment must be a map.", mark=document.mark(()))
            continue
        sections = dict(data)
        fixed |= _fixed(sections.pop(FIXED, None) or [], document, findings)
        for section in set(sections) - set(SECTIONS):
            findings.add(
                "environment-section",
                f"Section {section!r} has no meaning in an operator's environment.",
                (section,),
                mark=document.mark((section,)),
                remedy=f"Known: {', '.join(SECTIONS)}.",
            )
        known = {name: body for name, body in sections.items() if name in SECTIONS}
        merged = onto(merged, replace(document, data=known), findings)
    findings.raise_if_any()
    return Operator(environment=merged, files=files, fixed=frozenset(fixed))


def _fixed(given: Any, document: Document, findings: Findings) -> set[str]:
    if isinstance(given, list) and all(isinstance(each, str) and "*" not in each for each in given):
        return set(given)
    findings.add(
        "environment-fixed",
        f"{FIXED!r} must be a list of type names.",
        (FIXED,),
        mark=document.mark((FIXED,)),
        remedy="Name each type in full.",
    )
    return set()


def with_files(registry: Any, key_of: Callable[[str], str]) -> Any:
    """A registry with another key for each template file it names, also below `resources`."""
    if not isinstance(registry, dict):
        return registry
    return {
        name: key_of(target)
        if isinstance(target, str) and target.endswith(SUFFIXES)
        else with_files(target, key_of)
        for name, target in registry.items()
    }


def handed_on(source: TemplateSource, operator: Operator) -> tuple[dict[str, str], dict[str, Any]]:
    """Files and environment for a stack of another Heat: what the user gave, nothing of ours."""
    data = load_environment(source).as_data()
    kept = ("parameter_defaults", "resource_registry")
    files = {name: text for name, text in source.files.items() if name not in operator.files}
    return files, {name: data[name] for name in kept}
