"""Writes down what a release knows, for the tests that hold the next one against it.

`python scripts/released.py` at a release, its commit made: `tests/upgrade/released` then has the
commit, the tables (as SQLite's SQL, beside those of releases before) and what operations of that
release may ask of an engine.
"""

import json
import sqlite3
import subprocess
import tempfile
from pathlib import Path

from mantle.model.release import OPERATION_FORMAT
from mantle.model.status import Action
from mantle.resources.registry import default_registry
from mantle.store.database import Database
from mantle.store.migrate import migrate, revision

WHERE = Path(__file__).parents[1] / "tests" / "upgrade" / "released"


def known() -> dict[str, object]:
    """The format, and what an engine must know: actions, resource types and their properties."""
    return {
        "format": OPERATION_FORMAT,
        "actions": sorted(Action),
        "types": {
            name: sorted(facts.schema.properties)
            for name, facts in sorted(default_registry().facts.items())
        },
    }


def schema(folder: Path) -> tuple[str | None, str]:
    """The revision, and the tables with it."""
    path = folder / "empty.sqlite"
    database = Database.at(path)
    migrate(database)
    at = revision(database)
    database.close()
    connection = sqlite3.connect(path)
    query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
    lines = [f"{row[0]};" for row in connection.execute(query)]
    connection.close()
    return at, "\n".join([*lines, f"INSERT INTO alembic_version VALUES ('{at}');", ""])


def main() -> None:
    """Write all three."""
    WHERE.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=WHERE
    ).stdout
    (WHERE / "commit").write_text(commit, encoding="utf-8")
    (WHERE / "known.json").write_text(json.dumps(known(), indent=1) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        at, tables = schema(Path(folder))
    (WHERE / f"schema-{at}.sql").write_text(tables, encoding="utf-8")


if __name__ == "__main__":
    main()
