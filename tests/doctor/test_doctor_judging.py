"""What facts mean to the doctor: each way a deployment can be ill, and the well one."""

from dataclasses import replace
from pathlib import Path

import pytest

from mantle.doctor import judging
from mantle.doctor.findings import document, lines, worst
from mantle.model.ids import OperationId, ProjectId, StackId, StepKey
from mantle.model.interventions import Stuck
from mantle.store.figures import EngineFigure, Figures
from mantle.store.health import Health

ENGINE = EngineFigure(id="e1", host="h1", release="1.0", silent_seconds=1.0, held=3)
WELL = Figures(
    now=1000.0,
    operations={"running": 3},
    live={("running", "1m"): 3},
    oldest_seconds={"queued": 0.0, "running": 5.0},
    stuck={},
    engines=[ENGINE],
    sink_events=0,
    sink_oldest_seconds=0.0,
    sinks_failing=0,
    drift_seconds={},
)
STUCK = Stuck(
    operation_id=OperationId("o1"),
    stack_id=StackId("s"),
    project_id=ProjectId("p"),
    since=1.0,
    reasons=(("hung", StepKey("create web"), "The cloud has not answered for 400 s."),),
)
HEALTHY = Health(revision="0002", known=("0002", "0001"), round_trip_seconds=0.001)


def of_figures(**changes):
    return [
        (each.check, each.level.value)
        for each in judging.judge_figures(replace(WELL, **changes), 12.0, shared=True)
        if each.level.value != "ok"
    ]


def of_database(**changes):
    return [
        (each.check, each.level.value)
        for each in judging.judge_database(replace(HEALTHY, **changes), "PostgreSQL")
        if each.level.value != "ok"
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"engines": [replace(ENGINE, silent_seconds=60)]}, ["engines fail", "engines fail"]),
        (
            {"engines": [ENGINE, replace(ENGINE, id="e2", silent_seconds=60, held=0)]},
            ["engines warn"],
        ),
        ({"engines": []}, ["engines fail"]),
        ({"engines": [], "live": {}}, ["engines warn"]),
        ({"engines": [ENGINE, replace(ENGINE, id="e2", release="1.1")]}, ["releases warn"]),
        ({"engines": [ENGINE, replace(ENGINE, id="e2", release=None)]}, ["releases warn"]),
        ({"stuck": {STUCK.operation_id: STUCK}}, ["stuck operation warn"]),
        ({"oldest_seconds": {"queued": 500.0}}, ["queue warn"]),
        ({"sinks_failing": 1}, ["event sinks warn"]),
        ({"sink_events": 5, "sink_oldest_seconds": 900.0}, ["event sinks warn"]),
    ],
)
def test_engines_operations_and_sinks(changes, expected):
    """One thing is wrong, and that is told; nothing else."""
    assert [" ".join(each) for each in of_figures(**changes)] == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"problem": "connection refused"}, ["database fail"]),
        ({"round_trip_seconds": 0.2}, ["database speed warn"]),
        ({"revision": None}, ["migrations fail"]),
        ({"revision": "0001"}, ["migrations fail"]),
        ({"revision": "0009"}, ["migrations warn"]),
        ({"ahead_seconds": 5.0}, ["clocks warn"]),
        ({"ahead_seconds": -5.0}, ["clocks warn"]),
        ({"connections": 95, "most_connections": 97}, ["connections warn"]),
        ({"connections": 20, "most_connections": 97}, []),
    ],
)
def test_the_database(changes, expected):
    """Away, slow, of another release, with another clock, full."""
    assert [" ".join(each) for each in of_database(**changes)] == expected


def test_disk_and_modes_and_backups():
    """Full disks, files that others can read, backups that are late."""
    path, gib, day = Path("/x"), 1 << 30, 86_400.0
    found = [
        judging.judge_disk(path, 50 * gib, 100 * gib),
        judging.judge_disk(path, 2 * gib, 100 * gib),
        judging.judge_disk(path, 1 << 20, 100 * gib),
        judging.judge_mode(path, 0o100600, secret="keys"),
        judging.judge_mode(path, 0o100640, secret="keys"),
        judging.judge_mode(path, 0o040755, secret="keys"),
        judging.judge_backups(10 * day, 11 * day, day),
        judging.judge_backups(10 * day, 13 * day, day),
        judging.judge_backups(None, 13 * day, day),
    ]
    levels = [each.level.value for each in found]
    assert levels == ["ok", "warn", "fail", "ok", "fail", "fail", "ok", "warn", "warn"]
    assert [each.remedy.split(",")[0] for each in found[4:6]] == ["chmod 600 /x", "chmod 700 /x"]


@pytest.mark.parametrize(
    ("haproxy", "caddy", "level", "said"),
    [
        ("/h", "/c", "ok", "HAProxy at /h is used; Caddy at /c would stand in"),
        ("/h", None, "ok", "HAProxy at /h is used; there is no Caddy to stand in"),
        (None, "/c", "warn", "there is no HAProxy on this machine; Caddy at /c is used"),
        (None, None, "fail", "there is neither HAProxy nor Caddy on this machine"),
    ],
)
def test_which_load_balancer_is_used(haproxy, caddy, level, said):
    """HAProxy where it is installed, else Caddy, which comes as a wheel; one of them must be."""
    found = judging.judge_balancer(haproxy, caddy)
    assert (found.level.value, found.what) == (level, said)


def test_what_is_not_well_says_why_and_what_to_do():
    """Each such finding has all three, for people and for programs."""
    found = list(
        judging.judge_figures(
            replace(WELL, engines=[], stuck={STUCK.operation_id: STUCK}), 12.0, shared=True
        )
    )
    ill = [each for each in found if each.level.value != "ok"]
    assert all(each.why and each.remedy for each in ill)
    assert "\n".join(lines(ill[1:2])) == (
        "warn  stuck operation: o1, step create web: hung\n"
        "      why: The cloud has not answered for 400 s.\n"
        "      do:  mantle operation explain o1"
    )
    told = document(found)
    assert (told["level"], worst(found).value) == ("fail", "fail")
    assert {"check", "level", "what", "why", "remedy"} == set(told["findings"][0])
