"""The operator's environment: under every stack's own, with types that are fixed."""

from pathlib import Path

import pytest

from mantle.engine.operator_files import read_operator
from mantle.model.errors import Invalid, MantleError
from mantle.model.graph import TemplateSource
from mantle.model.schema import Kind, Property, ResourceSchema, TypeFacts
from mantle.template.validate import load_template

HEAD = "heat_template_version: 2018-08-31\n"
TYPES = {
    name: TypeFacts(
        schema=ResourceSchema(type=name, properties={"size": Property(kind=Kind.STRING)})
    )
    for name in ("X::Server", "X::Disk")
}
USER = f"""{HEAD}parameters:
  zone: {{type: string}}
resources:
  one: {{type: X::Server, properties: {{size: {{get_param: zone}}}}}}
"""
WRAPPED = f"""{HEAD}parameters: {{size: {{type: string, default: ''}}}}
resources: {{real: {{type: X::Server, properties: {{size: {{get_param: size}}}}}}}}
"""
OPERATOR = """resource_registry:
  "X::Server": types/server.yaml
parameter_defaults: {zone: north}
"""


def operator(folder: Path, **files: str):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_operator(folder)


@pytest.fixture
def mapped(tmp_path):
    return operator(tmp_path, types__server_yaml=WRAPPED, a_yaml=OPERATOR)


@pytest.fixture
def fixed(tmp_path):
    return operator(
        tmp_path, types__server_yaml=WRAPPED, a_yaml=OPERATOR + 'fixed: ["X::Server"]\n'
    )


def load(operator, environment=None, *, judged=True, template=USER):
    return load_template(
        TemplateSource(template=template, environment=environment or {}),
        types=TYPES,
        stack_name="s",
        stack_id="i",
        project_id="p",
        operator=operator,
        asked=[] if judged else None,
    )


def resolved(loaded):
    return loaded.graph.resources["one"].resolved_type.rsplit("/", 1)[-1]


@pytest.mark.proves("environment: the operator's environment directory")
def test_types_and_defaults_lie_under_every_stack(mapped):
    """The file stands for the type; inside it the type is itself again."""
    loaded = load(mapped)
    assert resolved(loaded) == "server.yaml"
    assert loaded.graph.parameter_values["zone"] == "north"
    (inner,) = loaded.nested.values()
    assert inner.graph.resources["real"].resolved_type == "X::Server"


@pytest.mark.parametrize(
    ("environment", "type_name", "zone"),
    [
        ({"parameter_defaults": {"zone": "south"}}, "server.yaml", "south"),
        ({"parameters": {"zone": "south"}}, "server.yaml", "south"),
        ({"resource_registry": {"X::Server": "X::Disk"}}, "X::Disk", "north"),
        ({"resource_registry": {"X::Server": None}}, "X::Server", "north"),
        (
            {"resource_registry": {"resources": {"one": {"X::Server": "X::Disk"}}}},
            "X::Disk",
            "north",
        ),
    ],
)
def test_a_users_environment_wins(mapped, environment, type_name, zone):
    """Entry by entry, as in Heat."""
    loaded = load(mapped, environment)
    assert (resolved(loaded), loaded.graph.parameter_values["zone"]) == (type_name, zone)


@pytest.mark.proves("environment: a user's wildcard before the operator's entry")
@pytest.mark.parametrize(
    ("registry", "type_name"),
    [
        ({"X::*": "X::Disk"}, "X::Disk"),
        ({"*": "X::Disk"}, "X::Disk"),
        ({"Y::*": "X::Disk"}, "server.yaml"),
        ({"X::*": "X::*"}, "X::Server"),
        ({"X::*": "X::Disk", "X::Server": "X::Server"}, "X::Server"),
    ],
)
def test_a_users_wildcard_comes_before_what_the_operator_maps_by_name(mapped, registry, type_name):
    """As in Heat: all of the user's entries do, whichever is the longer."""
    assert resolved(load(mapped, {"resource_registry": registry})) == type_name


