"""One of the two templates while resources are carried between them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.model.graph import TemplateSource
from mantle.template.environment import Environment, load_environment
from mantle.template.functions import callable_in
from mantle.template.load import Document, document_of, parse
from mantle.template.loaded import Loaded
from mantle.template.rewrite.relined import relined, written


class Side:
    """One of the two templates, while it is rewritten."""

    def __init__(self, stack: str, loaded: Loaded) -> None:
        self.stack = stack
        self.loaded = loaded
        self.functions = callable_in(loaded.graph.version)
        self.document = document_in(loaded.source)
        self.data: dict[str, Any] = copied(self.document.data)
        given = loaded.source.template
        self.text = given if isinstance(given, str) else ""
        self.environment: dict[str, Any] = copied(loaded.environment.as_data())
        self.files = dict(loaded.source.files)
        self.says: Environment = loaded.environment
        """What its environment says by resource name, patterns included."""
        self.made: dict[str, str] = {}
        """What was read to the parameter that stands for it."""

    def section(self, name: str) -> dict[str, Any]:
        """A section, made when there is none."""
        body = self.data.get(name)
        if not isinstance(body, dict):
            body = self.data[name] = {}
        return body

    def new_name(self, wanted: str) -> str:
        """The name, or with a number behind it."""
        taken = self.section("parameters")
        name, number = wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def entries(self) -> dict[str, Any]:
        """What the environment says by resource name."""
        registry: dict[str, Any] = self.environment.setdefault("resource_registry", {})
        body = registry.get("resources")
        if not isinstance(body, dict):
            body = registry["resources"] = {}
        return body

    def source(self) -> TemplateSource:
        """What the stack is made from now: the text with its lines changed, where it was text."""
        if not self.data.get("parameters"):
            self.data.pop("parameters", None)
        template: str | dict[str, Any] = self.data
        if isinstance(self.loaded.source.template, str):
            text = relined(self.text, self.data) if self.text else written(self.data)
            template = self.data if text is None else text
        return replace(
            self.loaded.source,
            template=template,
            files=self.files,
            environment=without_the_operators(self.environment, self.loaded),
            environment_files=(),
            parameters={},
        )


def empty_side(stack: str, like: Side) -> Side:
    """A new template of the same version, whose types mean the same."""
    side = Side(stack, like.loaded)
    version = side.data["heat_template_version"]
    side.data = {"heat_template_version": version, "parameters": {}, "resources": {}}
    side.text = ""
    side.files = {}
    registry = {
        name: body
        for name, body in side.environment.get("resource_registry", {}).items()
        if name != "resources"
    }
    side.says = Environment()
    side.environment = {
        "parameters": {},
        "parameter_defaults": {},
        "resource_registry": {**registry, "resources": {}},
    }
    return side


def without_the_operators(environment: Mapping[str, Any], loaded: Loaded) -> dict[str, Any]:
    """The environment as its own stack says it: what only the operator says is said anew each time.

    Otherwise a stack would keep what the operator has changed since.
    """
    whole, own = loaded.environment.as_data(), load_environment(loaded.source).as_data()
    kept = dict(environment)
    for section in ("parameter_defaults", "resource_registry"):
        kept[section] = _without(environment.get(section) or {}, whole[section], own[section])
    registry = kept["resource_registry"]
    if "resources" in registry:
        named = [each["resource_registry"]["resources"] for each in (whole, own)]
        registry["resources"] = _without(registry["resources"], *named)
    if "event_sinks" in kept:
        kept["event_sinks"] = own["event_sinks"]
    return kept


def _without(
    said: Mapping[str, Any], whole: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        key: each
        for key, each in said.items()
        if key in own or key == "resources" or key not in whole or whole[key] != each
    }


def document_in(source: TemplateSource) -> Document:
    """The template as data, with its lines when it came as text."""
    if isinstance(source.template, str):
        return parse(source.template, file=source.template_name)
    return document_of(source.template, source.template_name)


def copied(value: Any) -> Any:
    """Plain data of its own, all the way down."""
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [copied(part) for part in value]
    return value
