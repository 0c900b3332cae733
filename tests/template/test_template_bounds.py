"""Sizes an operator may set: of a template's text, and of its nesting."""

import pytest

from mantle.api.settings import ApiSettings
from mantle.config import (
    ServerOptions,
    WrongConfiguration,
    configure,
    options_of,
    settings_of,
)
from mantle.engine.settings import Settings
from mantle.model.errors import Invalid
from mantle.model.graph import TemplateSource
from mantle.template.bounds import Bounds
from mantle.template.validate import load_template

pytestmark = pytest.mark.proves("language: limits")

HEAD = "heat_template_version: 2021-04-16\n"


def load(text, files=None, **bounds):
    return load_template(
        TemplateSource(template=text, files=files or {}),
        types={},
        stack_name="s",
        stack_id="i",
        project_id="p",
        bounds=Bounds(**bounds),
    )


@pytest.mark.parametrize("size", [99, 100, 101])
def test_a_template_is_as_large_as_it_may_be_and_no_larger(size):
    """In bytes, of every text by itself."""
    text = f"{HEAD}description: ".ljust(100, "x")
    child = f"{HEAD}resources: {{a: {{type: child.yaml}}}}\n"
    if size < 100:
        with pytest.raises(Invalid, match=r"99 bytes are allowed.*--max-template-size"):
            load(text, template_bytes=size)
        with pytest.raises(Invalid, match=r"child\.yaml has 100 characters"):
            load(child, {"child.yaml": text}, template_bytes=size)
    else:
        load(text, template_bytes=size)
        load(child, {"child.yaml": text}, template_bytes=size)


@pytest.mark.parametrize(("levels", "good"), [(2, True), (1, False), (0, False)])
def test_nesting_is_as_deep_as_it_may_be(levels, good):
    """Counted below the first template."""
    files = {
        "a.yaml": f"{HEAD}resources: {{b: {{type: b.yaml}}}}\n",
        "b.yaml": HEAD,
    }
    text = f"{HEAD}resources: {{a: {{type: a.yaml}}}}\n"
    if good:
        assert list(load(text, files, nesting=levels).nested) == ["a.yaml"]
    else:
        with pytest.raises(Invalid, match=f"{levels} levels"):
            load(text, files, nesting=levels)


def test_what_a_server_is_told_comes_to_the_engine():
    """And what it is not told stays."""
    told = configure(ServerOptions(max_template_size=600_000, max_resources_per_stack=-1), {})
    found, usual = settings_of(told, []), Settings()
    assert found.bounds == Bounds(template_bytes=600_000, nesting=usual.bounds.nesting)
    assert found.resources_per_stack == -1
    assert settings_of(configure(ServerOptions(), {}), []) == usual


@pytest.mark.parametrize(
    "wrong", [{"max_template_size": 5}, {"max_nested_depth": -1}, {"max_resources_per_stack": -2}]
)
def test_nonsense_is_refused_at_the_start(wrong):
    """With the option's name."""
    with pytest.raises(WrongConfiguration, match="--max-"):
        options_of(configure(ServerOptions(**wrong), {}))


def test_bodies_grow_with_templates():
    """A template that is allowed has to come through the door."""
    assert ApiSettings.around(1000) == ApiSettings()
    assert ApiSettings.around(10**8).body_limit_bytes > 10**8
