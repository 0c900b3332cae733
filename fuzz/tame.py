"""Templates that are right, mostly: what they say gets as far as the resolver and the planner."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from fuzz.grammar import LITERALS, Grammar
from mantle.template.functions import callable_in
from mantle.template.hot.versions import NAMES

WORDS = ("", "a", "b,c", "x y", "é", "a" * 50, "1", "{}", "[1]", "%x%", "::1", "true")
KEYS = ("k", "x", "a.b", "1")
TYPED: dict[str, Any] = {
    "s": "text", "n": 3, "l": ["a", "b"], "j": {"k": ["x", {"y": 1}]}, "f": True,
}  # fmt: skip
NAMES_OF_TYPES = {
    "s": "string", "n": "number", "l": "comma_delimited_list", "j": "json", "f": "boolean",
}  # fmt: skip
CFN_TYPES = {
    "s": "String", "n": "Number", "l": "CommaDelimitedList", "j": "Json", "f": "Boolean",
}  # fmt: skip


class Tame(Grammar):
    """Every call has arguments of the kind it takes, every reference something it refers to."""

    def __init__(self, seed: int | str) -> None:
        super().__init__(seed)
        self.known = callable_in(NAMES.get(self.version, self.version))
        self.there: list[str] = []
        """Resources that may be referred to: those above."""

    def one(self, *forms: tuple[str, Callable[[], Any]], plain: Callable[[], Any]) -> Any:
        """One of the forms whose function the version has; the plain one often enough to end."""
        able = [make for name, make in forms if name in self.known]
        if not able or self.odds(0.3):
            return plain()
        return self.chance.choice(able)()

    def words(self, depth: int) -> Any:
        """What gives a text."""
        deeper = depth - 1
        if depth <= 0:
            return self.chance.choice(WORDS)
        return self.one(
            ("get_param", lambda: {"get_param": self.pick("s", ["j", "k", 0], ["l", "1"])}),
            ("Ref", lambda: {"Ref": self.pick("s", *self.there)}),
            ("get_resource", self.reference),
            ("get_attr", self.attribute),
            ("Fn::GetAtt", self.attribute),
            ("list_join", lambda: {"list_join": [self.words(0), self.row(deeper)]}),
            ("Fn::Join", lambda: {"Fn::Join": [self.words(0), self.row(deeper)]}),
            ("str_replace", lambda: self.replacing("str_replace", deeper)),
            ("str_replace_strict", lambda: self.replacing("str_replace_strict", deeper)),
            ("Fn::Replace", lambda: {"Fn::Replace": [self.table(0), self.words(deeper)]}),
            ("digest", lambda: {"digest": ["md5", self.words(deeper)]}),
            ("str_split", lambda: {"str_split": [",", self.words(deeper), 0]}),
            ("Fn::Select", lambda: {"Fn::Select": [self.pick(0, "1", 9), self.row(deeper)]}),
            ("Fn::FindInMap", lambda: {"Fn::FindInMap": ["m", "k", self.pick("v", "w")]}),
            ("Fn::Base64", lambda: {"Fn::Base64": self.words(deeper)}),
            ("make_url", lambda: {"make_url": {"host": self.words(deeper), "port": 80}}),
            ("if", lambda: self.choice("if", self.words, deeper)),
            ("Fn::If", lambda: self.choice("Fn::If", self.words, deeper)),
            ("get_file", lambda: {"get_file": "a"}),
            plain=lambda: self.chance.choice(WORDS),
        )

    def row(self, depth: int) -> Any:
        """What gives a list of texts."""
        deeper = depth - 1

        def plain() -> Any:
            return [self.words(deeper) for _ in range(self.chance.randrange(3))]

        if depth <= 0:
            return plain()
        return self.one(
            ("get_param", lambda: {"get_param": "l"}),
            ("Ref", lambda: {"Ref": "l"}),
            ("list_concat", lambda: {"list_concat": [self.row(deeper), self.row(deeper)]}),
            ("list_concat_unique", lambda: {"list_concat_unique": [self.row(deeper), None]}),
            ("filter", lambda: {"filter": [self.row(deeper), self.row(deeper)]}),
            ("str_split", lambda: {"str_split": [",", self.words(deeper)]}),
            ("Fn::Split", lambda: {"Fn::Split": [",", self.words(deeper)]}),
            ("repeat", lambda: self.repeating(deeper)),
            ("yaql", lambda: self.asking("$.data.where($ != a).distinct()", deeper)),
            ("if", lambda: self.choice("if", self.row, deeper)),
            plain=plain,
        )

    def table(self, depth: int) -> Any:
        """What gives a map of texts."""
        deeper = depth - 1

        def plain() -> Any:
            return {key: self.words(deeper) for key in KEYS if self.odds(0.4)}

        if depth <= 0:
            return plain()
        return self.one(
            ("map_merge", lambda: {"map_merge": [self.table(deeper), self.table(deeper)]}),
            ("map_replace", lambda: {"map_replace": [self.table(deeper), {"keys": {"k": "z"}}]}),
            ("if", lambda: self.choice("if", self.table, deeper)),
            plain=plain,
        )

    def reference(self) -> Any:
        return {"get_resource": self.chance.choice(self.there)} if self.there else "none"

    def attribute(self) -> Any:
        name = "Fn::GetAtt" if self.cfn else "get_attr"
        return {name: [self.chance.choice(self.there), "out"]} if self.there else "none"

    def replacing(self, name: str, depth: int) -> Any:
        keys = self.chance.sample(("a", "aa", "b", "ab", "%x%"), 2)
        template = "".join(self.chance.choice((*keys, "c")) for _ in range(6)) + "".join(keys)
        return {name: {"template": template, "params": {key: self.words(depth) for key in keys}}}

    def repeating(self, depth: int) -> Any:
        each = {"%x%": self.row(depth)}
        if self.odds(0.3):
            each["%y%"] = self.row(depth)
        body: dict[str, Any] = {"template": {"%x%": ["%x%%y%", self.words(0)]}, "for_each": each}
        if self.odds(0.3):
            body["permutations"] = True
        return {"list_join": ["", []]} if self.cfn else {"repeat": body}

    def asking(self, expression: str, depth: int) -> Any:
        return {"yaql": {"expression": expression, "data": self.row(depth)}}

    def choice(self, name: str, make: Callable[[int], Any], depth: int) -> Any:
        return {name: [self.truth(depth), make(depth), make(depth)]}

    def truth(self, depth: int) -> Any:
        """A condition."""
        names = ("Fn::Equals", "Fn::Not", "Fn::And") if self.cfn else ("equals", "not", "and")
        if depth <= 0 or self.odds(0.4):
            return self.pick("c", "d", True, False)
        equals, no, both = names
        reading = {"Ref": "s"} if self.cfn else {"get_param": "s"}
        inner = self.truth(depth - 1)
        return self.pick(
            {equals: [reading, "text"]},
            {no: [inner] if self.cfn else inner},
            {both: [inner, self.truth(depth - 1)]},
        )

    def data(self) -> dict[str, Any]:
        """A whole template."""
        head = super().data()
        head = {key: head[key] for key in list(head)[:1]}
        types = CFN_TYPES if self.cfn else NAMES_OF_TYPES
        found: dict[str, Any] = {
            **head,
            self.named("parameters"): {
                name: {self.named("type"): types[name], self.named("default"): _written(value)}
                for name, value in TYPED.items()
            },
        }
        conditional = "if" in self.known or "Fn::If" in self.known
        if conditional:
            found[self.named("conditions")] = {"c": self.equation(), "d": self.equation()}
        if self.cfn:
            found["Mappings"] = {"m": {"k": {"v": "1", "w": "a"}}}
        resources: dict[str, Any] = {}
        for name in ("r1", "r2", "r3", "r4"):
            resources[name] = self.resource()
            self.there.append(name)
        found[self.named("resources")] = resources
        found[self.named("outputs")] = {"o": {self.named("value"): self.words(3)}}
        if self.odds(0.6):
            self.spoil(found)
        return found

    def spoil(self, found: dict[str, Any]) -> None:
        """Put one wrong thing into it: the place is right for something else."""
        places = list(_places(found))
        *way, last = self.chance.choice(places)
        here: Any = found
        for part in way:
            here = here[part]
        name = "Ref" if self.cfn else "get_param"
        here[last] = self.pick(
            *LITERALS, {name: self.pick(*TYPED)}, {name: self.pick(*TYPED)}, self.value(2)
        )

    def equation(self) -> Any:
        reading = {"Ref": "s"} if self.cfn else {"get_param": "s"}
        return {"Fn::Equals" if self.cfn else "equals": [reading, self.pick("text", "b")]}

    def resource(self) -> dict[str, Any]:
        """Its type, and properties of the kinds it has."""
        properties = {
            "value": self.pick(self.words, self.row, self.table)(4),
            "text": self.words(3),
            "items": self.row(3),
            "map": self.table(3),
            "size": self.pick(1, "2", 3.0, True),
            "flag": self.pick(True, "false"),
        }
        body: dict[str, Any] = {
            "type": "Any",
            "properties": {name: value for name, value in properties.items() if self.odds(0.5)},
        }
        if self.there and self.odds(0.3):
            body["depends_on"] = self.chance.sample(self.there, 1)
        if self.odds(0.3):
            body["metadata"] = {"m": self.words(2)}
        if self.odds(0.2):
            body["deletion_policy"] = "Retain"
        return {self.named(key): value for key, value in body.items()}

    def environment(self) -> dict[str, Any]:
        """Values of the right types, or nothing."""
        names = [name for name in TYPED if self.odds(0.3)]
        section = self.pick("parameters", "parameter_defaults")
        return {section: {name: TYPED[name] for name in names}} if names else {}


def _places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of something inside."""
    if path:
        yield path
    inside = data.items() if isinstance(data, dict) else ()
    for key, part in enumerate(data) if isinstance(data, list) else inside:
        yield from _places(part, (*path, key))


def _written(value: Any) -> Any:
    """CFN's defaults are texts."""
    if isinstance(value, list):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, dict) else value
