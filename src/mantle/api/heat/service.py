"""The service itself: versions, build and the engines at work."""

from typing import Any

from mantle.api.door import Reply
from mantle.api.heat.ask import Ask
from mantle.api.heat.views import when
from mantle.store.events import list_engines

REPORT_SECONDS = 60
"""How old a sign of life may be before an engine counts as down."""


def versions(base_url: str) -> dict[str, Any]:
    """The version document at the root of the API."""
    links = [{"rel": "self", "href": f"{base_url}/heat/v1/"}]
    return {"versions": [{"id": "v1.0", "status": "CURRENT", "links": links}]}


async def build_info(ask: Ask) -> Reply:
    """GET /build_info."""
    revision = {"revision": ask.settings.revision}
    return Reply(body={"api": revision, "engine": revision})


async def services(ask: Ask) -> Reply:
    """GET /services: the engines."""
    found = await ask.control.database.read(list_engines)
    now = ask.control.clock.now()
    return Reply(body={"services": [_service(engine, now) for engine in found]})


def _service(engine: dict[str, Any], now: float) -> dict[str, Any]:
    beat = float(engine["beat_at"])
    return {
        "id": engine["id"],
        "binary": "mantle-engine",
        "engine_id": engine["id"],
        "host": engine["host"],
        "hostname": engine["host"],
        "topic": "engine",
        "report_interval": REPORT_SECONDS,
        "status": "up" if now - beat < REPORT_SECONDS else "down",
        "created_at": when(float(engine["started_at"])),
        "updated_at": when(beat),
        "deleted_at": None,
    }
