"""Which cloud the region of an OS::Heat::Stack means."""

from types import SimpleNamespace

import pytest

from mantle.engine.regions import cloud_of_region


def cloud(entry="", region=""):
    told = {"clouds.yaml": entry, "region": region}
    facts = {name: value for name, value in told.items() if value}
    return SimpleNamespace(info=SimpleNamespace(facts=facts))


CLOUDS = {
    "local": cloud(),
    "plain": cloud("plain"),
    "a@East": cloud("a", "East"),
    "a@West": cloud("a", "West"),
    "b@West": cloud("b", "West"),
    "b@North": cloud("b", "North"),
    "c": cloud("c", "RegionOne"),
}


@pytest.mark.parametrize(
    ("parent", "region", "meant"),
    [
        ("local", None, "local"),
        ("local", "", "local"),
        ("a@East", "b@West", "b@West"),
        ("a@East", "West", "a@West"),
        ("b@North", "West", "b@West"),
        ("a@West", "West", "a@West"),
        ("local", "North", "b@North"),
        ("local", "West", None),
        ("local", "South", None),
        ("a@East", "RegionOne", "c"),
    ],
)
def test_a_region_is_the_parents_own_then_of_its_entry_then_the_only_one(parent, region, meant):
    """A cloud's own name goes before all."""
    assert cloud_of_region(CLOUDS, parent, region) == meant


def test_region_one_is_here_where_nothing_is_called_so():
    """As templates for a Heat with one region say it."""
    clouds = {"local": cloud(), "plain": cloud("plain")}
    assert cloud_of_region(clouds, "local", "RegionOne") == "local"
