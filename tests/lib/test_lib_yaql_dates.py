"""YAQL's dates: as its own, but for what would not be a function of the data."""

import pytest

from mantle.lib.yaql import YaqlError, evaluate


@pytest.mark.proves("function: yaql, dates and spans")
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("datetime(2015, 9, 29).year", 2015),
        ("datetime(0)", "1970-01-01 00:00:00+00:00"),
        ("datetime('2015-09-29').weekday", 1),
        ("datetime('2015-09-29T10:00:00+02:00').utc.hour", 8),
        ("datetime('2015-09-29 10:00 UTC').timestamp", 1443520800.0),
        ("datetime('29/09/2015', '%d/%m/%Y').month", 9),
        ("datetime('2015-09-29', format => '%Y-%m-%d').day", 29),
        ("datetime('2015-09-29').format('%Y/%m/%d %%')", "2015/09/29 %"),
        ("datetime('2015-09-29').replace(year => 2016).year", 2016),
        ("(datetime('2015-09-29') + timespan(days => 2)).day", 1),
        ("(datetime('2015-09-29') - datetime('2015-09-01')).days", 28.0),
        ("datetime('2015-09-29') > datetime('2014-09-29')", True),
        ("$.data.select(datetime($)).max().format('%Y')", "2017"),
        ("timespan(hours => 25)", "1 day, 1:00:00"),
        ("timespan(days => 1) * 2 > timespan(hours => 47)", True),
        ("isDatetime(datetime(1)) and isTimespan(timespan(days => 1))", True),
    ],
)
def test_dates_are_reckoned_with_as_in_yaql(expression, value):
    """From numbers and texts, in UTC where no zone is named; out comes JSON."""
    assert evaluate(expression, ["2016-01-01", "2017-01-01"]) == value


@pytest.mark.proves("function: yaql, dates and spans")
@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("now()", "now() is not available here, as it gives another value each time"),
        ("now(timespan(hours => 1))", "now() is not available here"),
        ("localtz()", "localtz() is not available here, as it depends on the machine"),
        ("datetime('10:00')", "does not say year, month and day"),
        ("datetime('2015-09')", "does not say year, month and day"),
        ("datetime('10:00 2015-09-01 PST')", "the time zone 'PST' is not known"),
        ("datetime('tomorrow')", "Unknown string format"),
        ("datetime('2015-09-29').format('%1000000000d')", "the directive '%1' is not available"),
        ("datetime('2015-09-29').format('%s')", "the directive '%s' is not available"),
        ("datetime('2015-09-29').format('%')", "the directive '%' is not available"),
        ("datetime('9' * 2000)", "may have 1,000 characters"),
        ("datetime(2015, 13, 1)", "month must be in 1..12"),
        ("timespan(days => 1) * 999999999999", "OverflowError"),
        ("datetime(99999999999999999)", "the expression failed: "),
    ],
)
def test_what_depends_on_more_than_the_data_is_refused_by_name(expression, said):
    """The clock, the machine's zone and widths that fill the memory; and what is no date."""
    with pytest.raises(YaqlError) as refused:
        evaluate(expression, {})
    assert said in str(refused.value)
