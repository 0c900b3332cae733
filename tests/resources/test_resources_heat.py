"""Heat's own types."""

import email
import json
import re
from collections import Counter

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mantle.resources.heat import random_string
from mantle.resources.heat.value import converted
from mantle.resources.kit import Delegate, Done, Failed, Family
from mantle.resources.placeholders import PLACEHOLDERS
from mantle.resources.registry import default_registry

REGISTRY = default_registry()

# --- RandomString ----------------------------------------------------------------------------


def test_a_random_string_is_chosen_once(row):
    """Calling the phase again after a crash keeps what is stored; get_resource gives the value."""
    text = row("OS::Heat::RandomString", {"length": 20})
    text.create()
    value = text.attributes()["value"]
    text.drive("create")
    assert text.attributes()["value"] == value == text.reference
    assert re.fullmatch("[a-zA-Z0-9]{20}", value)


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(random_string.CLASSES)), st.integers(1, 20)), max_size=4
    ),
    st.lists(st.tuples(st.text("!#+-_.äß", min_size=1), st.integers(1, 20)), max_size=3),
    st.integers(0, 60),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_every_minimum_is_met(classes, sequences, spare, source):
    """The length is exact, each pool has its minimum, and nothing else is drawn."""
    needed = sum(least for _, least in [*classes, *sequences]) + spare
    properties = {
        "length": max(needed, 1),
        "character_classes": [{"class": name, "min": least} for name, least in classes],
        "character_sequences": [{"sequence": text, "min": least} for text, least in sequences],
    }
    assert random_string.check(properties) == []
    value = random_string.generate(properties, source.randbytes)
    assert len(value) == max(needed, 1)
    for alphabet, least in random_string._pools(properties)[: len(classes) + len(sequences)]:
        assert sum(letter in alphabet for letter in value) >= least


def test_all_characters_are_as_likely():
    """No remainder favours the first letters of an alphabet."""
    every = b"".join(bytes([byte]) * 100 for byte in range(256))
    drawn = Counter(random_string.draw("abc", 25_500, lambda _: every))
    assert set(drawn.values()) == {8500}


@pytest.mark.parametrize("alphabet", [*random_string.CLASSES.values(), "abca", "aab", ""])
def test_no_character_is_likelier_for_standing_there_twice(alphabet):
    """Nothing is drawn from an alphabet but its different characters."""
    assert random_string._distinct(alphabet) == "".join(dict.fromkeys(alphabet))


def test_a_length_below_the_minima_is_refused():
    """With both numbers."""
    (problem,) = random_string.check(
        {"length": 3, "character_classes": [{"class": "digits", "min": 4}]}
    )
    assert problem.startswith("length: 3 is less than the combined minimum of 4")


@pytest.mark.parametrize("sequence", ["", "".join(chr(0x4E00 + number) for number in range(300))])
def test_an_alphabet_has_1_to_256_characters(sequence):
    """Nothing to draw from, or more than a byte tells apart, is refused."""
    properties = {"length": 9, "character_sequences": [{"sequence": sequence, "min": 1}]}
    assert len(random_string.check(properties)) == 1


# --- Value, None -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (3, "string", "3"),
        ([1, {"a": 2}], "string", '[1, {"a": 2}]'),
        ("7", "number", 7),
        ("7.5", "number", 7.5),
        ("a, b", "comma_delimited_list", ["a", "b"]),
        (["a"], "comma_delimited_list", ["a"]),
        ('{"a": [1]}', "json", {"a": [1]}),
        ("Yes", "boolean", True),
        ("0", "boolean", False),
        ({"a": 1}, None, {"a": 1}),
    ],
)
def test_a_value_takes_the_asked_for_type(value, kind, result):
    """As a parameter of that type would."""
    assert converted(value, kind) == result


@pytest.mark.parametrize(
    ("value", "kind"), [("x", "number"), ("maybe", "boolean"), ("{", "json"), ({}, "number")]
)
def test_a_value_that_cannot_be_of_its_type_is_refused(value, kind):
    """By name, at validation."""
    (problem,) = REGISTRY.get("OS::Heat::Value").facts.check_properties(
        {"value": value, "type": kind}
    )
    assert problem.startswith("value: ")


