"""The language as a table: what each function gives, in which version, and what it refuses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mantle.model.errors import Invalid
from mantle.model.graph import TemplateSource
from mantle.model.schema import (
    Attribute,
    Kind,
    OnChange,
    Property,
    ResourceSchema,
    TypeFacts,
)
from mantle.model.values import Unknown
from mantle.template.functions import condition_functions_of, functions_of
from mantle.template.hot.versions import known_versions
from mantle.template.load import parse
from mantle.template.resolve import resolve
from mantle.template.validate import load_template

ANY = TypeFacts(
    schema=ResourceSchema(
        type="Any",
        properties={
            "value": Property(kind=Kind.ANY, on_change=OnChange.UPDATE),
            "size": Property(kind=Kind.INTEGER),
        },
        attributes={"out": Attribute(kind=Kind.ANY)},
    )
)


def load(text, *, files=None, environment=None, parameters=None, **options):
    source = TemplateSource(
        template=text,
        files=files or {},
        environment=environment or {},
        parameters=parameters or {},
    )
    return load_template(
        source, types={"Any": ANY}, stack_name="s", stack_id="id", project_id="p", **options
    )


def refused(text, **options):
    with pytest.raises(Invalid) as caught:
        load(text, **options)
    return caught.value.problems


class There:
    """Resource `r` exists, with one attribute."""

    def reference(self, name):
        return "r-id" if name == "r" else Unknown((name,))

    def attributes(self, name):
        return {"out": {"a": [1, 2]}} if name == "r" else Unknown((name,))

    def failure(self, name, attribute):
        del name, attribute


def value(expression, version="2018-08-31", **options):
    """What an expression gives when it stands in a property."""
    text = (
        f"heat_template_version: {version}\n"
        "parameters:\n"
        "  text: {type: string, default: hello}\n"
        "  many: {type: comma_delimited_list, default: 'a,b'}\n"
        "  map: {type: json, default: {k: [x, y]}}\n"
        "resources:\n  r: {type: Any}\n  q: {type: Any}\n"
        f"  t:\n    type: Any\n    properties:\n      value: {expression}\n"
    )
    loaded = load(text, **options)
    found = loaded.graph.resources["t"].properties.get("value")
    return resolve(found, loaded.scope(There()))


GIVES = [
    ("{get_param: text}", "hello"),
    ("{get_param: [map, k, 1]}", "y"),
    ("{get_param: [map, nope]}", ""),
    ("{get_param: [map, [x]]}", ""),
    ("{get_attr: [r, out, [x]]}", None),
    ("{get_param: OS::stack_name}", "s"),
    ("{get_resource: r}", "r-id"),
    ("{get_resource: q}", Unknown(("q",))),
    ("{get_attr: [r, out, a, 1]}", 2),
    ("{get_attr: [r, out, nope]}", None),
    ("{get_attr: [q, out]}", Unknown(("q",))),
    ("{list_join: [',', {get_param: many}, [c, null]]}", "a,b,c,"),
    ("{list_join: [',', [{get_attr: [q, out]}]]}", Unknown(("q",))),
    ("{list_join: ['', [{b: 1, a: 2}]]}", '{"a": 2, "b": 1}'),
    ("{str_replace: {template: a b, params: {a: b, b: a}}}", "b a"),
    ("{str_replace: {template: aab, params: {a: 1, aa: 2}}}", "2b"),
    ("{str_replace: {template: x y, params: {x: true, y: null}}}", "True "),
    ("{str_replace_strict: {template: x, params: {x: 1}}}", "1"),
    ("{str_split: [',', 'a,b']}", ["a", "b"]),
    ("{str_split: [',', 'a,b', -1]}", "b"),
    ("{str_split: [',', '']}", [""]),
    ("{list_concat: [[a], null, [b, a]]}", ["a", "b", "a"]),
    ("{list_concat_unique: [[a], [b, a]]}", ["a", "b"]),
    ("{map_merge: [{a: 1}, null, {a: 2, b: 3}]}", {"a": 2, "b": 3}),
    ("{map_replace: [{a: x, b: y}, {keys: {a: c}, values: {y: z}}]}", {"c": "x", "b": "z"}),
    ("{repeat: {template: '<%x%>', for_each: {'%x%': [a, b]}}}", ["<a>", "<b>"]),
    (
        "{repeat: {template: '%x%%y%', for_each: {'%x%': [a, b], '%y%': [c, d]}}}",
        ["ac", "ad", "bc", "bd"],
    ),
    (
        (
            "{repeat: {template: '%x%%y%', for_each: {'%x%': [a, b], '%y%': [c, d]}, "
            "permutations: false}}"
        ),
        ["ac", "bd"],
    ),
    ("{digest: [MD5, abc]}", "900150983cd24fb0d6963f7d28e17f72"),
    ("{contains: [b, abc]}", True),
    ("{contains: [x, [a]]}", False),
    ("{filter: [[a], [a, b]]}", ["b"]),
    (
        "{make_url: {scheme: http, host: '::1', port: 80, path: a b, query: {q: '/x'}}}",
        "http://[::1]:80/a%20b?q=/x",
    ),
    ("{if: [{equals: [{get_param: text}, hello]}, yes it is, no]}", "yes it is"),
    ("{if: [{not: {equals: [a, a]}}, 1, 2]}", 2),
    ("{if: [{and: [true, {equals: [a, a]}]}, 1, 2]}", 1),
    ("{if: [{and: [true, false]}, 1, 2]}", 2),
    ("{if: [{or: [false, {equals: [a, b]}]}, 1, 2]}", 2),
    ("{if: [{or: [false, true]}, 1, 2]}", 1),
    ("{equals: [a, b]}", {"equals": ["a", "b"]}),
    ("{yaql: {expression: '$.data.where($ > 1).select($ * 2)', data: [1, 2, 3]}}", [4, 6]),
    ("{yaql: {expression: '$.data.a.keys().toSet()', data: {a: {x: 1}}}}", ["x"]),
    ("{yaql: {expression: '$.data', data: {get_attr: [q, out]}}}", Unknown(("q",))),
    (
        "{if: [{yaql: {expression: '$.data > 1', data: 2}}, many, few]}",
        "many",
    ),
    ("{get_param: text, other: 1}", {"get_param": "text", "other": 1}),
]


@pytest.mark.parametrize(("expression", "expected"), GIVES)
def test_a_function_gives(expression, expected):
    """As the reference's table has it."""
    assert value(expression) == expected


