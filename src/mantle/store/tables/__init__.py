"""The tables. Each module adds its own to `metadata`; every column's meaning is on its record."""

from mantle.store.tables.base import metadata

__all__ = ["metadata"]
