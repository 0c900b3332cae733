"""Environments: files merged in order, the registry's choices, and what is refused by name."""

import pytest

from mantle.model.errors import Invalid
from mantle.model.graph import TemplateSource
from mantle.template.constraints import OWN, is_known
from mantle.template.environment import load_environment


def load(*files, environment=None, kind="json"):
    names = [f"{position}.yaml" for position in range(len(files))]
    source = TemplateSource(
        template="heat_template_version: 2018-08-31\n"
        f"parameters: {{p: {{type: {kind}}}, q: {{type: {kind}}}}}\n",
        files=dict(zip(names, files, strict=True)),
        environment=environment or {},
        environment_files=tuple(names),
    )
    return load_environment(source)


MERGES = [
    ("json", "overwrite", "[1, 2]", "[3]", [3]),
    ("comma_delimited_list", "merge", "[1, 2]", "[3]", [1, 2, 3]),
    ("comma_delimited_list", "merge", "'a,b'", "'c'", "a,b,c"),
    ("comma_delimited_list", "deep_merge", "'a,b'", "[c]", ["a", "b", "c"]),
    ("comma_delimited_list", "merge", "''", "'c'", "c"),
    ("json", "merge", "{a: {x: 1}, b: 1}", "{a: {y: 2}}", {"a": {"y": 2}, "b": 1}),
    ("json", "merge", "{a: 1}", "{a: null}", {"a": 1}),
    ("json", "merge", "{b: 2}", "'{\"a\": 1}'", {"b": 2, "a": 1}),
    ("json", "deep_merge", "{a: x}", "{a: y}", {"a": "xy"}),
    (
        "json",
        "deep_merge",
        "{a: {x: 1}, b: [1]}",
        "{a: {y: 2}, b: [2]}",
        {"a": {"x": 1, "y": 2}, "b": [1, 2]},
    ),
    ("string", "merge", "ab", "cd", "abcd"),
    ("number", "merge", "1", "2", 3),
    ("json", "merge", "[1]", "null", [1]),
]


@pytest.mark.proves("environment: parameter_merge_strategies")
@pytest.mark.parametrize(("kind", "strategy", "first", "second", "expected"), MERGES)
def test_files_are_merged_by_strategy(kind, strategy, first, second, expected):
    """In the order of the files, by the parameter's type; null never overwrites."""
    merged = load(
        f"parameter_merge_strategies: {{p: {strategy}}}\nparameter_defaults: {{p: {first}}}\n",
        f"parameter_merge_strategies: {{p: {strategy}}}\nparameter_defaults: {{p: {second}}}\n",
        kind=kind,
    )
    assert merged.parameter_defaults["p"] == expected


def test_a_default_strategy_is_for_the_others():
    """Those that are not named."""
    merged = load(
        "parameter_merge_strategies: {default: merge, q: overwrite}\n"
        "parameters: {p: [1], q: [1]}\n",
        "parameters: {p: [2], q: [2]}\n",
    )
    assert dict(merged.parameters) == {"p": [1, 2], "q": [2]}


def test_what_the_first_file_says_holds():
    """A later file that says nothing does as the first; its default comes too late."""
    merged = load(
        "parameters: {p: [1], q: [1]}\n",
        "parameter_merge_strategies: {default: merge}\nparameters: {p: [2], q: [2]}\n",
    )
    assert dict(merged.parameters) == {"p": [2], "q": [2]}


def test_names_no_template_declares_are_left_out_of_what_is_merged():
    """The first file is taken as it is; Heat does the same."""
    merged = load("parameters: {p: [1], x: 1}\n", "parameters: {q: [2], y: 1}\n")
    assert dict(merged.parameters) == {"p": [1], "x": 1, "q": [2]}


def test_a_nested_templates_parameters_count_too():
    """For parameter_defaults, which reach the whole tree."""
    source = TemplateSource(
        template="heat_template_version: 2018-08-31\n",
        files={
            "a": "parameter_merge_strategies: {p: merge}\nparameter_defaults: {p: 'a'}\n",
            "b": "parameter_defaults: {p: 'b'}\n",
            "c.yaml": "HeatTemplateFormatVersion: '2012-12-12'\n"
            "Parameters: {p: {Type: CommaDelimitedList}}\n",
        },
        environment_files=("a", "b"),
    )
    assert load_environment(source).parameter_defaults["p"] == "a,b"


