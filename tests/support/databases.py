"""Where a test's rows are kept: in memory, or on the PostgreSQL that `make test-postgres` gives.

There each test process has a database of its own, emptied for each `Database` opened anew.
"""

import os

from sqlalchemy import create_engine, make_url, text

from mantle.store.tables import metadata

_made: set[str] = set()


def empty_database_url() -> str:
    """The URL of a database without rows; its tables may be missing."""
    server = os.environ.get("MANTLE_TEST_POSTGRES")
    if not server:
        return "sqlite://"
    name = f"mantle_test_{os.getpid()}"
    address = make_url(server).set(drivername="postgresql+psycopg")
    if name not in _made:
        engine = create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        _made.add(name)
    url = address.set(database=name)
    engine = create_engine(url)
    with engine.begin() as connection:
        metadata.create_all(connection)
        tables = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY"))
    engine.dispose()
    return url.render_as_string(hide_password=False)
