"""Every type has exactly the properties and attributes that Heat 27.0.1 gives it.

`heat_schemas.txt` was made by asking that Heat's own registry: a path, its kind, and its rules.
"""

import json
from pathlib import Path

import pytest

from mantle.model.schema import (
    AllowedValues,
    Custom,
    Kind,
    Length,
    OnChange,
    Property,
    Range,
)
from mantle.resources.registry import default_registry

REGISTRY = default_registry()
OURS_BESIDES = {
    "OS::Heat::TestResource": {"action_wait_secs.suspend", "action_wait_secs.resume"},
    "OS::Heat::ResourceGroup": {"update_policy/rolling_update", "update_policy/batch_create"},
}
NUMBERED = {  # 279 allowed values, tested apart
    ("OS::Neutron::SecurityGroup", "rules.*.protocol"),
    ("OS::Neutron::SecurityGroupRule", "protocol"),
}


def tables():
    """The file as {type: (head words, {path: words}, {attribute: kind})}."""
    found = {}
    for line in (Path(__file__).parent / "heat_schemas.txt").read_text().splitlines():
        first, *words = line.split()
        if not line.startswith(" "):
            properties, attributes = {}, {}
            found[first] = (words, properties, attributes)
        elif first.startswith("@"):
            attributes[first[1:]] = words[0]
        else:
            properties[first] = words
    return found


TABLES = tables()


def bound(value):
    return "" if value is None else str(int(value))


def words_of(schema: Property):
    """A property's rules in the words of the file."""
    words = [schema.kind.value]
    if schema.required:
        words.append("required")
    if schema.on_change is OnChange.UPDATE:
        words.append("update")
    if schema.hidden:
        words.append("hidden")
    if schema.default is not None:
        words.append("default=" + json.dumps(schema.default).replace(" ", ""))
    for constraint in schema.constraints:
        match constraint:
            case AllowedValues(allowed=allowed):
                words.append("in=" + "|".join(map(str, allowed)))
            case Length(min=low, max=high):
                words.append(f"length={bound(low)}..{bound(high)}")
            case Range(min=low, max=high):
                words.append(f"range={bound(low)}..{bound(high)}")
            case Custom(name=name):
                words.append(f"custom={name}")
    return words


def flat(fields, prefix=""):
    """All properties with their paths, as the file writes them."""
    for name, schema in fields.items():
        path = prefix + name
        yield path, schema
        if schema.fields:
            yield from flat(schema.fields, path + ".")
        if schema.items is not None and schema.items.fields:
            yield from flat(schema.items.fields, path + ".*.")
        elif schema.items is not None and schema.items.constraints:
            yield path + ".*", schema.items


def everything(schema):
    yield from flat(schema.properties)
    yield from flat(schema.update_policy, "update_policy/")


@pytest.mark.parametrize("name", TABLES)
def test_properties_are_heats(name):
    """Names, kinds, update rules, defaults and constraints agree, nested ones included."""
    ours = {
        path: sorted(words_of(schema)) for path, schema in everything(REGISTRY.get(name).schema)
    }
    heats = {path: sorted(words) for path, words in TABLES[name][1].items()}
    for path in [path for kind, path in NUMBERED if kind == name]:
        ours[path] = heats[path] = []
    extra = ours.keys() - heats.keys() - OURS_BESIDES.get(name, set())
    assert not extra
    assert {path: ours.get(path) for path in heats} == heats


@pytest.mark.parametrize("name", TABLES)
def test_attributes_are_heats(name):
    """The listed attributes, and `show`, which every type has."""
    ours = {
        each: schema.kind.value for each, schema in REGISTRY.get(name).schema.attributes.items()
    }
    heats = TABLES[name][2]
    assert ours.keys() == heats.keys() | {"show"}
    untyped = {each for each, kind in heats.items() if kind == "any"}
    assert {each: ours[each] for each in heats.keys() - untyped} == {
        each: heats[each] for each in heats.keys() - untyped
    }


@pytest.mark.parametrize("name", TABLES)
def test_head_is_heats(name):
    """The longest name and the release agree."""
    schema = REGISTRY.get(name).schema
    assert TABLES[name][0] == [f"limit={schema.name_limit}", f"since={schema.since or '-'}"]


def test_registry_and_table_name_the_same_types():
    """Nothing is missing on either side."""
    assert REGISTRY.types.keys() == TABLES.keys()


def test_protocols_are_names_and_all_numbers():
    """A security rule's protocol is one of Neutron's names or a number from 0 to 255."""
    rules = REGISTRY.get("OS::Neutron::SecurityGroup").schema.properties["rules"]
    (allowed,) = rules.items.fields["protocol"].constraints
    assert {"tcp", "udp", "icmp", "0", "255"} <= set(allowed.allowed)


def test_an_old_name_is_hidden_and_leads_to_a_sibling():
    """Old names are accepted, never offered, and stand for a property that is there."""
    for each in REGISTRY.types.values():
        for path, schema in everything(each.schema):
            if schema.alias_of:
                sibling = ".".join([*path.split(".")[:-1], schema.alias_of])
                assert schema.hidden
                assert sibling in dict(everything(each.schema)), path


def test_every_property_is_described():
    """The API prints the descriptions."""
    for each in REGISTRY.types.values():
        for path, schema in everything(each.schema):
            assert schema.description or path.endswith("*"), path


def test_the_wait_of_a_test_resource_is_zero_in_listings():
    """The stock API tests read `wait_secs.default` as 0."""
    assert REGISTRY.get("OS::Heat::TestResource").schema.properties["wait_secs"].default == 0
    assert REGISTRY.get("OS::Heat::Value").schema.properties["value"].kind is Kind.ANY
