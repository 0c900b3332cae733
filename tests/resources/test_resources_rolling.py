"""Rolling updates round by round: who is changed, who stays in service, when the group grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantle.resources.heat.resource_group import member_names
from mantle.resources.heat.rolling import (
    Member,
    Pace,
    next_round,
    next_step,
    rests_seconds,
    steps,
)


def numbers(wanted, present, batch, in_service):
    pace = Pace(batch=batch, in_service=in_service)
    return [(step.capacity, step.changes) for step in steps(wanted, present, pace)]


@pytest.mark.proves("life cycle: rolling update")
@pytest.mark.parametrize(
    ("wanted", "present", "batch", "in_service", "rounds"),
    [
        (4, 4, 1, 0, [(4, 1)] * 4),
        (4, 4, 2, 0, [(4, 2)] * 2),
        (4, 4, 3, 0, [(4, 3), (4, 1)]),
        (4, 4, 9, 0, [(4, 4)]),
        (4, 4, 2, 2, [(4, 2)] * 2),
        (4, 4, 2, 4, [(6, 2), (6, 2), (6, 2), (4, 0)]),
        (4, 4, 1, 4, [(5, 1), (5, 1), (5, 1), (5, 1), (5, 1), (4, 0)]),
        (4, 4, 2, 9, [(6, 2), (6, 2), (6, 2), (4, 0)]),
        (4, 4, 4, 4, [(8, 4), (8, 4), (4, 0)]),
        (4, 4, 3, 3, [(6, 3), (6, 3), (4, 0)]),
        (2, 5, 1, 0, [(2, 1), (2, 1)]),
        (5, 2, 2, 0, [(4, 2), (5, 2), (5, 1)]),
        (0, 3, 1, 0, [(0, 0)]),
        (0, 0, 1, 0, []),
    ],
)
def test_the_rounds_have_heats_numbers(wanted, present, batch, in_service, rounds):
    """Capacity and changes of each; the last one takes away what was added."""
    assert numbers(wanted, present, batch, in_service) == rounds


def roll(members, wanted, batch, in_service, removed=(), new="new"):
    """All rounds until only the wanted are there: [{name: definition}]."""
    rounds = []
    now = list(members)
    for _ in range(200):
        found = next_round(
            now,
            lambda size: member_names(size, removed),
            wanted,
            lambda name: f"{new} {name}",
            Pace(batch=batch, in_service=in_service),
        )
        if found is None:
            return rounds
        rounds.append(found)
        now = [Member(name=name, definition=each) for name, each in found.items()]
    raise AssertionError(rounds)


def old(*names):
    return [Member(name=name, definition=f"old {name}") for name in names]


def test_the_group_grows_to_keep_its_members_in_service_and_shrinks_again():
    """Two are added, two and two changed from the highest index, and the two are taken away."""
    assert [
        {name: each.split()[0] for name, each in one.items()}
        for one in roll(old("0", "1", "2", "3"), 4, 2, 4)
    ] == [
        {"0": "old", "1": "old", "2": "old", "3": "old", "4": "new", "5": "new"},
        {"0": "old", "1": "old", "2": "new", "3": "new", "4": "new", "5": "new"},
        {"0": "new", "1": "new", "2": "new", "3": "new", "4": "new", "5": "new"},
        {"0": "new", "1": "new", "2": "new", "3": "new"},
    ]


def test_the_unwell_are_changed_first():
    """A failed member serves nobody."""
    members = [*old("0", "1"), Member(name="2", definition="new 2", well=False), *old("3")]
    assert roll(members, 4, 1, 0)[0] == {"0": "old 0", "1": "old 1", "2": "new 2", "3": "old 3"}
    assert roll(members, 4, 1, 0)[1]["3"] == "new 3"


@given(
    present=st.integers(0, 8),
    wanted=st.integers(0, 8),
    batch=st.integers(1, 9),
    in_service=st.integers(0, 9),
    removed=st.sets(st.integers(0, 8), max_size=3),
)
def test_every_update_ends_with_the_wanted_members_and_keeps_its_promises(
    present, wanted, batch, in_service, removed
):
    """No round changes more than a batch; so many stay untouched as were asked for."""
    gone = {str(each) for each in removed}
    members = old(*member_names(present, gone))
    before = {each.name: each.definition for each in members}
    for found in roll(members, wanted, batch, in_service, gone):
        changed = [name for name, each in found.items() if before.get(name) != each]
        assert len(changed) <= batch
        untouched = [name for name in found if before.get(name) == found[name]]
        if changed:
            assert len(untouched) >= min(in_service, wanted, len(before))
        assert not gone & found.keys()
        before = found
    assert before == {name: f"new {name}" for name in member_names(wanted, gone)}


@given(
    wanted=st.integers(0, 30),
    present=st.integers(0, 30),
    batch=st.integers(1, 9),
    in_service=st.integers(0, 40),
)
def test_the_rounds_end(wanted, present, batch, in_service):
    """Each changes somebody or brings the group to its size."""
    rounds = numbers(wanted, present, batch, in_service)
    assert len(rounds) <= wanted + present + 3
    assert next_step(wanted, wanted, wanted, Pace(batch=batch, in_service=in_service)) is None


def test_pauses_stand_between_rounds():
    """One fewer than there are rounds."""
    assert rests_seconds(4, 4, Pace(batch=2, pause_seconds=10)) == 10
    assert rests_seconds(4, 4, Pace(batch=2, in_service=4, pause_seconds=10)) == 30
    assert rests_seconds(4, 4, Pace(batch=9, pause_seconds=10)) == 0
