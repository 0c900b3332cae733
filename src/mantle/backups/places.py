"""Where a control plane keeps what it knows."""

import os
from dataclasses import dataclass
from pathlib import Path

from mantle.store.database import Database

SECRET_FILES = ("clouds.yaml", "keys")
"""Files that a control plane needs to come up as it was: passwords to log in with, and the keys
that secrets in the database are sealed with. They go into encrypted backups only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """A data folder, and a PostgreSQL when several processes share one."""

    data_dir: Path
    database: str | None = None
    keys: Path | None = None
    """The key file, where it is not in the data folder."""

    def path_of(self, name: str) -> Path:
        """Where one of `SECRET_FILES` is."""
        if name == "keys" and self.keys is not None:
            return self.keys
        return self.data_dir / name

    @property
    def rows(self) -> Path:
        """The embedded database of Mantle's rows."""
        return self.data_dir / "mantle.sqlite"

    @property
    def workflows(self) -> Path:
        """The embedded database of the durable engine."""
        return self.data_dir / "dbos.sqlite"

    @property
    def told(self) -> str:
        """For people, without a password."""
        return "the PostgreSQL database" if self.database else str(self.rows)

    def open_rows(self) -> Database:
        """Mantle's rows."""
        return Database(self.database) if self.database else Database.at(self.rows)


def flush_folder(folder: Path) -> None:
    """Make names in it durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
