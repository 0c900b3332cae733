"""Templates and environments that look right: every version, family, function and section."""

import json
import random
from collections.abc import Callable
from typing import Any

from mantle.template.functions import callable_in
from mantle.template.hot.versions import DATES, NAMES

NAMES_USED = ("a", "b", "c", "p", "q")
LITERALS: tuple[Any, ...] = (
    "", "a", "b", "p", "a,b", "1", "0", "-1", 0, 1, -1, 2**70, 1.5, float("inf"), True, False, None,
    [], {}, [[]], "é\u0142", "\u2028", "\ud7ff", "{", "[1]", "$.data", "x" * 300, "OS::region",
    "OS::stack_name", "AWS::Region", "show", "https", "md5", "(a+)+$", "child.yaml", "a.b", "*",
)  # fmt: skip
KEYS = (
    "template", "params", "for_each", "permutations", "expression", "data", "keys", "values",
    "scheme", "host", "port", "path", "query", "x", "<<", "value", "type",
)  # fmt: skip
PARAMETER_TYPES = (
    "string", "number", "boolean", "json", "comma_delimited_list", "String", "Number", "Json",
    "CommaDelimitedList", "Boolean",
)  # fmt: skip
BOUNDS = (
    None, 0, 1, -1, 2, 1.5, 2**70, "1", "x", True, float("inf"), float("nan"), [], {},
)  # fmt: skip
PATTERNS = (
    "(a*)*", "[", "(a|aa)+b", "(a{999}){999}", "a{99999999999}", "(?P<n>a)(?P=n)", "[[:alpha:]]",
    "(" * 200, "\\", "(?i)A", "\\d{2,}", "^$", "(?<!a)b", "a++", "\\p{L}", 5, None, ["a"],
)  # fmt: skip
EXPRESSIONS = (
    "$.data", "$", "$.data.len()", "[", "$.data.select($ + 1)", "$.data.where($ > 0).sum()",
    "$.data.toDict($, $)", "dict($.data)", "$.data * 9", "range(0, $.data)", "$.data.flatten()",
    "let(a => $.data) -> $a + $a", "$.data.join(',')", "str($.data)", "int($.data)",
    "$.data.orderBy($)", "switch($.data > 1 => 2)", "$.data.a.b.c", "list(1, 2).zip($.data)",
)  # fmt: skip
CUSTOM = (
    "ip_addr", "net_cidr", "ip_or_cidr", "mac_addr", "dns_name", "dns_domain", "rel_dns_name",
    "iso_8601", "timezone", "cron_expression", "expiration", "json_string", "nova.flavor", "nope",
)  # fmt: skip
PROPERTIES = ("value", "size", "amount", "text", "flag", "items", "map", "nope")
STRATEGIES = ("overwrite", "merge", "deep_merge", "nope", None)
CONSTRAINTS = (
    {"length": {"min": 1, "max": 2}}, {"range": {"min": 3, "max": 1}}, {"allowed_values": [1, "a"]},
    {"allowed_pattern": "(a*)*"}, {"allowed_pattern": "["}, {"modulo": {"step": 2, "offset": 1}},
    {"modulo": {"step": 0, "offset": 0}}, {"custom_constraint": "nova.flavor"},
    {"length": 1, "range": 1}, {}, "x",
)  # fmt: skip
TYPES = ("Any", "OS::Nova::Server", "OS::Neutron::Port", "OS::Heat::None", "child.yaml", "X", 1)


