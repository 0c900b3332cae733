"""Images that Glance fetches itself. The token, and where from, are properties of the image.

Making one is two requests: the image, and the order to fetch it. Whoever finds an image that waits
for its contents gives the order again; Glance refuses a second one.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mantle.clouds.openstack import marks, states
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.door import Request
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.facts import Facts
from mantle.clouds.openstack.kind import Raw
from mantle.clouds.ports import (
    Clash,
    Denied,
    Missing,
    ObjectStatus,
    PlainObject,
    PlainSpec,
    Refused,
)
from mantle.model.ids import Token

GLANCE = Service.IMAGE
LOCATION = "mantle_location"
PLAIN = (
    *("min_disk", "min_ram", "protected", "disk_format", "container_format", "tags"),
    *("architecture", "kernel_id", "os_distro", "os_version", "visibility", "ramdisk_id"),
)
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


class WebImages:
    """Implements `ports.PlainObjects`."""

    def __init__(self, caller: Caller, facts: Facts) -> None:
        self._caller = caller
        self._facts = facts

    async def create(self, spec: PlainSpec, token: Token) -> PlainObject:
        found = await self.find(token)
        if found is not None:
            return found
        own = {name: spec.fields[name] for name in ("id", *PLAIN) if name in spec.fields}
        more = {name: str(each) for name, each in _extra(spec).items()}
        marked = {marks.METADATA: token, LOCATION: str(spec.fields.get("location", ""))}
        body = {**more, "name": spec.name, **own, **marked}
        raw = await self._caller.post(GLANCE, "/images", body)
        self._facts.images.forget()
        await self._fetch(raw)
        return await self.get(raw["id"])

    async def find(self, token: Token) -> PlainObject | None:
        found = await self._all((marks.METADATA, token))
        if not found:
            return None
        if found[0]["status"] == "queued":
            await self._fetch(found[0])
            return await self.get(found[0]["id"])
        return _image(found[0])

    async def like(self, spec: PlainSpec) -> PlainObject | None:  # noqa: ARG002
        """An image always has its token."""
        return None

    async def get(self, object_id: str) -> PlainObject:
        return _image(await self._raw(object_id))

    async def list(self) -> Sequence[PlainObject]:
        return sorted((_image(raw) for raw in await self._all()), key=lambda each: each.created_at)

    async def update(self, object_id: str, spec: PlainSpec) -> PlainObject:
        raw = await self._raw(object_id)
        wanted = {name: spec.fields[name] for name in PLAIN if name in spec.fields}
        wanted |= {name: str(each) for name, each in _extra(spec).items()}
        changes = [
            {"op": "replace" if name in raw else "add", "path": f"/{name}", "value": value}
            for name, value in wanted.items()
            if raw.get(name) != value and name not in {"disk_format", "container_format"}
        ]
        if changes:
            path = f"/images/{object_id}"
            await self._caller.send(
                Request(service=GLANCE, method="PATCH", path=path, body=changes, headers=PATCH)
            )
            self._facts.images.forget()
        await self._switch(raw, on=bool(spec.fields.get("active", True)))
        return await self.get(object_id)

    async def delete(self, object_id: str) -> None:
        await self._raw(object_id)
        await self._caller.delete(GLANCE, f"/images/{object_id}")
        self._facts.images.forget()

    # --- inside ------------------------------------------------------------------------------

    async def _fetch(self, raw: Raw) -> None:
        order = {"method": {"name": "web-download", "uri": raw[LOCATION]}}
        with suppress(Clash):
            await self._caller.post(GLANCE, f"/images/{raw['id']}/import", order)

    async def _switch(self, raw: Raw, *, on: bool) -> None:
        verb = {("active", False): "deactivate", ("deactivated", True): "reactivate"}.get(
            (raw["status"], on)
        )
        if verb is not None:
            await self._caller.post(GLANCE, f"/images/{raw['id']}/actions/{verb}", None)

    async def _raw(self, object_id: str) -> Raw:
        try:
            raw: Raw = await self._caller.get(GLANCE, f"/images/{object_id}")
        except (Denied, Refused):
            raw = {}
        if not await self._is_own(raw):
            raise Missing(f"There is no image {object_id!r} of this project.")
        return raw

    async def _all(self, *params: tuple[str, str]) -> "Raws":
        owner = ("owner", (await self._caller.door()).project_id)
        answer = await self._caller.get(GLANCE, "/images", owner, ("limit", "1000"), *params)
        return [raw for raw in answer["images"] if await self._is_own(raw)]

    async def _is_own(self, raw: Raw) -> bool:
        """Only those that were to be fetched for a stack."""
        own = raw.get("owner") == (await self._caller.door()).project_id
        return own and raw.get("status") not in {"deleted", "pending_delete"} and LOCATION in raw


Raws = list[dict[str, Any]]


def _extra(spec: PlainSpec) -> dict[str, Any]:
    found: dict[str, Any] = spec.fields.get("extra_properties") or {}
    if wrong := sorted(name for name in found if name.startswith(marks.OURS)):
        raise Refused(
            f"extra_properties: {', '.join(wrong)} is Mantle's own.", remedy="Leave it out."
        )
    return found


def _image(raw: Raw) -> PlainObject:
    failed = str(raw.get("os_glance_failed_import") or "")
    status = states.IMAGE.get(str(raw["status"]), ObjectStatus.BUILDING)
    if status is ObjectStatus.BUILDING and failed:
        status = ObjectStatus.ERROR
    name = str(raw.get("name") or "")
    told = {key: value for key, value in raw.items() if not key.startswith(marks.OURS)}
    told["location"] = raw.get(LOCATION)
    return PlainObject(
        id=raw["id"],
        name=name,
        token=Token(str(raw.get(marks.METADATA) or "")),
        status=status,
        fault=f"the import from the address failed in {failed}" if failed else "",
        created_at=states.seconds(raw.get("created_at")),
        spec=PlainSpec(
            name=name, fields={each: told[each] for each in (*PLAIN, "location") if each in told}
        ),
        kind="images",
        told=told,
    )
