"""The six verbs over any kind of OpenStack object.

Looking is shared (`batch.py`): creates look for their tokens, and phases for their objects, in one
call for all who ask. A delete that the service has accepted is not sent again while it works.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from mantle.clouds.openstack import marks
from mantle.clouds.openstack.batch import Batch
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.kind import Kind, Raw, Raws, Search, differing
from mantle.clouds.ports import Anew, CloudObject, Denied, Missing, Recalls, Refused
from mantle.model.ids import Token

SpecT = TypeVar("SpecT")
ObjectT = TypeVar("ObjectT", bound=CloudObject)

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")

NOT_EXTRA = {"id", "project_id", "tenant_id", "description", "tags"}
"""Whose an object is, and what it is found by, is said by nobody but this module."""
AT_ONCE, TAGS_AT_ONCE = 60, 100
"""Keys in one call's address: services and proxies take addresses of some 8,000 characters, and a
tag has at most 60."""
PAUSE_SECONDS = 0.4
"""Between two looks at the same kind of object of a project."""
GOING_SECONDS = 60.0
"""After that a delete that was accepted is asked for again."""

OWNERS = (
    "project_id",
    "tenant_id",
    "os-vol-tenant-attr:tenant_id",
    "os-extended-snapshot-attributes:project_id",
    "os-backup-project-attr:project_id",
)
"""Where services say whose an object is. Cinder shows an administrator everybody's, and says so in
fields of its own."""


RECALLED_SECONDS = 30.0
"""How long what was seen will do for names and descriptions."""


class RestCollection(Anew[SpecT, ObjectT], Recalls[ObjectT]):
    """One kind of object of one project."""

    def __init__(self, kind: Kind, caller: Caller) -> None:
        self.kind = kind
        self.caller = caller
        self._ids: Batch[str, Raw] = Batch(self._by_ids, pause_seconds=PAUSE_SECONDS)
        self._marks: Batch[Token, Raw] = Batch(self._by_tokens, pause_seconds=PAUSE_SECONDS)
        self._locks: dict[Token, asyncio.Lock] = {}
        self._going: dict[str, float] = {}
        self._tokens: dict[str, Token] = {}
        """By id, of what was seen: a search by tags finds by them."""
        self._lists: Batch[str, Raws] = Batch(self._all, pause_seconds=PAUSE_SECONDS)
        self._kept: dict[str, tuple[float, Raw]] = {}
        self._seen: dict[str, tuple[float, Raw]] = {}
        """By id, with when it was: for names and descriptions."""

    # --- the port ----------------------------------------------------------------------------

    async def create(self, spec: SpecT, token: Token) -> ObjectT:
        """Look for the token, then make it; of several at once the first makes it."""
        async with self._locks.setdefault(token, asyncio.Lock()):
            try:
                raw = await self._look_for(token)
                if raw is None:
                    raw = await self._make(spec, token)
                return self._object(raw)
            finally:
                self._locks.pop(token, None)

    async def create_anew(self, spec: SpecT, token: Token) -> ObjectT:
        async with self._locks.setdefault(token, asyncio.Lock()):
            try:
                return self._object(await self._make(spec, token))
            finally:
                self._locks.pop(token, None)

    async def find(self, token: Token) -> ObjectT | None:
        raw = await self._look_for(token)
        return None if raw is None else self._object(raw)

    async def get(self, object_id: str) -> ObjectT:
        return self._object(await self.raw(object_id))

    async def recall(self, object_id: str) -> ObjectT:
        at, raw = self._seen.get(object_id, (0.0, None))
        if raw is None or at + RECALLED_SECONDS < asyncio.get_running_loop().time():
            raw = await self.raw(object_id)
            self._remember(raw)
        return self._object(raw)

    async def recall_named(self, name: str) -> Sequence[ObjectT]:
        since = asyncio.get_running_loop().time() - RECALLED_SECONDS
        named = [raw for at, raw in self._seen.values() if at > since and raw.get("name") == name]
        # Two of one name are looked at anew: one of them may be gone.
        if len(named) != 1:
            named = [raw for raw in await self.raws() if raw.get("name") == name]
        return [self._object(raw) for raw in named]

    async def list(self) -> Sequence[ObjectT]:
        found = [self._object(each) for each in await self.raws()]
        return sorted(found, key=lambda each: each.created_at)

    async def update(self, object_id: str, spec: SpecT) -> ObjectT:
        raw = await self.own(object_id)
        if part := self.kind.fixed(spec, raw):
            raise Refused(
                f"{part} of {self.kind.noun} {object_id} cannot change in place.",
                remedy="Have it replaced.",
            )
        extra = differing(await self._extra(spec), raw)
        change = {**self.kind.change(spec, raw), **extra}
        if change:
            path = f"{self.kind.path}/{quote(object_id, safe='')}"
            body = {self.kind.one: change}
            answer = await self.caller.change(
                self.kind.update_method, self.kind.service, path, body
            )
            raw = answer[self.kind.one]
        raw = await self._tag(raw, spec)
        self.keep(raw)
        return self._object(raw)

    async def delete(self, object_id: str) -> None:
        now = asyncio.get_running_loop().time()
        if self._going.get(object_id, 0.0) > now:
            await self.raw(object_id)
            return
        await self._check_own(object_id)
        await self.remove(object_id)
        self.forget(object_id)
        self._ids.foresee(object_id)
        if len(self._going) > 1000:
            self._going = {key: end for key, end in self._going.items() if end > now}
        self._going[object_id] = now + GOING_SECONDS

    # --- what a kind may do in its own way ---------------------------------------------------

    async def make(self, spec: SpecT, token: Token) -> Raw:
        """The request that creates."""
        body = {self.kind.one: {**self.kind.body(spec, token), **await self._extra(spec)}}
        answer = await self.caller.post(self.kind.service, self.kind.path, body)
        raw: Raw = answer[self.kind.one]
        return raw

    async def remove(self, object_id: str) -> None:
        """The request that deletes."""
        await self.caller.delete(self.kind.service, f"{self.kind.path}/{quote(object_id, safe='')}")

    async def seen(self, raws: Sequence[Raw]) -> Sequence[Raw]:
        """Objects as they arrive; a kind may complete them."""
        return raws

    # --- reading -----------------------------------------------------------------------------

    async def raw(self, object_id: str) -> Raw:
        """As the service says it; `Missing` when it is not there."""
        until, raw = self._kept.get(object_id, (0.0, None))
        if raw is None or until <= asyncio.get_running_loop().time():
            # A name is asked for first as if it were an id; ids are UUIDs nearly everywhere.
            may_be = self.kind.any_id or _UUID.fullmatch(object_id)
            raw = await self._ids.ask(object_id) if may_be else None
            if raw is not None:
                self.keep(raw)
        if raw is None or self._gone(raw):
            self._going.pop(object_id, None)
            self.forget(object_id)
            raise Missing(f"There is no {self.kind.noun} {object_id!r} in this project.")
        return raw

    async def own(self, object_id: str) -> Raw:
        """The same, for something that is to be changed: others' may be seen, not touched."""
        raw = await self.raw(object_id)
        if not await self._is_own(raw):
            raise Missing(f"There is no {self.kind.noun} {object_id!r} of this project.")
        return raw

    async def raws(self, *params: tuple[str, str]) -> Raws:
        """All of this project, or those that the parameters ask for."""
        if not params:
            return await self._lists.ask("all") or []
        return await self._some(*params)

    async def _all(self, _: Sequence[str]) -> Mapping[str, Raws]:
        return {"all": await self._some()}

    async def _some(self, *params: tuple[str, str]) -> Raws:
        found = [each for each in await self._pages(*params) if await self._visible(each)]
        found = [each for each in await self.seen(found) if not self._gone(each)]
        for raw in found:
            self.keep(raw)
        return found

    def keep(self, raw: Raw) -> None:
        """What was just read or written may be answered again for a moment, by its id."""
        self._remember(raw)
        if self.kind.kept_seconds:
            now = asyncio.get_running_loop().time()
            if len(self._kept) > 1000:
                self._kept = {key: each for key, each in self._kept.items() if each[0] > now}
            self._kept[str(raw[self.kind.id_field])] = (now + self.kind.kept_seconds, raw)

    def _remember(self, raw: Raw) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._seen) > 1000:
            since = now - RECALLED_SECONDS
            self._seen = {key: each for key, each in self._seen.items() if each[0] > since}
        self._seen[str(raw[self.kind.id_field])] = (now, raw)

    def forget(self, object_id: str | None = None) -> None:
        """Something was written here or by others: what was kept of it may be wrong."""
        if object_id is None:
            self._kept.clear()
            self._seen.clear()
        else:
            self._kept.pop(object_id, None)
            self._seen.pop(object_id, None)

    def doubt(self) -> None:
        """Their states may be others by now; who they are and what they are called is not."""
        self._kept.clear()

    async def _pages(self, *params: tuple[str, str]) -> Raws:
        kind = self.kind
        balanced = kind.service is Service.BALANCER and not kind.everybodys
        if (kind.params or balanced) and (door := await self.caller.door()).admin:
            params = (*kind.params, *params)
            if balanced:
                params = (*params, ("project_id", door.project_id))
        found: Raws = []
        while True:
            answer = await self.caller.get(kind.service, kind.path + kind.details, *params)
            found += answer[kind.many]
            links = answer.get(f"{kind.many}_links") or ()
            following = next((each["href"] for each in links if each["rel"] == "next"), None)
            if kind.service is Service.IDENTITY:
                following = (answer.get("links") or {}).get("next")
            if following is None or not answer[kind.many]:
                return found
            params = tuple(parse_qsl(urlsplit(following).query))

    async def _by_ids(self, ids: Sequence[str]) -> Mapping[str, Raw]:
        if len(ids) == 1:
            return await self._by_id(ids[0])
        match self.kind.search:
            case Search.IDS_AND_DESCRIPTIONS:
                found = await self._filtered([("id", each) for each in ids])
            case Search.TAGS if all(each in self._tokens for each in ids):
                found = await self._with_tags([self._tokens[each] for each in ids])
            case _:
                found = await self.raws()
        return {str(raw[self.kind.id_field]): raw for raw in found}

    async def _by_id(self, object_id: str) -> Mapping[str, Raw]:
        kind = self.kind
        try:
            path = f"{kind.path}/{quote(object_id, safe='')}"
            raw = (await self.caller.get(kind.service, path))[kind.one]
        except Missing:
            return {}
        except (Refused, Denied):
            # Nova calls malformed what is the name of something; Octavia answers 403 for another
            # project's. To this project neither is there.
            return {}
        visible = [raw] if await self._visible(raw) else []
        return dict.fromkeys([object_id], (await self.seen(visible))[0]) if visible else {}

    async def _by_tokens(self, tokens: Sequence[Token]) -> Mapping[Token, Raw]:
        match self.kind.search:
            case Search.IDS_AND_DESCRIPTIONS if self.kind.name != "security_groups":
                asked = [("description", marks.description("", each)) for each in tokens]
                found = await self._filtered(asked)
            case Search.TAGS:
                found = await self._with_tags(tokens)
            case _:
                found = await self.raws()
        return {self.kind.token_of(raw): raw for raw in found}

    async def _filtered(self, params: Sequence[tuple[str, str]]) -> Raws:
        parts = [params[at : at + AT_ONCE] for at in range(0, len(params), AT_ONCE)]
        found = await asyncio.gather(*(self.raws(*part) for part in parts))
        return [raw for part in found for raw in part]

    async def _with_tags(self, tokens: Sequence[Token]) -> Raws:
        tags = [marks.tag(each) for each in tokens]
        parts = [tags[at : at + TAGS_AT_ONCE] for at in range(0, len(tags), TAGS_AT_ONCE)]
        found = await asyncio.gather(*(self.raws(("tags-any", ",".join(part))) for part in parts))
        return [raw for part in found for raw in part]

    async def _extra(self, spec: SpecT) -> dict[str, Any]:
        """What the spec passes on, with ids where names were given."""
        extra: dict[str, Any] = dict(getattr(spec, "extra", {}))
        if wrong := sorted(NOT_EXTRA & extra.keys()):
            raise Refused(f"{', '.join(wrong)} cannot be passed on.", remedy="Leave it out.")
        for name, (path, many) in self.kind.named.items():
            value = extra.get(name)
            if isinstance(value, str) and not _UUID.fullmatch(value):
                extra[name] = await self._id_of(path, many, value)
        return extra

    async def _id_of(self, path: str, many: str, name: str) -> str:
        answer = await self.caller.get(self.kind.service, path, ("name", name))
        found = [str(each["id"]) for each in answer[many]]
        if len(found) != 1:
            raise Refused(
                f"{len(found)} of the {many.replace('_', ' ')} are named {name!r}.",
                remedy="Give the id of one.",
            )
        return found[0]

    # --- inside ------------------------------------------------------------------------------

    async def _look_for(self, token: Token) -> Raw | None:
        raw = await self._marks.ask(token)
        return None if raw is None or self._gone(raw) else raw

    async def _make(self, spec: SpecT, token: Token) -> Raw:
        raw = await self._tag(await self.make(spec, token), spec)
        self._ids.foresee(str(raw[self.kind.id_field]))
        self.keep(raw)
        return raw

    async def _tag(self, raw: Raw, spec: SpecT) -> Raw:
        """Neutron's tags are a request of their own."""
        if self.kind.user_tags is None:
            return raw
        wanted = sorted(self.kind.user_tags(spec))
        present = raw.get("tags") or []
        if wanted == sorted(marks.other_tags(present)):
            return raw
        own = [each for each in present if each.startswith("mantle")]
        path = f"{self.kind.path}/{raw['id']}/tags"
        answer = await self.caller.put(self.kind.service, path, {"tags": wanted + own})
        return {**raw, "tags": answer["tags"]}

    def _object(self, raw: Raw) -> ObjectT:
        found = self.kind.read(raw)
        if found.token:
            self._tokens[found.id] = found.token
        return found  # type: ignore[return-value] # a kind reads its own type

    def _gone(self, raw: Raw) -> bool:
        """States in which a service still shows what no longer is."""
        return str(raw.get("status", raw.get("provisioning_status", ""))).upper() in {
            "DELETED",
            "SOFT_DELETED",
        }

    async def _visible(self, raw: Raw) -> bool:
        if self.kind.everybodys:
            return True
        return (self.kind.shared and not (await self.caller.door()).admin) or (
            await self._is_own(raw) or self._offered(raw)
        )

    def _offered(self, raw: Raw) -> bool:
        """Another project's, for everybody's use."""
        return self.kind.shared and bool(raw.get("shared") or raw.get("router:external"))

    async def _is_own(self, raw: Raw) -> bool:
        if self.kind.everybodys:
            return True
        owner = next((raw[name] for name in OWNERS if raw.get(name)), None)
        return owner is None or owner == (await self.caller.door()).project_id

    async def _check_own(self, object_id: str) -> None:
        """A token that sees other projects could delete there too; Octavia says 403 for theirs."""
        unclear = self.kind.shared or self.kind.service is Service.BALANCER
        if unclear or (await self.caller.door()).admin:
            await self.own(object_id)