def test_a_value_changes_in_place(row):
    """The attribute follows the property."""
    value = row("OS::Heat::Value", {"value": "1", "type": "number"})
    value.create()
    name = value.ref.physical_id
    value.update({"value": "2", "type": "number"})
    assert (value.attributes()["value"], value.ref.physical_id) == (2, name)


def test_none_takes_anything():
    """Any property, any attribute."""
    facts = REGISTRY.get("OS::Heat::None").facts
    assert (facts.schema.any_property, facts.open_attributes) == (True, True)


# --- TestResource, Delay ---------------------------------------------------------------------


def test_a_test_resource_waits_in_virtual_time(row):
    """wait_secs after any action, unless action_wait_secs names it."""
    it = row(
        "OS::Heat::TestResource", {"value": "v", "wait_secs": 3, "action_wait_secs": {"delete": 9}}
    )
    start = it.now
    it.create(stutter=True)
    assert (it.now - start, it.attributes()["output"]) == (4, "v")
    start = it.now
    it.drive("delete")
    assert it.now - start == 10


def test_a_failing_test_resource_fails_after_its_wait(row):
    """It stores no value and has no physical id."""
    it = row("OS::Heat::TestResource", {"fail": True, "wait_secs": 2})
    outcome = it.create()
    assert isinstance(outcome, Failed)
    assert outcome.reason == "Test Resource failed it"
    assert (it.ref.physical_id, it.attributes()["output"]) == (None, None)


def test_an_update_without_a_new_value_neither_waits_nor_fails(row):
    """As Heat's."""
    it = row("OS::Heat::TestResource", {"value": "v"})
    it.create()
    start = it.now
    assert isinstance(it.update({"value": "v", "fail": True, "wait_secs": 9}), Done)
    assert it.now - start == 1


def test_an_update_with_a_new_value_can_fail(row):
    """The stored value stays."""
    it = row("OS::Heat::TestResource", {"value": "v"})
    it.create()
    assert isinstance(it.update({"value": "w", "fail": True}), Failed)
    assert it.attributes()["output"] == "v"


def test_a_negative_wait_never_ends(row):
    """Only the operation's timeout or a cancel ends it."""
    it = row("OS::Heat::TestResource", {"wait_secs": -1})
    with pytest.raises(AssertionError, match="did not end"):
        it.create(limit=5)


def test_update_replace_replaces_on_a_new_value_only():
    """The rule is pure: the plan knows."""
    rule = REGISTRY.get("OS::Heat::TestResource").facts.replace_when
    assert rule({"value": "a"}, {"value": "b", "update_replace": True}) is not None
    assert rule({"value": "a"}, {"value": "a", "update_replace": True}) is None
    assert rule({"value": "a"}, {"value": "b", "update_replace": False}) is None


@pytest.mark.parametrize("name", ["client_name", "entity_name", "constraint_prop_secs"])
def test_what_a_test_resource_cannot_do_is_refused(name):
    """By name."""
    check = REGISTRY.get("OS::Heat::TestResource").facts.check_properties
    (problem,) = check({name: 1 if name.endswith("secs") else "nova"})
    assert problem.startswith(f"{name}: ")
    assert check({name: 0 if name.endswith("secs") else ""}) == []


def test_a_delay_draws_its_jitter_once(row):
    """The choice is stored in the row's data, so a crash does not draw again."""
    wanted = {"min_wait": 10, "max_jitter": 5, "jitter_multiplier": 2.0}
    it = row("OS::Heat::Delay", wanted)
    start = it.now
    it.create(stutter=True)
    assert 10 <= it.now - start - 1 <= 20
    assert it.ref.data["seconds"] == pytest.approx(it.now - start - 1)


def test_a_delay_waits_in_its_actions_only(row):
    """CREATE by default."""
    it = row("OS::Heat::Delay", {"min_wait": 10, "actions": ["DELETE"]})
    start = it.now
    it.create()
    assert it.now - start == 1
    it.drive("delete")
    assert it.now - start == 12


