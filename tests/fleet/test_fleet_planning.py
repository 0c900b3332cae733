"""Which servers a selector means, and what comes next for one server: tables, read as rules."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantle.fleet.planning import Act, End, Look, matches, next_for, targets_of
from mantle.model.sweeps import Seen, Selector, SweepVerb, Target, TargetState

SEEN = Seen(
    cloud="east",
    region="R1",
    id="id-1",
    name="web-1",
    status="ACTIVE",
    flavor="small",
    host="h1",
    tags=("blue", "green"),
    metadata={"role": "web"},
    stack="shop",
)
TARGET = Target(
    position=0,
    cloud="east",
    server_id="id-1",
    name="web-1",
    stack="shop",
    status="ACTIVE",
    flavor="small",
    host="h1",
)
BEGUN = replace(TARGET, state=TargetState.ACTING, mark="d1", attempts=1)


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        (Selector(names=("web-*",)), True),
        (Selector(names=("db-*", "id-1")), True),
        (Selector(names=("WEB-1",)), False),
        (Selector(tags=("blue",)), True),
        (Selector(tags=("blue", "red")), False),
        (Selector(metadata={"role": "w*"}), True),
        (Selector(metadata={"role": "db"}), False),
        (Selector(metadata={"other": "*"}), False),
        (Selector(hosts=("h?",)), True),
        (Selector(statuses=("active", "error")), True),
        (Selector(statuses=("stopped",)), False),
        (Selector(stacks=("shop",), clouds=("east",), regions=("R1",)), True),
        (Selector(names=("web-*",), clouds=("west",)), False),
    ],
)
def test_everything_given_must_fit(selector, meant):
    """Within one list any; tags and metadata all; between the lists all."""
    assert matches(selector, SEEN) is meant


def test_what_has_no_value_fits_no_selector_of_it():
    """A server in no stack is not in a stack whose name is a star."""
    assert not matches(Selector(stacks=("*",)), replace(SEEN, stack=""))


def test_an_empty_selector_says_so():
    """Whoever asks for a deed refuses it (`fleet/sweeps.py`); a list may be of all."""
    assert [Selector().is_empty, Selector(metadata={"a": "b"}).is_empty] == [True, False]


def test_members_of_a_stack_are_spread_over_the_sweep():
    """Of two stacks one member each is begun before the second of any."""
    stacks = [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2)]
    found = [replace(SEEN, id=f"{s}{n}", name=f"{s}{n}", stack=s) for s, n in stacks]
    assert [each.name for each in targets_of(found, {})] == ["a1", "b1", "a2", "b2", "a3"]


OFF, REBOOT, RESIZE, MIGRATE = (
    SweepVerb.OFF,
    SweepVerb.REBOOT,
    SweepVerb.RESIZE,
    SweepVerb.MIGRATE,
)
HARD = SweepVerb.HARD_REBOOT
SIZED = replace(BEGUN, wanted=("large", "id-l"))


@pytest.mark.parametrize(
    ("verb", "target", "seen", "newest", "said"),
    [
        # What is gone, broken or being changed.
        (OFF, TARGET, None, "", TargetState.SKIPPED),
        (OFF, TARGET, replace(SEEN, status="DELETING"), "", TargetState.SKIPPED),
        (OFF, BEGUN, replace(SEEN, status="BUILDING"), "", Look),
        (REBOOT, TARGET, replace(SEEN, status="BUILDING"), "d1", Look),
        (OFF, BEGUN, replace(SEEN, status="ERROR"), "", TargetState.FAILED),
        # Verbs known by the state they lead to.
        (OFF, TARGET, replace(SEEN, status="STOPPED"), "", TargetState.UNCHANGED),
        (OFF, TARGET, SEEN, "", Act),
        (OFF, BEGUN, SEEN, "", Act),
        (OFF, BEGUN, replace(SEEN, status="STOPPED"), "", TargetState.DONE),
        (OFF, replace(BEGUN, attempts=5), SEEN, "", TargetState.FAILED),
        # A reboot is known by its deed alone.
        (REBOOT, TARGET, SEEN, "d1", Act),
        (REBOOT, BEGUN, SEEN, "d1", Act),
        (REBOOT, BEGUN, SEEN, "d2", TargetState.DONE),
        (REBOOT, BEGUN, replace(SEEN, status="STOPPED"), "d2", TargetState.FAILED),
        # A hard one as well; it is what is done to a server in ERROR, once.
        (HARD, TARGET, replace(SEEN, status="ERROR"), "d1", Act),
        (HARD, BEGUN, replace(SEEN, status="ERROR"), "d1", Act),
        (HARD, BEGUN, replace(SEEN, status="ERROR"), "d2", TargetState.FAILED),
        (HARD, BEGUN, SEEN, "d2", TargetState.DONE),
        (REBOOT, TARGET, replace(SEEN, status="ERROR"), "d1", TargetState.FAILED),
        # A resize by its deed and by the flavor.
        (RESIZE, replace(TARGET, wanted=("large",)), SEEN, "", Act),
        (RESIZE, replace(TARGET, wanted=("small",)), SEEN, "", TargetState.UNCHANGED),
        (RESIZE, SIZED, SEEN, "d1", Act),
        (RESIZE, SIZED, replace(SEEN, flavor="large"), "d2", TargetState.DONE),
        (RESIZE, SIZED, SEEN, "d2", TargetState.FAILED),
        (
            RESIZE,
            replace(TARGET, wanted=("large",)),
            replace(SEEN, flavor="tiny"),
            "",
            TargetState.SKIPPED,
        ),
        # A migration by its deed and by the host.
        (MIGRATE, TARGET, SEEN, "", Act),
        (MIGRATE, TARGET, replace(SEEN, host="h2"), "", TargetState.SKIPPED),
        (MIGRATE, BEGUN, replace(SEEN, host="h2"), "d2", TargetState.DONE),
        (MIGRATE, BEGUN, SEEN, "d2", TargetState.FAILED),
        (MIGRATE, BEGUN, SEEN, "d1", Act),
    ],
)
def test_what_comes_next(verb, target, seen, newest, said):
    """What arrived is never asked for again; what moved since the plan is left alone."""
    found = next_for(verb, target, seen, newest)
    assert (found.state if isinstance(found, End) else type(found)) == said


@given(
    verb=st.sampled_from([REBOOT, HARD, RESIZE, MIGRATE, SweepVerb.LIVE_MIGRATE]),
    status=st.sampled_from(["ACTIVE", "STOPPED", "SUSPENDED", "BUILDING", "ERROR", "DELETING"]),
    flavor=st.sampled_from(["small", "large", "tiny"]),
    host=st.sampled_from(["h1", "h2"]),
    wanted=st.sampled_from([(), ("large",), ("h2",)]),
    attempts=st.integers(1, 9),
)
def test_what_arrived_is_never_asked_for_again(verb, status, flavor, host, wanted, attempts):
    """Whatever the server is like: a newer deed than the marked one forbids another."""
    target = replace(BEGUN, wanted=wanted, attempts=attempts)
    seen = replace(SEEN, status=status, flavor=flavor, host=host)
    assert not isinstance(next_for(verb, target, seen, "d2"), Act)
