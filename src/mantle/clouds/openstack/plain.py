"""Plain objects of a project: the six verbs from the rows of `plain_tables.py`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from mantle.clouds.openstack import marks, states
from mantle.clouds.openstack.balancing import patiently
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.collection import RestCollection
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.kind import Kind, Raw, Raws, Search, differing
from mantle.clouds.openstack.plain_tables import Below, Marked, Table
from mantle.clouds.plain import KINDS, PlainKind
from mantle.clouds.ports import Anew, Missing, ObjectStatus, PlainObject, PlainSpec
from mantle.model.ids import Token

FIELD = marks.METADATA


def token_of(mark: Marked, raw: Raw) -> Token:
    """Wherever this kind has it."""
    match mark:
        case Marked.DESCRIPTION:
            return marks.described(raw.get("description"))[1]
        case Marked.TAGS:
            return marks.tagged(raw.get("tags") or ())
        case Marked.FIELD:
            return Token(str(raw.get(FIELD) or ""))
        case Marked.NOWHERE:
            return Token("")


def marked(mark: Marked, fields: Mapping[str, Any], token: Token) -> dict[str, Any]:
    """The fields of a request, with the token in its place."""
    match mark:
        case Marked.DESCRIPTION:
            said = marks.description(str(fields.get("description") or ""), token)
            return {**fields, "description": said}
        case Marked.TAGS:
            return {**fields, "tags": [marks.tag(token), *fields.get("tags", ())]}
        case Marked.FIELD:
            return {**fields, FIELD: token}
        case Marked.NOWHERE:
            return dict(fields)


def read_plain(
    known: PlainKind, mark: Marked, asks: Sequence[str], raw: Raw, object_id: str, parent: str = ""
) -> PlainObject:
    """An object as the port has it."""
    told = {name: value for name, value in raw.items() if name not in {FIELD, "links"}}
    if known.name == "flavors":
        told["swap"] = raw.get("swap") or 0  # "" is what Nova before 2.75 says of none
    if mark is Marked.DESCRIPTION:
        told["description"] = marks.described(raw.get("description"))[0]
    if mark is Marked.TAGS:
        told["tags"] = list(marks.other_tags(raw.get("tags") or ()))
    name = str(raw.get("name") or "")
    # Also what is null: by that, drift sees what somebody took away.
    fields = {each: told[each] for each in asks if each in told}
    return PlainObject(
        id=object_id,
        name=name,
        token=token_of(mark, raw),
        status=_status(raw),
        created_at=states.seconds(raw.get("created_at")),
        spec=PlainSpec(name=name, fields=fields, parent_id=parent),
        kind=known.name,
        told=told,
    )


def _status(raw: Raw) -> ObjectStatus:
    state = raw.get("provisioning_status")
    if state is not None:
        return states.BALANCER.get(str(state), ObjectStatus.BUILDING)
    return states.NETWORK.get(str(raw.get("status") or "N/A"), ObjectStatus.ACTIVE)


def kind_of(known: PlainKind, table: Table) -> Kind:
    """What the engine of all collections needs to know."""
    said = table.said or {}

    def body(spec: PlainSpec, token: Token) -> dict[str, Any]:
        fields = {said.get(name, name): value for name, value in spec.fields.items()}
        named = {"name": spec.name} if spec.name else {}
        return marked(table.mark, {**named, **fields}, token)

    def change(spec: PlainSpec, raw: Raw) -> dict[str, Any]:
        wanted = {name: each for name, each in spec.fields.items() if name in table.changes}
        if spec.name and "name" in table.changes:
            wanted["name"] = spec.name
        token = token_of(table.mark, raw)
        if table.mark is Marked.DESCRIPTION and token and "description" in table.changes:
            wanted["description"] = marks.description(str(wanted.get("description") or ""), token)
        return differing(wanted, raw)

    return Kind(
        name=known.name,
        noun=known.noun,
        service=Service(known.service),
        path=table.path,
        one=table.one,
        many=table.many,
        details=table.details,
        search=Search.NONE,
        body=body,
        change=change,
        read=lambda raw: read_plain(known, table.mark, table.asks, raw, str(raw[table.id_field])),
        token_of=lambda raw: token_of(table.mark, raw),
        # Subnet pools have tags besides; for the others tags are where the token is.
        user_tags=_tags if known.name == "subnet_pools" else None,
        shared=known.service == "network" and known.name != "rbac_policies",
        update_method=table.update,
        any_id=table.any_id,
        params=table.params,
        id_field=table.id_field,
        everybodys=known.everybodys,
    )


def _tags(spec: PlainSpec) -> tuple[str, ...]:
    return tuple(spec.fields.get("tags") or ())


def key_of(known: PlainKind, spec: PlainSpec) -> tuple[str, ...]:
    """What makes an object the only one of its like."""
    values = {**spec.fields, "name": spec.name, "parent_id": spec.parent_id}
    return tuple(str(values.get(name)) for name in known.once)


class Plain(RestCollection[PlainSpec, PlainObject]):
    """One kind of plain object."""

    def __init__(self, name: str, table: Table, caller: Caller) -> None:
        super().__init__(kind_of(KINDS[name], table), caller)
        self.known = KINDS[name]
        self.table = table

    async def like(self, spec: PlainSpec) -> PlainObject | None:
        """By what makes it the only one."""
        wanted = key_of(self.known, spec)
        found = (self._object(raw) for raw in await self.raws())
        return next((each for each in found if key_of(self.known, each.spec) == wanted), None)

    async def create(self, spec: PlainSpec, token: Token) -> PlainObject:
        if not self.known.once:
            return await super().create(spec, token)
        return await self.like(spec) or await super().create_anew(spec, token)

    async def make(self, spec: PlainSpec, token: Token) -> Raw:
        parent = super().make
        if self.known.name == "subnet_pools":
            fields = {name: each for name, each in spec.fields.items() if name != "tags"}
            spec = PlainSpec(name=spec.name, fields=fields)
        raw: Raw = await self._calmly(lambda: parent(spec, token))
        return raw

    async def update(self, object_id: str, spec: PlainSpec) -> PlainObject:
        parent = super().update
        found: PlainObject = await self._calmly(lambda: parent(object_id, spec))
        return found

    async def remove(self, object_id: str) -> None:
        """What a service wants to have empty is emptied before."""
        parent = super().remove
        match self.known.name:
            case "host_aggregates":
                raw = await self.raw(object_id)
                for host in raw.get("hosts") or ():
                    path = f"/os-aggregates/{object_id}/action"
                    await self.caller.post(Service.COMPUTE, path, {"remove_host": {"host": host}})
            case "domains":
                body = {"domain": {"enabled": False}}
                await self.caller.patch(Service.IDENTITY, f"/domains/{object_id}", body)
        await self._calmly(lambda: parent(object_id))

    async def _calmly(self, call: Callable[[], Awaitable[Any]]) -> Any:
        return await (patiently(call) if self.table.balanced else call())


class PlainBelow(Anew[PlainSpec, PlainObject]):
    """Plain objects that live below others; by its id alone one is found through its parents."""

    def __init__(
        self, name: str, below: Below, caller: Caller, parents: RestCollection[Any, Any]
    ) -> None:
        self._known = KINDS[name]
        self._below = below
        self._caller = caller
        self._parents = parents
        self._service = Service(self._known.service)
        self._homes: dict[str, str] = {}
        """Parents' ids by id, of what was seen."""

    async def create(self, spec: PlainSpec, token: Token) -> PlainObject:
        await self._parents.own(spec.parent_id)
        for found in await self._of(spec.parent_id):
            alike = self._known.once and key_of(self._known, found.spec) == key_of(
                self._known, spec
            )
            if alike or (found.token and found.token == token):
                return found
        return await self.create_anew(spec, token)

    async def create_anew(self, spec: PlainSpec, token: Token) -> PlainObject:
        body = {self._below.one: marked(self._below.mark, spec.fields, token)}
        answer = await self._calmly(
            lambda: self._caller.post(self._service, self._path(spec.parent_id), body)
        )
        return self._seen(answer[self._below.one], spec.parent_id)

    async def find(self, token: Token) -> PlainObject | None:
        return next((each for each in await self.list() if each.token == token), None)

    async def like(self, spec: PlainSpec) -> PlainObject | None:
        """By what makes it the only one of its parent."""
        wanted = key_of(self._known, spec)
        found = await self._of(spec.parent_id)
        return next((each for each in found if key_of(self._known, each.spec) == wanted), None)

    async def get(self, object_id: str) -> PlainObject:
        home = await self._home(object_id)
        answer = await self._caller.get(self._service, f"{self._path(home)}/{object_id}")
        return self._seen(answer[self._below.one], home)

    async def list(self) -> Sequence[PlainObject]:
        parents = [raw["id"] for raw in await self._parents.raws() if self._has_any(raw)]
        found = await asyncio.gather(*(self._of(each) for each in parents))
        return [each for part in found for each in part]

    async def update(self, object_id: str, spec: PlainSpec) -> PlainObject:
        home = await self._home(object_id)
        path = f"{self._path(home)}/{object_id}"
        raw = (await self._caller.get(self._service, path))[self._below.one]
        change = differing(spec.fields, raw)
        if change:
            body = {self._below.one: change}
            answer = await self._calmly(lambda: self._caller.put(self._service, path, body))
            raw = {**raw, **answer[self._below.one]}
        return self._seen(raw, home)

    async def delete(self, object_id: str) -> None:
        home = await self._home(object_id)
        await self._parents.own(home)
        path = f"{self._path(home)}/{object_id}"
        await self._calmly(lambda: self._caller.delete(self._service, path))

    # --- inside ------------------------------------------------------------------------------

    def _path(self, parent_id: str) -> str:
        return self._below.path.format(parent_id)

    def _has_any(self, raw: Raw) -> bool:
        return bool(raw.get(self._below.listed, True))

    async def _home(self, object_id: str) -> str:
        if object_id not in self._homes:
            await self.list()
        if object_id not in self._homes:
            raise Missing(f"There is no {self._known.noun} {object_id!r} in this project.")
        return self._homes[object_id]

    async def _of(self, parent_id: str) -> "Found":
        try:
            answer = await self._caller.get(self._service, self._path(parent_id))
        except Missing:
            return []
        raws: Raws = answer[self._below.many]
        return [self._seen(raw, parent_id) for raw in raws]

    def _seen(self, raw: Raw, parent_id: str) -> PlainObject:
        self._homes[raw["id"]] = parent_id
        below = self._below
        return read_plain(self._known, below.mark, below.asks, raw, raw["id"], parent_id)

    async def _calmly(self, call: Callable[[], Awaitable[Any]]) -> Any:
        return await (patiently(call) if self._below.balanced else call())


Found = list[PlainObject]