# --- wait conditions -------------------------------------------------------------------------

CONDITION = {"handle": "h-row", "timeout": 30, "count": 2}


def test_a_condition_names_the_row_whose_signals_it_counts():
    """The handle's reference is its row's id."""
    assert REGISTRY.get("OS::Heat::WaitCondition").signals_from(CONDITION) == "h-row"


def test_a_handles_reference_is_its_row(row):
    """So the condition finds it even from a nested stack."""
    handle = row("OS::Heat::WaitConditionHandle")
    handle.create()
    assert handle.reference == handle.ref.id


def test_enough_successes_end_the_wait(row, signal):
    """The same id counts once and its latest data wins; signals without id get a number."""
    signals = (signal(id="a", data="1"), signal(id="a", data="2"), signal(data={"x": 1}))
    condition = row("OS::Heat::WaitCondition", CONDITION, signals=signals)
    assert isinstance(condition.create(stutter=True), Done)
    assert json.loads(condition.attributes()["data"]) == {"a": "2", "2": {"x": 1}}


def test_a_failure_ends_the_wait_with_its_reasons(row, signal):
    """All reasons, joined."""
    signals = (signal(status="FAILURE", reason="no disk"), signal(status="FAILURE", reason="fire"))
    outcome = row("OS::Heat::WaitCondition", CONDITION, signals=signals).create()
    assert isinstance(outcome, Failed)
    assert outcome.reason == "no disk; fire"


def test_a_condition_times_out_with_what_it_received(row, signal):
    """So many of so many, when the timeout has passed and not before."""
    condition = row("OS::Heat::WaitCondition", CONDITION, signals=(signal(),))
    start = condition.now
    outcome = condition.create()
    assert isinstance(outcome, Failed)
    assert (outcome.reason, condition.now - start) == ("1 of 2 received", 31)


def test_a_larger_count_waits_for_more(row, signal):
    """An update in place; those received before still count."""
    condition = row("OS::Heat::WaitCondition", CONDITION, signals=(signal(), signal(), signal()))
    condition.create()
    assert isinstance(condition.update({**CONDITION, "count": 3}), Done)


def test_cloudformation_bodies_count_too(row, signal):
    """Exactly the four keys with capitals."""
    body = {"Status": "SUCCESS", "Reason": "r", "Data": "d", "UniqueId": "u"}
    condition = row("OS::Heat::WaitCondition", {**CONDITION, "count": 1}, signals=(signal(**body),))
    condition.create()
    assert json.loads(condition.attributes()["data"]) == {"u": "d"}


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({}, False),
        ({"status": "SUCCESS", "data": 1}, False),
        ({"status": "MAYBE"}, True),
        ({"state": "SUCCESS"}, True),
        ({"Status": "SUCCESS", "Reason": "r", "Data": "d", "UniqueId": "u"}, False),
        ({"Status": "SUCCESS"}, True),
    ],
)
def test_a_handle_takes_signals_of_two_forms(row, body, refused):
    """Anything else is refused with its keys."""
    handle = row("OS::Heat::WaitConditionHandle")
    answer = handle.type.accepts_signal(handle.ref, handle.properties, body)
    assert (answer is not None) == refused


def test_a_handle_gives_the_pre_authorised_url(row):
    """In the forms that clients want."""
    handle = row("OS::Heat::WaitConditionHandle")
    handle.create()
    answered = handle.attributes()
    token = "0d1f0000-0000-4000-8000-000000000001.b65723db634b81a0602b6e990eb8daa44988c200"
    assert answered["token"] == token
    assert answered["endpoint"] == f"http://m/signal/{token}"
    assert answered["curl_cli"].endswith(f"-H 'Accept: application/json' http://m/signal/{token}")
    assert json.loads(answered["signal"])["alarm_url"] == answered["endpoint"]