WRONG = [
    "{get_param: nope}",
    "{get_resource: nope}",
    "{get_attr: [nope, out]}",
    "{get_attr: [r, nope]}",
    "{get_attr: r}",
    "{get_file: nope}",
    "{list_join: [',', [1]]}",
    "{list_join: [',', text]}",
    "{str_replace: {template: x}}",
    "{str_replace: {template: {a: 1}, params: {}}}",
    "{str_replace_strict: {template: x, params: {y: 1}}}",
    "{str_replace_vstrict: {template: x, params: {x: ''}}}",
    "{str_split: [',', 5]}",
    "{str_split: [',', 'a', 7]}",
    "{list_concat: [[a], text]}",
    "{map_merge: {a: 1}}",
    "{map_replace: [{a: 1, b: 2}, {keys: {a: b}}]}",
    "{repeat: {template: x, for_each: {}}}",
    "{repeat: {template: x, for_each: {x: [1]}}}",
    "{digest: [nope, x]}",
    "{digest: [md5, Ω]}",
    "{contains: [a, {b: c}]}",
    "{make_url: {port: 70000, host: h}}",
    "{make_url: {nope: 1}}",
    "{if: [nope, 1, 2]}",
    "{if: ['true', 1, 2]}",
    "{resource_facade: metadata}",
    "{get_param: [[1]]}",
    "{map_replace: [{a: x}, {keys: {a: [1]}}]}",
    "{str_replace: {template: " + "x" * 3000 + ", params: {x: " + "y" * 3000 + "}}}",
    "{repeat: {template: " + "x" * 3000 + ", for_each: {x: [" + "y" * 3000 + "]}}}",
    "{yaql: {expression: 'range(100000000000).len()', data: 1}}",
    "{yaql: {expression: '[1] * 40000000', data: 1}}",
    "{yaql: {expression: 'repeat(1).len()', data: 1}}",
    "{yaql: {expression: 'float(\"inf\")', data: 1}}",
    "{yaql: {data: 1}}",
    "{yaql: {expression: '$.(', data: 1}}",
    "{yaql: {expression: '$.data.nope()', data: 1}}",
    "{yaql: {expression: 'range(1000000000).toList()', data: 1}}",
    "{yaql: {expression: '\"a\" * 1000000000', data: 1}}",
    "{yaql: {expression: 'pow(2, 1000000000)', data: 1}}",
    "{yaql: {expression: '\"{0:>1000000000}\".format(1)', data: 1}}",
    "{yaql: {expression: '1 / 0', data: 1}}",
    "{yaql: {expression: 'random()', data: 1}}",
    (
        "{yaql: {expression: 'range(150).select(range(150).select(range(150).select($ + 1)"
        ".sum()).sum()).sum()', data: 1}}"
    ),
    "{'Fn::Join': ['', [a]]}",
]


