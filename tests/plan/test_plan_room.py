"""How much work an engine takes on while the database is slow."""

from hypothesis import given
from hypothesis import strategies as st

from mantle.plan.fairness import room_under


@given(st.floats(0, 100), st.floats(0, 100), st.integers(0, 1000))
def test_a_slower_database_never_means_more_work(one, other, room):
    """All of the room while it is quick, none beyond what is bearable, less and less between."""
    slower, quicker = max(one, other), min(one, other)
    assert 0 <= room_under(slower, 10.0, room) <= room_under(quicker, 10.0, room) <= room


def test_the_ends_of_the_scale():
    """Up to a fifth all, at the bearable and beyond none; no bound takes nothing away."""
    found = [room_under(each, 10.0, 100) for each in (0.0, 2.0, 6.0, 10.0, 50.0)]
    assert (found, room_under(50.0, 0.0, 100)) == ([100, 100, 50, 0, 0], 100)