def test_a_transport_without_its_service_is_refused():
    """By name, with those there are: no cloud behind the port has message queues."""
    check = REGISTRY.get("OS::Heat::WaitConditionHandle").facts.check_properties
    (problem,) = check({"signal_transport": "ZAQAR_SIGNAL"})
    assert "message queue" in problem
    assert "TEMP_URL_SIGNAL" in problem
    for offered in ("CFN_SIGNAL", "TEMP_URL_SIGNAL", "HEAT_SIGNAL", "TOKEN_SIGNAL", "NO_SIGNAL"):
        assert check({"signal_transport": offered}) == []


# --- software configs ------------------------------------------------------------------------

STORED = {"aaaaaaaa-0000-4000-8000-000000000001": "#!/bin/sh\necho stored"}


async def config_text(config_id):
    return STORED.get(config_id)


def test_a_configs_reference_is_its_row_and_its_attribute_the_text(row):
    """A server's user_data may be the reference."""
    config = row("OS::Heat::SoftwareConfig", {"config": "echo"})
    config.create()
    assert (config.reference, config.attributes()) == (config.ref.id, {"config": "echo"})
    assert config.type.holds_config


def test_a_cloud_config_is_yaml_under_its_first_line(row):
    """In the order of the template."""
    document = {"packages": ["b", "a"], "a": {"x": True}}
    config = row("OS::Heat::CloudConfig", {"cloud_config": document})
    config.create()
    text = config.attributes()["config"]
    assert text.startswith("#cloud-config\npackages:")
    assert yaml.safe_load(text) == document


def test_multipart_parts_are_texts_or_ids_or_messages(row):
    """Nested messages are taken apart; rendering twice gives the same text."""
    inner = row("OS::Heat::MultipartMime", {"parts": [{"config": "a", "type": "text"}]})
    inner.create()
    parts = [
        {"config": next(iter(STORED)), "type": "text", "subtype": "x-shellscript", "filename": "f"},
        {"config": inner.attributes()["config"], "type": "multipart"},
        {"config": "grüße", "type": "text"},
    ]
    config = row("OS::Heat::MultipartMime", {"parts": parts}, config_text=config_text)
    config.create()
    text = config.attributes()["config"]
    first, second, third = email.message_from_string(text).get_payload()
    assert (first.get_payload(), first.get_content_type(), first.get_filename()) == (
        STORED[next(iter(STORED))],
        "text/x-shellscript",
        "f",
    )
    assert second.get_payload() == "a"
    assert third.get_payload(decode=True).decode() == "grüße"
    config.create()
    assert config.attributes()["config"] == text


# --- groups ----------------------------------------------------------------------------------

MEMBER = {
    "type": "OS::Heat::Value",
    "properties": {"value": {"n": "web-%index%", "list": ["%index%", 1]}},
    "metadata": None,
}


def group(row, **given):
    context = {name: given.pop(name) for name in ("family", "update_policy") if name in given}
    return row("OS::Heat::ResourceGroup", {"resource_def": MEMBER, **given}, **context)


def test_a_group_is_a_template_with_a_member_per_index(row):
    """%index% is replaced in texts, also inside lists and maps."""
    outcome = group(row, count=2).create()
    assert isinstance(outcome, Delegate)
    assert outcome.template["resources"] == {
        index: {
            "type": "OS::Heat::Value",
            "properties": {"value": {"n": f"web-{index}", "list": [index, 1]}},
        }
        for index in ("0", "1")
    }


def names_of(delegate):
    return list(delegate.template["resources"])


REFS = {"0": "r-0", "1": "r-1", "2": "r-2"}