def test_strategies_hold_for_files_only():
    """The environment itself wins over the files, whatever it says."""
    merged = load(
        "parameters: {p: [1]}\n",
        environment={"parameter_merge_strategies": {"p": "merge"}, "parameters": {"p": [2]}},
    )
    assert merged.parameters["p"] == [2]


REFUSED = [
    (["parameter_merge_strategies: {p: bogus}\n"], "Unknown merge strategy 'bogus'"),
    (
        [
            "parameter_merge_strategies: {p: merge}\nparameters: {p: {a: 1}}\n",
            "parameter_merge_strategies: {p: deep_merge}\nparameters: {p: {a: 1}}\n",
        ],
        "Conflicting merge strategies of 'p'",
    ),
    (
        [
            "parameter_merge_strategies: {p: merge}\nparameters: {p: {a: [1]}}\n",
            "parameters: {p: [1]}\n",
        ],
        "cannot be merged",
    ),
    (["resource_registry: {'A::B': 5}\n"], "must be a type, a template file or null"),
    (["resource_registry: {resources: [a]}\n"], "must be a map"),
    (["resource_registry: {resources: {a: {hooks: pre-nothing}}}\n"], "Invalid hooks"),
    (["resource_registry: {resources: {a: {restricted_actions: [eat]}}}\n"], "Invalid restricted"),
    (["event_sinks: [{type: zaqar-queue, target: q}]\n"], "no Zaqar"),
    (["event_sinks: [{type: bogus}]\n"], "no event sink of type 'bogus'"),
    (["parameters: null\n"], "must be a map, not empty"),
    (["parameters: {}\nnonsense: {}\n"], 'wrong section "nonsense"'),
]


@pytest.mark.proves("environment: what is refused")
@pytest.mark.parametrize(("files", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_its_place(files, message):
    """The file and the line are named."""
    with pytest.raises(Invalid) as caught:
        load(*files)
    (problem,) = [each for each in caught.value.problems if message in each.message]
    assert problem.mark.file.endswith(".yaml")


@pytest.mark.proves("environment: choice order")
@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"web": "N", "w*": "G"}, "N"),
        ({"w*": "G", "web": "N"}, "N"),
        ({"we*": "L", "w*": "S"}, "L"),
        ({"w*": "S", "we*": "L"}, "L"),
        ({"*eb": "A", "w*b": "B"}, "A"),
        ({"other": "X"}, "Global"),
    ],
)
def test_the_nearest_entry_wins(entries, expected):
    """The resource's own name, then the longer pattern, then the alphabet, then the registry."""
    resources = {name: {"A::B": target} for name, target in entries.items()}
    environment = load(
        environment={"resource_registry": {"A::B": "Global", "resources": resources}}
    )
    assert environment.resolved_type("web", "A::B") == expected


VALUES = [
    ("cron_expression", "*/5 0-6 1,15 jan-mar mon", True),
    ("cron_expression", "99 99 99 99 99", False),
    ("cron_expression", "* * *", False),
    ("expiration", "2026-11-21T10:00:00", True),
    ("expiration", "2020-13-45", False),
    ("rel_dns_name", "foo.bar", True),
    ("rel_dns_name", "foo.", False),
    ("dns_domain", "foo.", True),
    ("dns_domain", "foo", False),
    ("mac_addr", "aa:bb:cc:dd:ee:ff", True),
    ("mac_addr", "aa-bb:cc-dd:ee-ff", False),
    ("ip_or_cidr", "10.0.0.0/8", True),
    ("ip_or_cidr", "10.0.0", False),
    ("iso_8601", "2026-11-21T10:00:00Z", True),
    ("iso_8601", "PT5M", False),
    ("timezone", "Europe/Berlin", True),
    ("timezone", "Mars/Base", False),
    ("json_string", "[1]", True),
    ("json_string", "[1", False),
]


@pytest.mark.proves("parameters: custom constraints")
@pytest.mark.parametrize(("name", "value", "good"), VALUES)
def test_a_custom_constraint_of_our_own(name, value, good):
    """Those that look at the text only."""
    assert (OWN[name](value) is None) is good


def test_only_heats_names_are_known():
    """A service's prefix does not make any name a constraint."""
    assert is_known("nova.flavor", {})
    assert is_known("neutron.lbaas.pool", {})
    assert not is_known("nova.nonsense", {})
    assert not is_known("nonsense", {})
