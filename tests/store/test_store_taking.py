"""Taking from the queue: only a member takes."""

from sqlalchemy import select

from mantle.model.ids import OperationId
from mantle.store import events as event_rows
from mantle.store import leases
from mantle.store.database import Database
from mantle.store.tables.stacks import operations


def with_an_operation() -> Database:
    database = Database("sqlite://", inline=True)
    database.create_tables()
    with database.engine.begin() as connection:
        values = {
            "id": "o", "stack_id": "s", "project_id": "p", "action": "CREATE", "status": "queued",
            "epoch": 0, "engine": "", "reason": "", "request_id": "", "created_at": 0.0,
            "steps_total": 0, "steps_done": 0, "batch_size": 0, "pause_seconds": 0.0,
        }  # fmt: skip
        connection.execute(operations.insert(), values)
    return database


def taken(database: Database, now: float) -> tuple[bool, str | None]:
    with database.engine.begin() as connection:
        answer = leases.assign(connection, "a", [OperationId("o")], now)
        return answer, connection.scalar(select(operations.c.engine))


def test_an_engine_that_was_given_up_takes_nothing_before_it_has_spoken():
    """Else what it takes would be nobody's, if it died now: it is no member any more."""
    database = with_an_operation()
    with database.engine.begin() as connection:
        event_rows.register_engine(connection, "a", "host", 0.0)
        leases.take_over(connection, "a", 100.0, 12.0)
    assert taken(database, 101.0) == (False, "")
    with database.engine.begin() as connection:
        leases.beat(connection, "a", 102.0)
    assert taken(database, 103.0) == (True, "a")


def test_to_take_is_to_speak():
    """Whoever takes at this moment is not silent: nobody gives it up."""
    database = with_an_operation()
    with database.engine.begin() as connection:
        event_rows.register_engine(connection, "a", "host", 0.0)
    assert taken(database, 100.0) == (True, "a")
    with database.engine.begin() as connection:
        assert leases.take_over(connection, "a", 101.0, 12.0) is None