@pytest.mark.parametrize("expression", WRONG)
def test_a_wrong_argument_is_a_problem_with_its_place(expression):
    """Each problem has the template's line, a path and a message."""
    with pytest.raises(Invalid) as caught:
        value(expression)
    assert all(problem.message for problem in caught.value.problems)
    assert any(problem.path for problem in caught.value.problems)


SINCE = [
    ("{repeat: {template: x, for_each: {x: [a]}}}", "2014-10-16", "2015-04-30"),
    ("{str_split: [',', a]}", "2015-04-30", "2015-10-15"),
    ("{map_merge: [{a: 1}]}", "2015-10-15", "2016-04-08"),
    ("{map_replace: [{a: 1}, {}]}", "2016-04-08", "2016-10-14"),
    ("{str_replace_strict: {template: x, params: {x: y}}}", "2016-10-14", "2017-02-24"),
    ("{make_url: {host: h}}", "ocata", "pike"),
]


@pytest.mark.parametrize(("expression", "before", "since"), SINCE)
def test_a_newer_function_is_a_plain_map_in_an_older_version(expression, before, since):
    """Heat does the same, so a typo shows only in the cloud; a warning tells of it."""
    assert isinstance(value(expression, before), dict)
    assert list(value(expression, before)) == [expression[1:].split(":")[0]]
    assert value(expression, since) != value(expression, before)


HEAD = "heat_template_version: 2018-08-31\n"

