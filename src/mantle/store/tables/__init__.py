"""The tables. Each module adds its own to `metadata`; every column's meaning is on its record.

All modules are imported here, so that `metadata` is whole whoever asks for it.
"""

from mantle.store.tables import (
    drift,
    hooks,
    identity,
    interventions,
    limits,
    moves,
    plans,
    secrets,
    sinks,
    snapshots,
    software,
    stacks,
    sweeps,
    trusts,
    writers,
)
from mantle.store.tables.base import metadata

__all__ = [
    "drift",
    "hooks",
    "identity",
    "interventions",
    "limits",
    "metadata",
    "moves",
    "plans",
    "secrets",
    "sinks",
    "snapshots",
    "software",
    "stacks",
    "sweeps",
    "trusts",
    "writers",
]