class Grammar:
    """Makes templates from a seed; the same seed makes the same ones."""

    def __init__(self, seed: int | str) -> None:
        self.chance = random.Random(seed)
        self.version = self.chance.choice([*DATES, *NAMES, "2012-12-12", "2010-09-09"])
        version = NAMES.get(self.version, self.version)
        every = {name for each in DATES for name in callable_in(each)} | {"if", "Fn::If"}
        self.functions = sorted(every | set(callable_in(version)))
        self.cfn = version in {"2012-12-12", "2010-09-09"}

    def pick(self, *options: Any) -> Any:
        return self.chance.choice(options)

    def odds(self, share: float) -> bool:
        return self.chance.random() < share

    def value(self, depth: int = 4) -> Any:
        """Data with calls in it."""
        if depth <= 0 or self.odds(0.3):
            return self.chance.choice(LITERALS)
        shape = self.chance.random()
        if shape < 0.5:
            return {self.chance.choice(self.functions): self.argument(depth - 1)}
        if shape < 0.75:
            return [self.value(depth - 1) for _ in range(self.chance.randrange(4))]
        return self.map(depth)

    def map(self, depth: int) -> dict[str, Any]:
        return {
            self.pick(*KEYS, *NAMES_USED): self.value(depth - 1)
            for _ in range(self.chance.randrange(4))
        }

    def argument(self, depth: int) -> Any:
        """Of any function: sometimes what it wants, often not."""
        name = self.pick(*NAMES_USED)
        forms: list[Callable[[], Any]] = [
            lambda: name,
            lambda: [name, self.value(depth)],
            lambda: [name, self.value(depth), self.value(depth)],
            lambda: [",", [self.value(depth), self.value(depth)]],
            lambda: {"template": self.value(depth), "params": self.map(depth)},
            lambda: {"template": self.value(depth), "for_each": {"x": self.value(depth)}},
            lambda: {
                "expression": self.pick(*EXPRESSIONS),
                "data": self.value(depth),
            },
            lambda: [self.value(depth), {"keys": self.map(depth), "values": self.map(depth)}],
            lambda: {
                "template": self.value(depth),
                "for_each": {"x": self.value(depth), "a": self.value(depth)},
                "permutations": self.pick(True, False, self.value(1)),
            },
            lambda: {
                name: self.value(1)
                for name in ("scheme", "host", "port", "path", "query", "username", "fragment")
                if self.odds(0.4)
            },
            lambda: [
                self.pick("Name", self.value(1)),
                "Value",
                [".member.0.Name=a", ".member.0.Value=b", self.value(1)],
            ],
            lambda: self.value(depth),
        ]
        return self.chance.choice(forms)()

    def entry(self, section: str) -> Any:
        """One parameter, condition, resource or output."""
        if self.odds(0.05):
            return self.value()
        if section == "conditions":
            return self.pick(True, "c", self.value(3))
        if section == "parameters":
            found: dict[str, Any] = {"type": self.pick(*PARAMETER_TYPES)}
            optional: dict[str, Any] = {
                "default": self.value(1),
                "hidden": self.pick(True, "x"),
                "constraints": self.constraints(),
                "tags": self.value(1),
                "immutable": self.pick(True, "x", None),
                "label": self.value(1),
            }
        elif section == "resources":
            found = {"type": self.pick(*TYPES)}
            optional = {
                "properties": self.properties(),
                "metadata": self.value(),
                "depends_on": self.pick("a", ["a", "b"], self.value(1)),
                "condition": self.pick("c", self.value(2)),
                "deletion_policy": self.pick("Retain", "delete", self.value(1)),
                "update_policy": self.value(2),
                "external_id": self.value(1),
            }
        else:
            found = {"value": self.value()}
            optional = {"condition": self.pick("c", self.value(2)), "description": self.value(1)}
        found.update({key: body for key, body in optional.items() if self.odds(0.4)})
        if self.odds(0.03):
            found[self.chance.choice(list(found))] = None
        return {self.named(key): body for key, body in found.items()}

    def properties(self) -> Any:
        """Of the types there are: of every kind, with what fits and what does not."""
        if self.odds(0.2):
            return self.value()
        return {name: self.value() for name in PROPERTIES if self.odds(0.3)}

    def constraints(self) -> Any:
        """Mostly lists of constraints, with bounds of all sorts."""
        made: list[Any] = [
            self.pick(*CONSTRAINTS),
            {"length": {"min": self.pick(*BOUNDS), "max": self.pick(*BOUNDS)}},
            {"range": {"min": self.pick(*BOUNDS), "max": self.pick(*BOUNDS)}, "description": "d"},
            {"modulo": {"step": self.pick(*BOUNDS), "offset": self.pick(*BOUNDS)}},
            {"allowed_pattern": self.pick(*PATTERNS)},
            {"allowed_values": [self.value(1), self.value(1)]},
            {"custom_constraint": self.pick(*CUSTOM)},
        ]
        found = [each for each in made if self.odds(0.2)]
        return found if self.odds(0.95) else self.value(1)

    def named(self, key: str) -> str:
        """The key in the family's spelling."""
        if not self.cfn:
            return key
        return "".join(part.capitalize() for part in key.split("_"))

    def data(self) -> dict[str, Any]:
        """A whole template."""
        head = {
            "2012-12-12": "HeatTemplateFormatVersion",
            "2010-09-09": "AWSTemplateFormatVersion",
        }.get(self.version, "heat_template_version")
        found: dict[str, Any] = {head: self.version}
        for section in ("parameters", "conditions", "resources", "outputs"):
            if self.odds(0.8):
                names = ("c", "d") if section == "conditions" else NAMES_USED
                found[self.named(section)] = {
                    name: self.entry(section) for name in names if self.odds(0.5)
                }
        if self.odds(0.2):
            found[self.named("parameter_groups")] = self.value(3)
        if self.odds(0.3):
            found["Mappings"] = {"a": {"b": {"c": self.value(1)}}}
        return found

    def environment(self) -> dict[str, Any]:
        """An environment."""
        sections = {
            "parameters": {name: self.value(2) for name in NAMES_USED if self.odds(0.5)},
            "parameter_defaults": {name: self.value(2) for name in NAMES_USED if self.odds(0.5)},
            "resource_registry": {
                "X": self.pick("child.yaml", "Any", "X", None),
                "OS::*": self.pick("OS::Heat::None", "A::*", self.value(1)),
                "resources": {"a*": {"hooks": self.pick("pre-create", self.value(1))}},
            },
            "event_sinks": self.value(2),
            "parameter_merge_strategies": {
                name: self.pick(*STRATEGIES, self.value(1)) for name in ("a", "p", "default")
            },
        }
        return {key: body for key, body in sections.items() if self.odds(0.5)}

    def text(self, data: Any) -> str:
        """As text: JSON is YAML, and most of what YAML adds comes with the bytes."""
        return json.dumps(data, ensure_ascii=self.odds(0.5), indent=self.pick(None, 2))

    def broken(self, text: str) -> str:
        """The same with a few signs cut, doubled or replaced."""
        signs = list(text)
        for _ in range(self.chance.randrange(1, 6)):
            at = self.chance.randrange(len(signs) + 1)
            part = signs[at : at + self.chance.randrange(1, 20)]
            change = self.pick([], part * 2, list(self.pick(*BREAKS)))
            signs[at : at + len(part)] = change
        return "".join(signs)


BREAKS = (
    "\n", "\n  ", "\t", ": ", "- ", "#", "'", '"', "&a ", "*a", "!!int ", "!x ", "|\n", ">-\n",
    "<<: ", "{", "}", "[", "]", ",", "\0", "\ud800", "\u2028", "\ufeff", "%", "---\n", "? ", "~",
    "0x", "1e999", "0o8", "12:30:45", "2001-01-01", "=", "yes", ".inf",
)  # fmt: skip