@pytest.mark.parametrize(
    ("policies", "mode", "before", "names", "removed"),
    [
        ([], "append", [], ["0", "1"], []),
        ([{"resource_list": ["0"]}], "append", [], ["1", "2"], ["0"]),
        ([{"resource_list": ["r-1"]}], "append", [], ["0", "2"], ["1"]),
        ([{"resource_list": ["nobody"]}], "append", [], ["0", "1"], []),
        ([{"resource_list": ["1"]}], "append", ["0"], ["2", "3"], ["0", "1"]),
        ([{"resource_list": ["1"]}], "update", ["0"], ["0", "2"], ["1"]),
        ([], "append", ["0"], ["1", "2"], ["0"]),
        ([], "update", ["0"], ["0", "1"], []),
    ],
)
def test_removed_members_never_come_back(row, policies, mode, before, names, removed):
    """By name or reference; the row's data remembers them, unless the mode is update."""
    it = group(
        row,
        count=2,
        removal_policies=policies,
        removal_policies_mode=mode,
        family=Family(refs=REFS, attributes={}, outputs={}),
    )
    it.ref = structs.replace(it.ref, data={"removed": before})
    outcome = it.drive("update", before={"count": 3})
    assert (names_of(outcome), outcome.data["removed"]) == (names, removed)


@pytest.mark.parametrize(
    ("policy", "batch"),
    [
        ({}, (0, 0.0)),
        ({"batch_create": {}}, (1, 0.0)),
        ({"batch_create": {"max_batch_size": 4, "pause_time": 5}}, (4, 5.0)),
        ({"rolling_update": {"max_batch_size": 4}}, (0, 0.0)),
    ],
)
def test_a_group_is_created_in_batches(row, policy, batch):
    """Of ten members; a policy for updates says nothing of it."""
    outcome = group(row, count=10, update_policy=policy).drive("create")
    assert (outcome.batch_size, outcome.pause_seconds) == batch


def test_a_groups_attributes_reach_every_member(row):
    """Lists, maps, and single members by index, in the order of the indexes."""
    family = Family(
        refs={"10": "r10", "2": "r2"},
        attributes={"2": {"value": "b", "only": 1}, "10": {"value": "c"}},
        outputs={},
    )
    it = group(row)
    answered = it.type.family_attributes(it.ctx(), family)
    assert answered["refs"] == ["r2", "r10"]
    assert answered["value"] == ["b", "c"]
    assert answered["only"] == [1, None]
    assert answered["attributes"]["value"] == {"2": "b", "10": "c"}
    assert (answered["resource.2"], answered["resource.10.value"]) == ("r2", "c")
    assert answered["removed_rsrc_list"] == []


def test_a_template_files_name_is_a_type():
    """Its instance is a child stack; its outputs are its attributes."""
    nested = REGISTRY.get("web/server.yaml")
    family = Family(refs={"s": "id"}, attributes={"s": {"name": "n"}}, outputs={"url": "u"})
    answered = nested.family_attributes(None, family)
    assert (answered["url"], answered["outputs"], answered["resource.s.name"]) == (
        "u",
        {"url": "u"},
        "n",
    )


def test_a_mistyped_type_is_told_its_near_miss():
    """With Heat's words."""
    with pytest.raises(Exception, match=r"could not be found\. Did you mean OS::Nova::Server\?"):
        REGISTRY.get("OS::Nova::Sever")


def test_types_that_call_nothing_outside_end_in_one_call(row):
    """The engine writes their intent and end at once, so they must not wait."""
    instant = {name for name, each in REGISTRY.types.items() if each.needs_no_cloud}
    assert instant - {each.schema.type for each in PLACEHOLDERS} == {
        "OS::Heat::RandomString",
        "OS::Heat::Value",
        "OS::Heat::None",
        "OS::Heat::SoftwareConfig",
        "OS::Heat::CloudConfig",
        "OS::Heat::MultipartMime",
        "OS::Heat::WaitConditionHandle",
        "OS::Heat::UpdateWaitConditionHandle",
        "OS::Heat::SwiftSignalHandle",
        "OS::Heat::AccessPolicy",
        "AWS::CloudFormation::WaitConditionHandle",
        "AWS::IAM::User",
        "AWS::IAM::AccessKey",
        "OS::Heat::StructuredConfig",
        "OS::Heat::SoftwareComponent",
    }
    given = {
        "OS::Heat::Value": {"value": 1},
        "AWS::IAM::AccessKey": {"UserName": "u"},
        "OS::Heat::SoftwareComponent": {"configs": [{"tool": "script"}]},
    }
    for name in instant:
        assert isinstance(row(name, given.get(name, {})).create(), Done)