REFUSED = {
    "no version": ("resources: {}\n", "heat_template_version"),
    "an unknown version": ("heat_template_version: 2013-05-24\n", "version is invalid"),
    "an unknown section": (HEAD + "resourcs: {}\n", "resources"),
    "a duplicate key": (HEAD + "resources:\n  a: {type: Any}\n  a: {type: Any}\n", "twice"),
    "an unknown type": (HEAD + "resources: {a: {type: Ayn}}\n", "Did you mean Any"),
    "no type": (HEAD + "resources: {a: {properties: {}}}\n", "no type"),
    "an unknown key": (HEAD + "resources: {a: {type: Any, propertys: {}}}\n", "properties"),
    "an unknown property": (
        HEAD + "resources: {a: {type: Any, properties: {valeu: 1}}}\n",
        "value",
    ),
    "a mistyped property": (
        HEAD + "resources: {a: {type: Any, properties: {size: x}}}\n",
        "not an integer",
    ),
    "a cycle": (
        HEAD + "resources:\n  a: {type: Any, depends_on: b}\n  b: {type: Any, depends_on: a}\n",
        "Circular",
    ),
    "a slash in a name": (HEAD + "resources: {a/b: {type: Any}}\n", '"/"'),
    "a missing parameter": (HEAD + "parameters: {a: {type: string}}\n", "not provided"),
    "a wrong parameter type": (HEAD + "parameters: {a: {type: String}}\n", "Invalid type"),
    "a default out of range": (
        HEAD + "parameters: {a: {type: number, default: 9, constraints: [{range: {max: 3}}]}}\n",
        "out of range",
    ),
    "a condition's alias": (HEAD + "conditions: {a: true, b: a}\n", "only a name"),
    "circular conditions": (
        HEAD + "conditions: {a: {not: b}, b: {not: a}}\n",
        "Circular definition",
    ),
    "an output without value": (HEAD + "outputs: {a: {description: x}}\n", "value"),
    "a name twice": (
        HEAD + "parameters: {a: {type: string, default: x}}\nresources: {a: {type: Any}}\n",
        "Duplicate names",
    ),
    "a missing nested file": (HEAD + "resources: {a: {type: child.yaml}}\n", "files"),
    "a snapshot nobody takes": (
        HEAD + "resources: {a: {type: Any, deletion_policy: Snapshot}}\n",
        "Snapshot",
    ),
    "not YAML": ("a: [1, 2\nb: }", "not YAML"),
    "a list": ("- 1\n", "no map"),
    "nothing": ("", "empty"),
    "an unknown tag": (HEAD + "resources: {a: !!python/object:os.system x}\n", "tag"),
    "an empty integer": (HEAD + "description: !!int ''\n", "is no int"),
    "a number out of all bounds": (
        HEAD + "description: " + "1:" * 200 + "1.0\n",
        "is no float",
    ),
    "a tagged map": (HEAD + "resources: !!python/object:x {}\n", "tag"),
    "deep nesting": (HEAD + "resources: " + "[" * 100 + "]" * 100, "levels"),
    "too much": ("x" * 10_000_000, "allowed"),
    "a lone surrogate": (HEAD + "description: \ud800\n", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_template_is_refused(name):
    """With what is wrong, where, and what to do."""
    text, expected = REFUSED[name]
    problems = refused(text)
    assert any(expected in str(problem) for problem in problems), [str(p) for p in problems]


def test_a_bomb_of_aliases_is_refused():
    """A kilobyte that means billions of values."""
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    assert "aliases expanded" in str(refused(text)[0])


def test_all_problems_are_told_at_once_with_their_lines():
    """Six mistakes, six places."""
    text = HEAD + (
        "resources:\n"
        "  a: {type: Ayn}\n"
        "  b: {type: Any, properties: {valeu: 1}}\n"
        "  c: {type: Any, properties: {size: x}}\n"
        "  d: {type: Any, properties: {value: {get_resource: e}}}\n"
        "outputs:\n  o: {}\n"
    )
    lines = sorted(problem.mark.line for problem in refused(text))
    assert lines == [3, 4, 5, 6, 8]


def test_json_data_has_paths_instead_of_lines():
    """As stock clients send it."""
    problems = refused({"heat_template_version": "2018-08-31", "resources": {"a": {"type": "X"}}})
    assert [(problem.mark, problem.where) for problem in problems] == [(None, "resources.a.type")]


PARAMETERS = [
    ("string", 5, "5"),
    ("number", "3", 3),
    ("number", "1e3", 1000.0),
    ("boolean", "on", True),
    ("boolean", "N", False),
    ("comma_delimited_list", "a, b,,c", ["a", " b", "", "c"]),
    ("comma_delimited_list", "", []),
    ("json", '{"a": 1}', {"a": 1}),
    ("json", "", ""),
]


@pytest.mark.parametrize(("kind", "given_value", "expected"), PARAMETERS)
def test_a_parameter_is_coerced(kind, given_value, expected):
    """To its type, with Heat's edges."""
    loaded = load(HEAD + f"parameters: {{a: {{type: {kind}}}}}\n", parameters={"a": given_value})
    assert loaded.graph.parameter_values["a"] == expected


@pytest.mark.parametrize(
    ("kind", "given_value"),
    [("number", "x"), ("boolean", "maybe"), ("json", "{"), ("comma_delimited_list", 5)],
)
def test_a_value_that_does_not_fit_is_refused(kind, given_value):
    """By the parameter's name."""
    problems = refused(
        HEAD + f"parameters: {{a: {{type: {kind}}}}}\n", parameters={"a": given_value}
    )
    assert "'a'" in str(problems[0])


def test_a_hidden_value_is_not_in_its_error():
    """Whatever is wrong with it."""
    text = HEAD + (
        "parameters: {a: {type: string, hidden: true, constraints: [{length: {max: 3}}]}}\n"
    )
    assert "hunter22" not in str(refused(text, parameters={"a": "hunter22"})[0])


def test_the_environment_decides_what_a_type_means():
    """Exact names over wildcards, named resources over all, files as nested stacks."""
    child = HEAD + "parameters: {size: {type: number}}\noutputs: {out: {value: 1}}\n"
    loaded = load(
        HEAD + "resources:\n"
        "  a: {type: 'My::One', properties: {size: 3}}\n"
        "  b: {type: 'Far::Any', properties: {value: {get_attr: [a, out]}}}\n"
        "  c: {type: 'Odd'}\n",
        files={"child.yaml": child},
        environment={
            "resource_registry": {
                "My::*": "child.yaml",
                "Far::*": "*",
                "resources": {"c": {"Odd": "Any"}},
            }
        },
    )
    types = {name: each.resolved_type for name, each in loaded.graph.resources.items()}
    assert types == {"a": "child.yaml", "b": "Any", "c": "Any"}
    assert loaded.graph.resources["b"].references == ("a",)


def test_a_template_that_includes_itself_is_refused():
    """Directly, or round a corner."""
    one = HEAD + "resources: {x: {type: two.yaml}}\n"
    two = HEAD + "resources: {x: {type: one.yaml}}\n"
    problems = refused(one, files={"one.yaml": one, "two.yaml": two})
    assert any("includes itself" in str(problem) for problem in problems)


def test_a_disabled_resource_is_not_there():
    """And what refers to it is told."""
    text = HEAD + (
        "parameters: {wanted: {type: boolean, default: false}}\n"
        "conditions: {on: {equals: [{get_param: wanted}, true]}}\n"
        "resources:\n  a: {type: Any, condition: 'on'}\n  b: {type: Any, depends_on: a}\n"
    )
    assert list(load(text).graph.resources) == ["b"]
    assert list(load(text, parameters={"wanted": True}).graph.resources) == ["a", "b"]
    assert "a" in str(refused(text + "outputs: {o: {value: {get_resource: a}}}\n")[0])


YAML = [
    ("1", 1),
    ("0755", 493),
    ("1.5", 1.5),
    ("yes", True),
    ("null", None),
    ("'1'", "1"),
    ("2018-08-31", "2018-08-31"),
    ("2001-12-14t21:59:43", "2001-12-14t21:59:43"),
    ("|\n  a\n  b", "a\nb"),
]


@pytest.mark.parametrize(("text", "expected"), YAML)
def test_a_scalar_means_what_the_safe_loader_makes_of_it(text, expected):
    """But for timestamps, which stay text."""
    found = parse(f"k: {text}").data["k"]
    assert (found, type(found)) == (expected, type(expected))


def test_merge_keys_are_merged_below_the_own_ones():
    """With `<<`, the map's own keys win."""
    assert parse("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}").data["b"] == {"x": 3, "y": 2}


def test_versions_and_functions_are_listed():
    """For the API."""
    assert len([kind for _, kind, _ in known_versions() if kind == "hot"]) == 11
    assert ("get_file", "A function for including a file inline.") in functions_of("2016-04-08")
    assert condition_functions_of("2015-10-15") == []
    assert "equals" in dict(condition_functions_of("2016-10-14"))


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12))
NAMES = st.sampled_from(
    ["heat_template_version", "2018-08-31", "resources", "type", "Any", "properties", "value",
     "get_param", "get_attr", "get_resource", "if", "repeat", "template", "for_each", "equals",
     "conditions", "condition", "parameters", "default", "constraints", "range", "outputs",
     "depends_on", "a", "b", "list_join", "str_replace", "params", "string", "number"]
)  # fmt: skip
DATA = st.recursive(
    SCALARS | NAMES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=30,
)


