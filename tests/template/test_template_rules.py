"""Every rule of the language: what breaks it is refused with place and remedy.

The table is `rules/*.yaml`; `rule_table.py` says how it is written.
"""

import pytest
from tests.template.rule_table import DEEP, rows, rules, text_of

from mantle.model.errors import Findings, Invalid
from mantle.model.graph import TemplateSource
from mantle.model.schema import Attribute, Kind, Property, ResourceSchema, TypeFacts
from mantle.model.values import Unknown
from mantle.template.environment import load_environment
from mantle.template.load import parse
from mantle.template.properties import coerce_properties
from mantle.template.resolve import resolve
from mantle.template.validate import load_template

KINDS = {
    "value": Kind.ANY,
    "size": Kind.INTEGER,
    "amount": Kind.NUMBER,
    "text": Kind.STRING,
    "flag": Kind.BOOLEAN,
    "items": Kind.LIST,
    "map": Kind.MAP,
}
TYPES = {
    "Any": TypeFacts(
        schema=ResourceSchema(
            type="Any",
            properties={name: Property(kind=kind) for name, kind in KINDS.items()},
            attributes={"out": Attribute(kind=Kind.ANY)},
        )
    ),
    "Kept": TypeFacts(
        schema=ResourceSchema(
            type="Kept", takes_snapshots=True, update_policies=("rolling_update",)
        )
    ),
    "Needy": TypeFacts(
        schema=ResourceSchema(
            type="Needy",
            properties={
                "needed": Property(kind=Kind.ANY, required=True),
                "inner": Property(kind=Kind.MAP),
                "former": Property(kind=Kind.ANY, alias_of="needed"),
            },
        )
    ),
}
REFUSED = {name: row for name, row, refused in rows() if refused}
ACCEPTED = {name: row for name, row, refused in rows() if not refused}


class There:
    """Resource `r` exists, with one attribute."""

    def reference(self, name):
        return "r-id" if name == "r" else Unknown((name,))

    def attributes(self, name):
        return {"out": {"a": [1, 2]}, "show": {}} if name == "r" else Unknown((name,))

    def failure(self, name, attribute):
        del name, attribute


def source_of(row, template=None):
    texts = row.get("environment files", ())
    files = {f"{position}.yaml": text for position, text in enumerate(texts)}
    sent = {} if "missing" in row else files
    return TemplateSource(
        template=text_of(row) if template is None else template,
        files={**sent, **row.get("files", {}), **(DEEP if row.get("made") == "deep" else {})},
        environment=row.get("environment", row.get("environment text", {})),
        environment_files=tuple(files),
        parameters=row.get("given", {}),
    )


def load(source):
    return load_template(source, types=TYPES, stack_name="s", stack_id="id", project_id="p")


def problems_of(row, template=None):
    """What is said against it; only the resolver sees some things, as the engine does."""
    source = source_of(row, template)
    try:
        if "environment text" in row or "environment files" in row:
            load_environment(source)
        else:
            value_of(row, load(source))
    except Invalid as error:
        return error.problems
    return ()


def value_of(row, loaded):
    """What a row's expression gives."""
    definition = loaded.graph.resources.get("t")
    if definition is None or not {"value", "cfn", "aws"} & set(row):
        return loaded.graph.parameter_values.get("p")
    findings = Findings()
    given = resolve(definition.properties, loaded.scope(There()))
    values = coerce_properties(TYPES["Any"].schema, given, (), findings)
    findings.raise_if_any()
    found = values[row.get("property", "value")]
    return {"unknown after": list(found.after)} if isinstance(found, Unknown) else found


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_a_rule_is_refused(name):
    """By the problem's name, its words and its line; and nothing is without place and remedy."""
    row = REFUSED[name]
    problems = problems_of(row)
    wanted = [
        problem
        for problem in problems
        if problem.code == row["problem"] and row["says"] in problem.message
    ]
    assert wanted, [str(problem) for problem in problems]
    if "line" in row:
        place = (row.get("file", "template"), row["line"])
        assert place in {(each.mark.file, each.mark.line) for each in wanted}
    for problem in problems:
        assert problem.mark is not None or problem.path, problem
        assert problem.message, problem
        assert problem.remedy, problem


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_stands_beside_it_is_accepted(name):
    """With the value it gives, and the warnings it is worth."""
    row = ACCEPTED[name]
    if "environment text" in row:
        load_environment(source_of(row))
        return
    loaded = load(source_of(row))
    if "gives" in row:
        found = value_of(row, loaded)
        assert (found, type(found)) == (row["gives"], type(row["gives"]))
    if "warns" in row:
        assert [each.code for each in loaded.warnings] == row["warns"]
        assert all(each.mark and each.remedy for each in loaded.warnings)


def test_json_has_paths_where_text_has_lines():
    """The same templates as data, as stock clients send them: no problem is without a place."""
    bare = []
    for name, row in REFUSED.items():
        try:
            data = parse(text_of(row)).data
        except Invalid:
            continue
        if isinstance(data, dict) and "environment text" not in row:
            bare += [
                (name, problem)
                for problem in problems_of(row, data)
                if not (problem.path or problem.mark) or not problem.remedy
            ]
    assert bare == []


def test_no_rule_stands_twice_and_none_is_empty():
    """A rule has rows, and a name of its own."""
    table = rules()
    names = [(rule["section"], rule["rule"]) for rule in table]
    assert sorted(set(names)) == sorted(names)
    assert all(rule.get("refused") or rule.get("accepted") for rule in table)
