"""A frozen value with some fields changed is what `dataclasses.replace` makes of it."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantle.lib.frozen import changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A few fields."""

    name: str
    count: int = 0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """Something to do when it is made."""

    low: int
    high: int

    def __post_init__(self) -> None:
        assert self.low <= self.high


FIELDS = st.fixed_dictionaries(
    {}, optional={"name": st.text(), "count": st.integers(), "note": st.none() | st.text()}
)


@given(changes=FIELDS)
def test_it_is_what_replace_makes(changes: dict[str, object]) -> None:
    """Changed fields are the new ones, the others the old ones; the value itself stays."""
    row = Row(name="a", count=3, note="b")
    assert (changed(row, **changes), row) == (
        replace(row, **changes),
        Row(name="a", count=3, note="b"),
    )


def test_what_is_no_field_is_refused() -> None:
    """A misspelt field is no silent nothing."""
    with pytest.raises(TypeError, match="colour"):
        changed(Row(name="a"), colour="red")


def test_a_class_that_checks_itself_is_refused() -> None:
    """What `__post_init__` would have found is not stepped over."""
    with pytest.raises(TypeError, match="__post_init__"):
        changed(Checked(1, 2), low=3)