@settings(max_examples=400, deadline=None)
@given(
    st.fixed_dictionaries(
        {"heat_template_version": st.just("2018-08-31")},
        optional={
            name: st.dictionaries(NAMES, DATA, max_size=3) | DATA
            for name in ("resources", "parameters", "outputs", "conditions", "parameter_groups")
        },
    )
)
def test_no_data_makes_the_loader_stumble(data):
    """It is a template or it is `Invalid`."""
    try:
        load(data)
    except Invalid:
        return


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("ab:{}[]&*!|>-?%@`'\"\n ,#<0123\t\\")), max_size=60))
def test_no_text_makes_the_parser_stumble(text):
    """It is YAML or it is `Invalid`."""
    try:
        parse(text)
    except Invalid:
        return


def test_a_pattern_that_never_ends_is_given_up():
    """It is told to be too slow, and nothing hangs."""
    text = (
        "heat_template_version: 2018-08-31\nparameters:\n"
        "  p: {type: string, constraints: [{allowed_pattern: '(a|aa)+b'}]}\nresources: {}\n"
    )
    (problem,) = refused(text, parameters={"p": "a" * 40 + "!"})
    assert "takes too long" in problem.message


def test_nested_replacements_do_not_blow_up():
    """Each is bounded by what a template may have, so twelve in each other are too."""
    value_of = "x"
    for _ in range(12):
        value_of = f"{{str_replace: {{template: {value_of}, params: {{x: xxxxxxxxxx}}}}}}"
    with pytest.raises(Invalid, match="would make a text"):
        value(value_of)


