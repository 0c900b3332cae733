"""Differences: as deep as they go, by the schema's rules, with no secret in them."""

from mantle.model.plan import Change
from mantle.model.schema import Attribute, Kind, OnChange, Property, ResourceSchema, TypeFacts
from mantle.model.values import Unknown
from mantle.plan.diff import (
    changes_between,
    described,
    metadata_changes,
    refused,
    replacement_reason,
    same,
    settings_of,
)
from mantle.plan.masking import MASKED, mask_of, secret_keeper

UPDATE = OnChange.UPDATE
SCHEMA = ResourceSchema(
    type="Test::Thing",
    properties={
        "flavor": Property(kind=Kind.STRING, on_change=UPDATE),
        "image": Property(kind=Kind.STRING),
        "zone": Property(kind=Kind.STRING, on_change=OnChange.REFUSE),
        "size": Property(kind=Kind.INTEGER, default=1),
        "password": Property(kind=Kind.STRING, on_change=UPDATE, secret=True),
        "labels": Property(kind=Kind.MAP, on_change=UPDATE),
        "rules": Property(
            kind=Kind.LIST,
            on_change=UPDATE,
            items=Property(
                kind=Kind.MAP,
                fields={
                    "port": Property(kind=Kind.INTEGER),
                    "key": Property(kind=Kind.STRING, secret=True),
                },
            ),
        ),
    },
    attributes={"token": Attribute(secret=True), "address": Attribute()},
)


def test_equal_properties_do_not_differ():
    """Nothing to say."""
    assert changes_between(SCHEMA, {"flavor": "small"}, {"flavor": "small", "image": None}) == ()


def test_a_changed_property_has_its_values_and_whether_it_forces_a_replacement():
    """The property's own rule decides."""
    before = {"flavor": "small", "image": "old"}
    after = {"flavor": "large", "image": "new"}
    assert changes_between(SCHEMA, before, after) == (
        Change(path="flavor", before="small", after="large"),
        Change(path="image", before="old", after="new", forces_replacement=True),
    )


def test_a_property_that_the_row_has_never_seen_counts_as_its_default():
    """A schema that grew a property changes no resource."""
    assert changes_between(SCHEMA, {}, {"size": 1}) == ()


def test_a_property_that_is_gone_returns_to_its_default():
    """Dropping a line of the template is a change like another."""
    assert changes_between(SCHEMA, {"size": 2}, {}) == (
        Change(path="size", before=2, after=1, forces_replacement=True),
    )


def test_a_property_that_the_schema_no_longer_knows_is_a_change_in_place():
    """A nested template dropped a parameter."""
    assert changes_between(SCHEMA, {"colour": "red"}, {}) == (
        Change(path="colour", before="red", after=None),
    )


def test_maps_and_lists_differ_where_they_differ():
    """The path leads to the innermost part."""
    before = {"labels": {"role": "web", "old": 1}, "rules": [{"port": 80}, {"port": 443}]}
    after = {"labels": {"role": "db", "old": 1}, "rules": [{"port": 80}, {"port": 8443}]}
    assert [change.path for change in changes_between(SCHEMA, before, after)] == [
        "labels.role",
        "rules[1].port",
    ]


def test_lists_of_unequal_length_differ_as_a_whole():
    """Which item is which is anybody's guess."""
    assert changes_between(SCHEMA, {"rules": [{"port": 1}]}, {"rules": []}) == (
        Change(path="rules", before=[{"port": 1}], after=[]),
    )


def test_true_is_not_one():
    """JSON tells them apart, and so do clouds."""
    assert not same({"a": [1]}, {"a": [True]})
    assert same({"a": [1, {"b": None}]}, {"a": [1.0, {"b": None}]})


def test_an_unknown_value_differs_from_every_known_one():
    """Where it stands inside a map, only that part is unknown."""
    later = Unknown(("net",))
    assert changes_between(
        SCHEMA, {"labels": {"a": "1", "b": "2"}}, {"labels": {"a": later, "b": "2"}}
    ) == (Change(path="labels.a", before="1", after=later),)


def test_a_secret_change_is_a_change_without_values():
    """At any depth."""
    before = {"password": "old", "rules": [{"port": 1, "key": "k1"}]}
    after = {"password": "new", "rules": [{"port": 1, "key": "k2"}]}
    assert changes_between(SCHEMA, before, after) == (
        Change(path="password", before=MASKED, after=MASKED),
        Change(path="rules[0].key", before=MASKED, after=MASKED),
    )