def test_the_operators_wildcards_are_under_the_users_too(tmp_path):
    """A longer pattern of the operator's does not come before a shorter one of the user's."""
    made = operator(tmp_path, a_yaml='resource_registry: {"X::Ser*": "X::Disk"}\n')
    assert resolved(load(made, {"parameters": {"zone": "a"}})) == "X::Disk"
    environment = {"parameters": {"zone": "a"}, "resource_registry": {"X::*": "X::*"}}
    assert resolved(load(made, environment)) == "X::Server"


@pytest.mark.proves("beyond: types the operator has fixed")
@pytest.mark.parametrize(
    "entry",
    [
        '"X::Server": "X::Disk"',
        '"X::Server": null',
        '"X::*": "Y::*"',
        'resources: {one: {"X::Server": "X::Disk"}}',
        'resources: {"o*": {inside: {"X::*": "X::Disk"}}}',
    ],
)
def test_what_is_fixed_may_not_be_mapped_otherwise(fixed, entry):
    """By name, by wildcard, or for one resource; the line is that of the entry."""
    environment = f"# mine\nresource_registry:\n  {entry}\n"
    with pytest.raises(Invalid) as caught:
        load(fixed, environment)
    (problem,) = [each for each in caught.value.problems if each.code == "fixed-type"]
    assert (problem.mark.line, problem.remedy) == (
        3,
        "Remove the entry, or give your type a name of its own.",
    )
    assert resolved(load(fixed, environment, judged=False)) == "server.yaml"


def test_other_types_are_free_and_the_same_mapping_is_none(fixed):
    """Saying what the operator says anyway is no change."""
    target = fixed.environment.resource_registry["X::Server"]
    environment = {"resource_registry": {"X::Server": target, "X::Disk": "X::Server"}}
    assert resolved(load(fixed, environment)) == "server.yaml"


def test_files_are_merged_in_the_order_of_their_names(tmp_path):
    """The last one wins; what is no environment file is left alone."""
    made = operator(
        tmp_path,
        b_yaml="parameter_defaults: {zone: b}\n",
        a_yaml="parameter_defaults: {zone: a, more: a}\n",
        README="not: [an environment\n",
    )
    assert dict(made.environment.parameter_defaults) == {"zone": "b", "more": "a"}


def test_what_a_file_names_is_read_too(tmp_path):
    """With file:// and an absolute path, at any depth."""
    (tmp_path / "script.sh").write_text("true")
    outer = f"{HEAD}resources: {{i: {{type: 'file://{tmp_path}/t/inner.yaml'}}}}\n"
    inner = f"{HEAD}outputs: {{o: {{value: {{get_file: 'file://{tmp_path}/script.sh'}}}}}}\n"
    made = operator(
        tmp_path,
        t__outer_yaml=outer,
        t__inner_yaml=inner,
        a_yaml='resource_registry: {"My::Type": t/outer.yaml}\n',
    )
    assert sorted(name.rsplit("/", 1)[-1] for name in made.files) == [
        "inner.yaml",
        "outer.yaml",
        "script.sh",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters: {a: 1}\n", "'parameters' has no meaning in an operator's environment"),
        ("- a list\n", "must be a map"),
        ("fixed: ['X::*']\n", "must be a list of type names"),
        ("resource_registry: {A: missing.yaml}\n", "cannot be read: No such file"),
        ("resource_registry: [\n", "not YAML"),
        ("resource_registry: {A: 7}\n", "must be a type, a template file or null"),
    ],
)
def test_a_wrong_file_stops_the_start(tmp_path, text, message):
    """With its name and line, so that no control plane runs without what was meant."""
    with pytest.raises(Invalid, match=message) as caught:
        operator(tmp_path, a_yaml=text)
    assert caught.value.problems[0].mark.file == str(tmp_path / "a.yaml")


def test_a_missing_folder_stops_the_start(tmp_path):
    """Told with the option's name."""
    with pytest.raises(MantleError, match="environment-dir"):
        read_operator(tmp_path / "nowhere")