def test_problems_of_environment_and_template_are_told_together():
    """Neither hides the other."""
    text = "heat_template_version: 2018-08-31\nresources:\n  r: {type: Any, nonsense: 1}\n"
    found = {each.code for each in refused(text, environment={"nonsense": {}, "parameters": {}})}
    assert found == {"environment-section", "unknown-key"}


@pytest.mark.parametrize("order", [(1, 4), (4, 1)])
def test_nesting_is_as_deep_from_whichever_end_it_is_read(order):
    """Six levels are one too many, also when the deep file was read at a lesser depth before."""
    files = {
        f"l{level}.yaml": "heat_template_version: 2018-08-31\nresources:\n"
        + (f"  n: {{type: l{level + 1}.yaml}}\n" if level < 6 else "  n: {type: Any}\n")
        for level in range(1, 7)
    }
    text = "heat_template_version: 2018-08-31\nresources:\n" + "".join(
        f"  r{level}: {{type: l{level}.yaml}}\n" for level in order
    )
    assert {each.code for each in refused(text, files=files)} == {"nesting"}


def test_what_exists_already_waits_for_nothing():
    """References inside a resource with external_id make no edges."""
    text = (
        "heat_template_version: 2018-08-31\nresources:\n  a: {type: Any}\n"
        "  b: {type: Any, external_id: x, properties: {value: {get_resource: a}}}\n"
    )
    assert load(text).graph.resources["b"].references == ()


def test_the_default_of_a_hidden_parameter_is_not_told():
    """Not even when it breaks its constraint."""
    text = (
        "heat_template_version: 2018-08-31\nparameters:\n  p: {type: string, hidden: true, "
        "default: swordfish, constraints: [{length: {max: 3}}, {allowed_pattern: '[0-9]+'}]}\n"
    )
    assert all("swordfish" not in each.message for each in refused(text))