def test_a_secret_inside_a_whole_new_list_is_hidden():
    """The parts around it are shown."""
    assert changes_between(SCHEMA, {}, {"rules": [{"port": 1, "key": "k"}]}) == (
        Change(path="rules", before=None, after=[{"port": 1, "key": MASKED}]),
    )


def test_a_secret_text_is_hidden_wherever_it_travelled():
    """Its former value beside it is hidden whole, for nobody knows it any more."""
    mask = mask_of(["hunter2", "hunter22"])
    before = {"labels": {"note": "pw=former"}}
    after = {"labels": {"note": "pw=hunter22!"}}
    assert changes_between(SCHEMA, before, after, mask) == (
        Change(path="labels.note", before=MASKED, after=f"pw={MASKED}!"),
    )


def test_a_short_secret_hides_only_itself():
    """Else a one-letter password would hide every text."""
    mask = mask_of(["a", ""])
    assert [mask.value("a"), mask.value("banana"), mask.value(["a", 1])] == [
        MASKED,
        "banana",
        [MASKED, 1],
    ]


def test_a_secret_number_is_hidden():
    """Hidden parameters may be numbers."""
    assert mask_of(["1234"]).value({"pin": 1234, "port": 80}) == {"pin": MASKED, "port": 80}


def test_many_secrets_are_found_in_a_short_text():
    """More secrets than letters take the other way of looking; the answer is the same."""
    mask = mask_of(f"secret-{number:04}" for number in range(500))
    assert mask.text("x secret-0123 y secret-9999") == f"x {MASKED} y secret-9999"


def test_a_rows_secrets_are_what_its_schema_declares_secret():
    """Properties at any depth, and attributes."""
    properties = {"password": "p", "rules": [{"key": "k", "port": 1}], "flavor": "small"}
    attributes = {"token": {"value": "t"}, "address": "10.0.0.1"}
    assert secret_keeper(SCHEMA).texts(properties, attributes) == ["p", "k", "t"]


def test_a_new_resource_shows_what_the_template_gives_it():
    """Defaults are not news."""
    after = {"flavor": "small", "size": 1, "password": "p", "image": None}
    given = {"flavor": "small", "password": "p", "image": None}
    assert settings_of(SCHEMA, after, given) == (
        Change(path="flavor", before=None, after="small"),
        Change(path="password", before=None, after=MASKED),
    )


def test_metadata_has_a_path_of_its_own():
    """It never meets a property that is called metadata."""
    assert metadata_changes({"role": "web"}, {"role": "db"}) == (
        Change(path="@metadata.role", before="web", after="db"),
    )


def test_refused_changes_are_found_by_their_property():
    """Also from a path inside it."""
    changes = (Change(path="zone", before="a", after="b"), Change(path="flavor"))
    assert refused(SCHEMA, changes) == [changes[0]]


def test_a_types_own_rule_sees_unknown_values_as_unchanged():
    """It decides on what is known; the engine asks again later."""
    seen = []
    facts = TypeFacts(schema=SCHEMA, replace_when=lambda *both: seen.append(both))
    before = {"flavor": "small", "labels": {}}
    assert replacement_reason(facts, before, {"flavor": "large", "labels": Unknown(("a",))}) is None
    assert seen == [(before, {"flavor": "large", "labels": {}})]


def test_reasons_name_the_first_change_and_count_the_others():
    """Short enough for a line."""
    flavor = Change(path="flavor", before="small", after="large")
    secret = Change(path="password", before=MASKED, after=MASKED)
    later = Change(path="port", before="p", after=Unknown(("net", "sub")))
    assert described([flavor]) == "flavor changes from small to large"
    assert described([flavor, secret]) == "flavor changes from small to large, and 1 more change"
    assert described([secret, flavor, later]) == "password changes, and 2 more changes"
    assert described([later]) == "port is known only after net, sub"
    assert (
        described([Change(path="on", before=None, after=True)]) == "on changes from nothing to true"
    )
    assert described([Change(path="@metadata.a", before="x" * 99, after="y")]) == (
        f"metadata.a changes from {'x' * 37}... to y"
    )
