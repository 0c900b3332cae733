"""CEL behind its door: typed, bounded, and silent about values."""

import pytest

from mantle.lib.expressions import LONGEST, BadExpression, NoAnswer, Vocabulary

WORDS = Vocabulary({"name": "text", "after": "map", "names": "texts"})


def holds(text, **values):
    data = {"name": "", "after": {}, "names": [], **values}
    return WORDS.compile(text).holds(WORDS.values(data))


def faults(text):
    with pytest.raises(BadExpression) as caught:
        WORDS.compile(text)
    return [(fault.line, fault.column) for fault in caught.value.faults]


def test_an_expression_answers_over_the_values_it_is_given():
    """True or false, for lists and maps as for texts."""
    assert holds("name.startsWith('a') && 'b' in names", name="ab", names=["b"])
    assert not holds("after.size > 3 || after.kind == 'x'", after={"size": 2, "kind": "y"})
    assert holds("after.items.exists(i, i.port == 22)", after={"items": [{"port": 22}]})


def test_what_is_wrong_is_told_by_line_and_column():
    """Unknown names, wrong types, bad syntax and answers that are no truth are all refused."""
    assert faults("name == 'a' &&\n  nosuch") == [(2, 3)]
    assert faults("name == 1") == [(1, 6)]
    assert faults("name ==")[0][0] == 1
    assert faults("name + 'x'") == [(1, 1)]
    assert faults("x" * (LONGEST + 1)) == [(1, 1)]
    assert faults("'\0'") == [(1, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "after.l.all(a, after.l.all(b, after.l.all(c, a + b + c >= 0)))",
        "after.missing == 1",
        "1 / after.zero == 1",
        "after.zero",
        "9223372036854775807 + after.one > 0",
    ],
)
def test_what_cannot_be_evaluated_says_so_and_ends(text):
    """Three nested loops over a thousand items, absent keys, overflows: an error, never a hang."""
    with pytest.raises(NoAnswer):
        holds(text, after={"l": list(range(1000)), "zero": 0, "one": 1})


def test_deep_nesting_is_refused():
    """The parser has a limit of its own."""
    assert faults("(" * 1500 + "true" + ")" * 1500)


def test_no_message_holds_a_value():
    """What a rule reads may be a secret."""
    for value in (2**70, object()):
        with pytest.raises(NoAnswer) as caught:
            holds("after.secret == 1", after={"secret": value})
        assert str(value) not in str(caught.value)
        assert "secret" in str(caught.value)
