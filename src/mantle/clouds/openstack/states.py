"""The services' words for an object's state, as ours: one table each. Pure.

A word that is in no table is a newer service's; the object counts as being changed, and whoever
waits for it is told the word.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mantle.clouds.ports import ObjectStatus

B, A, S, Z, D, E = (
    ObjectStatus.BUILDING,
    ObjectStatus.ACTIVE,
    ObjectStatus.STOPPED,
    ObjectStatus.SUSPENDED,
    ObjectStatus.DELETING,
    ObjectStatus.ERROR,
)

SERVER: Mapping[str, ObjectStatus] = {
    "ACTIVE": A, "BUILD": B, "DELETED": D, "ERROR": E, "HARD_REBOOT": B, "MIGRATING": B,
    "PASSWORD": B, "PAUSED": Z, "REBOOT": B, "REBUILD": B, "RESCUE": A, "RESIZE": B,
    "REVERT_RESIZE": B, "SHELVED": S, "SHELVED_OFFLOADED": S, "SHUTOFF": S, "SOFT_DELETED": D,
    "SUSPENDED": Z, "UNKNOWN": E, "VERIFY_RESIZE": B,
}  # fmt: skip

QUIET_TASKS = ("image_", "migrating")
"""Tasks of a server that leave it as it is to those who use it."""

NETWORK: Mapping[str, ObjectStatus] = {
    # Whether packets flow is not what is asked: a port without a server is DOWN and in order.
    "ACTIVE": A, "DOWN": A, "BUILD": A, "ALLOCATING": B, "PENDING_CREATE": B, "PENDING_UPDATE": B,
    "PENDING_DELETE": D, "ERROR": E, "N/A": A,
}  # fmt: skip

VOLUME: Mapping[str, ObjectStatus] = {
    "creating": B, "available": A, "reserved": A, "attaching": A, "detaching": A, "in-use": A,
    "maintenance": A, "deleting": D, "awaiting-transfer": A, "error": E, "error_deleting": E,
    "backing-up": A, "restoring-backup": B, "error_backing-up": E, "error_restoring": E,
    "error_extending": E, "downloading": B, "uploading": A, "retyping": B, "extending": B,
    "managing": B, "error_managing": E, "unmanaging": D, "error_managing_deleting": E,
}  # fmt: skip

BALANCER: Mapping[str, ObjectStatus] = {
    "ACTIVE": A, "PENDING_CREATE": B, "PENDING_UPDATE": B, "PENDING_DELETE": D, "DELETED": D,
    "ERROR": E,
}  # fmt: skip

KEPT: Mapping[str, ObjectStatus] = {
    "creating": B, "available": A, "deleting": D, "deleted": D, "error": E, "error_deleting": E,
    "backing-up": A, "restoring": A, "unmanaging": D,
}  # fmt: skip
"""Snapshots and backups of volumes."""

IMAGE: Mapping[str, ObjectStatus] = {
    "queued": B, "saving": B, "uploading": B, "importing": B, "active": A, "deactivated": S,
    "killed": E, "deleted": D, "pending_delete": D,
}  # fmt: skip


def server_status(raw: Mapping[str, Any]) -> ObjectStatus:
    """A task under way says more than the state it started from."""
    status = SERVER.get(str(raw.get("status", "")).upper(), B)
    task = raw.get("OS-EXT-STS:task_state")
    if task == "deleting":
        return D
    if task and status in {A, S, Z} and not str(task).startswith(QUIET_TASKS):
        return B
    return status


def seconds(text: str | None) -> float:
    """Seconds since the epoch of `2026-11-21T08:02:46Z`, with or without fractions or zone."""
    if not text:
        return 0.0
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
