"""What the rows say to whoever runs Mantle."""

import sys
from pathlib import Path

from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url

from mantle.store import figures
from mantle.store.database import Database
from mantle.store.moments import database_time
from mantle.store.tables.drift import drift_looks
from mantle.store.tables.sinks import event_sinks
from mantle.store.tables.stacks import engines, events, operations

HERE = 1_000_000.0


def operation(name, status, created_at, engine=""):
    return {
        "id": name,
        "stack_id": name,
        "project_id": "p",
        "action": "CREATE",
        "status": status,
        "epoch": 0,
        "engine": engine,
        "reason": "",
        "request_id": "",
        "batch_size": 0,
        "pause_seconds": 0.0,
        "created_at": created_at,
        "steps_total": 0,
        "steps_done": 0,
    }


def event(name, at):
    said = {"resource": "r", "resource_type": "T", "action": "CREATE", "status": "COMPLETE"}
    return {"id": name, "stack_id": "s", "reason": "", "at": at, **said}


def sink(name, sequence, attempts=0, last=None):
    return {
        "id": name,
        "stack_id": "s",
        "project_id": "p",
        "target": f"http://{name}",
        "ttl_seconds": 60,
        "sequence": sequence,
        "last": last,
        "attempts": attempts,
        "next_at": 0.0,
        "problem": "",
        "delivered": 0,
        "dropped": 0,
        "version": 0,
    }


def test_operations_are_counted_by_age_engines_by_silence_sinks_by_what_waits():
    """One of each kind; what has ended has no age."""
    database = Database(empty_database_url())
    database.create_tables()
    with database.engine.begin() as connection:
        now = database_time(connection, HERE)
        rows = [
            operation("a", "queued", now - 5),
            operation("b", "queued", now - 90),
            operation("c", "running", now - 4000, "e1"),
            operation("d", "running", now - 90_000, "e1"),
            operation("e", "complete", now - 90_000),
        ]
        connection.execute(insert(operations), rows)
        beats = {"host": "h", "started_at": 1.0, "stopped_at": None}
        connection.execute(insert(engines), {"id": "e1", "beat_at": now - 100, **beats})
        connection.execute(insert(engines), {"id": "e2", "beat_at": now, **beats})
        connection.execute(insert(events), [event(f"v{n}", now - 50 + n) for n in range(5)])
        connection.execute(insert(event_sinks), [sink("w", 2, attempts=3), sink("x", 0, last=1)])
        looked = {"project_id": "p", "cloud": "c", "looked_at": now - 60, "calls": 1, "objects": 1}
        connection.execute(insert(drift_looks), looked)
        found = figures.read(connection, HERE)
    database.close()
    assert {key: count for key, count in found.live.items() if count} == {
        ("queued", "1m"): 1,
        ("queued", "10m"): 1,
        ("running", "6h"): 1,
        ("running", "older"): 1,
    }
    assert round(found.oldest_seconds["running"], -2) == 90_000
    assert [(e.id, round(e.silent_seconds, -1), e.held) for e in found.engines] == [
        ("e1", 100, 2),
        ("e2", 0, 0),
    ]
    assert (found.sink_events, round(found.sink_oldest_seconds, -1), found.sinks_failing) == (
        4,
        50,
        1,
    )
    assert {cloud: round(age, -1) for cloud, age in found.drift_seconds.items()} == {"c": 60}
