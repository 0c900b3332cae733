"""The template generated for each type to start from, and the schema that is shown of it."""

import pytest

from mantle.api.heat.schemas import property_view
from mantle.api.heat.types import _cfn, _hot, _shown
from mantle.model.graph import TemplateSource
from mantle.model.schema import Kind
from mantle.resources.registry import default_registry
from mantle.template.validate import load_template

REGISTRY = default_registry()
TYPES = sorted(name for name, kind in REGISTRY.types.items() if kind.schema.support != "HIDDEN")


def loaded(template, parameters=None):
    source = TemplateSource(template=template, parameters=parameters or {})
    return load_template(
        source,
        types=REGISTRY.facts,
        stack_name="s",
        stack_id="s",
        project_id="p",
        require_values=parameters is not None,
    )


@pytest.mark.proves("api: resource_types templates validate")
@pytest.mark.parametrize("kind", ["hot", "cfn"])
@pytest.mark.parametrize("name", TYPES)
def test_the_generated_template_validates(name, kind):
    """As it is, with the required parameters still open: every property and attribute is in it."""
    schema = REGISTRY.get(name).schema
    template = _hot(schema) if kind == "hot" else _cfn(schema)
    graph = loaded(template).graph
    (resource,) = graph.resources.values()
    assert resource.type == name
    assert set(resource.properties) == set(_shown(schema))
    assert set(graph.outputs) == set(schema.attributes)
    assert set(graph.parameters) == set(_shown(schema))


@pytest.mark.parametrize("kind", ["hot", "cfn"])
@pytest.mark.parametrize("name", TYPES)
def test_its_defaults_ask_for_nothing(name, kind):
    """A default stands for leaving the property out, or is the property's own; none is refused."""
    schema = REGISTRY.get(name).schema
    graph = loaded(_hot(schema) if kind == "hot" else _cfn(schema)).graph
    for parameter, definition in graph.parameters.items():
        prop = _shown(schema)[parameter]
        if not definition.has_default:
            assert prop.required, parameter
        elif prop.default is None:
            assert definition.default in (None, "", [], {}), parameter


def kinds_of(view):
    yield view["type"]
    for inner in (view.get("schema") or {}).values():
        yield from kinds_of(inner)


@pytest.mark.parametrize("name", TYPES)
def test_the_schema_is_shown_whole(name):
    """Every property that is offered, as deep as it goes, by Heat's names of kinds."""
    schema = REGISTRY.get(name).schema
    for prop in _shown(schema).values():
        view = property_view(prop)
        assert set(kinds_of(view)) <= {kind.value for kind in Kind}
        assert {"type", "required", "update_allowed", "immutable"} <= view.keys()
