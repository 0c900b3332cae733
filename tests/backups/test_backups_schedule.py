"""Backups are taken when they are due, by one engine, and those that nobody wants any more go."""

import asyncio
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from archives import filled

from mantle.api.metrics import Metrics
from mantle.backups.check import list_backups, verify_backup
from mantle.backups.keeping import Keep, doomed, keep_of
from mantle.backups.places import Places
from mantle.backups.schedule import Backups, Schedule
from mantle.clouds.simulated import SimulatedCloud
from mantle.config import ServerOptions, WrongConfiguration, configure, options_of
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.store import backups as backup_rows
from mantle.store import figures
from mantle.wiring import assemble

pytestmark = pytest.mark.proves("beyond: backup and restore")

DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def now(self) -> float:
        return self.at


@pytest.fixture
def engines(tmp_path):
    """Two engines' loops over one database, with a clock that a test moves."""
    places = Places(data_dir=tmp_path / "a")
    filled(places, {})
    database, clock = places.open_rows(), Clock()
    control, _ = assemble(
        database=database,
        clouds={"simulated": SimulatedCloud(clock=clock)},
        default_cloud="simulated",
        runtime=TaskRuntime(),
        links=Links(base_url="http://127.0.0.1:1", key=b"test"),
        clock=clock,
    )
    schedule = Schedule(folder=tmp_path / "b", every_seconds=3600.0, keep=Keep(last=2))
    yield clock, [Backups(control.machine, places, schedule) for _ in range(2)]
    database.close()


def test_of_two_engines_one_takes_the_backup_that_is_due(engines):
    """However often both look; the next one an interval later; the newest two stay."""
    clock, (one, two) = engines

    async def story():
        made = []
        for hours in (0.0, 0.5, 1.0, 2.0, 2.1):
            clock.at = 1_800_000_000.0 + hours * 3600.0
            found = await asyncio.gather(one.turn(), two.turn())
            made.append(sum(1 for each in found if each is not None))
        return made

    assert asyncio.run(story()) == [1, 0, 1, 1, 0]
    backups = list_backups(one.schedule.folder)
    assert [each.taken_at for each in backups] == [1_800_007_200.0, 1_800_003_600.0]
    assert all(verify_backup(each.path).manifest for each in backups)


def test_a_failure_is_told_and_tried_again(engines, tmp_path):
    """After five minutes; it does not count as a backup, and the metrics know both."""
    clock, (one, two) = engines
    (tmp_path / "b").write_text("a file where the folder should be")

    async def story():
        assert await one.turn() is None
        assert await two.turn() is None
        known = await one.machine.database.read(backup_rows.taken)
        assert (known.failures, known.succeeded_at, known.claimed_at) == (1, None, None)
        assert "could not be written" in known.why
        (tmp_path / "b").unlink()
        clock.at += 301.0
        assert await two.turn() is not None
        clock.at += 60.0
        return await one.machine.database.read(figures.read, clock.now())

    found = asyncio.run(story())
    metrics = Metrics()
    metrics.figures(found)
    text = metrics.text().decode()
    assert 'mantle_backup_age_seconds{file="mantle-2027' in text
    assert "} 60.0\n" in text
    assert "mantle_backup_failures 1.0" in text
    assert "mantle_held 0.0" in text


def test_a_claim_that_nobody_ends_counts_for_an_hour(engines):
    """The engine that made it was killed."""
    clock, (one, two) = engines

    async def story():
        assert await one.machine.database.write(one._claim)
        assert await two.turn() is None
        clock.at += 3601.0
        return await two.turn()

    assert asyncio.run(story()) is not None


TIMES = st.lists(st.floats(1.0e9, 1.1e9), min_size=1, max_size=40, unique=True)
RULES = st.builds(
    Keep,
    st.integers(0, 5),
    st.lists(
        st.tuples(st.sampled_from(["daily", "weekly", "monthly"]), st.integers(1, 5)), max_size=3
    ).map(tuple),
)


@given(times=TIMES, keep=RULES)
def test_the_newest_always_stays_and_rules_only_add(times, keep):
    """And what stays would stay again: to tidy twice removes nothing more."""
    gone = set(doomed([(at, at) for at in times], keep))
    left = [at for at in times if at not in gone]
    assert max(times) in left
    assert len(left) >= min(len(times), keep.last)
    assert doomed([(at, at) for at in left], keep) == []


def test_days_and_weeks_keep_their_last_backup():
    """Four a day over ten days: the newest three, and the last of each of five days."""
    times = [1_800_000_000.0 + quarter * DAY / 4 for quarter in range(40)]
    gone = set(doomed([(at, at) for at in times], keep_of("3, 5 daily")))
    left = sorted(set(times) - gone, reverse=True)
    days = [(at - 1_800_000_000.0) / DAY for at in left]
    # It is eight o'clock UTC at the first one, so that a day's last is the one at 20:00.
    assert days == [9.75, 9.5, 9.25, 8.5, 7.5, 6.5]


@pytest.mark.parametrize("text", ["", "0", "x", "3 hourly", "-1", "3 daily 4"])
def test_a_rule_that_says_nothing_is_refused(text):
    """In words, with an example."""
    with pytest.raises(ValueError, match="say 14"):
        keep_of(text)


def test_the_configuration_says_when_and_where():
    """All that is wrong is told; without an interval there is no schedule."""
    told = {"MANTLE_BACKUP_EVERY": "6h", "MANTLE_BACKUP_KEEP": "3, 7 daily"}
    found = options_of(configure(ServerOptions(data_dir=Path("/x")), told)).backups
    assert found == Schedule(
        folder=Path("/x/backups"), every_seconds=21_600, keep=Keep(3, (("daily", 7),))
    )
    assert options_of(configure(ServerOptions(), {})).backups is None
    for wrong in ({"MANTLE_BACKUP_EVERY": "often"}, {"MANTLE_BACKUP_KEEP": "many"}):
        with pytest.raises(WrongConfiguration, match="--backup-"):
            options_of(configure(ServerOptions(), wrong))
