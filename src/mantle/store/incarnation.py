"""Which life of the database this is: a restore from a backup begins another one.

A process that lives through a restore believes things that are no longer so: epochs of operations,
what it holds, what was accepted. It writes nothing into the restored database: each transaction
that writes reads which life it is, in the statement that notes the writer's number (see `marks`),
and one that finds another than the process began with is undone. The process then ends, for a new
one to start from the rows. Whoever writes nothing looks now and then.

Note: an epoch that comes again. An engine holds an operation with epoch 3. The backup has it with
epoch 2, and the restore makes that 3, so that nothing of then is taken for now. To the fence alone
the engine would still be the holder.
"""

from sqlalchemy import Connection, delete, insert, select

from mantle.model.errors import Unavailable
from mantle.store.tables.stacks import settings

NAME = "incarnation"
"""Of the row among the settings; a database that was never restored has none."""


class Superseded(Unavailable):
    """The database was restored from a backup since this process began to use it."""

    def __init__(self) -> None:
        super().__init__(
            "The database was restored from a backup since this process started, which ends now.",
            remedy="Nothing was changed. Ask again, of a process that was started since.",
        )


def current(connection: Connection) -> str:
    """Which one it is; empty when it was never restored."""
    return connection.scalar(select(settings.c.value).where(settings.c.name == NAME)) or ""


def begin(connection: Connection, incarnation: str) -> None:
    """Another one, in the transaction that fills the database."""
    connection.execute(delete(settings).where(settings.c.name == NAME))
    connection.execute(insert(settings), {"name": NAME, "value": incarnation})
