"""A Keystone as its calls are, without the wire: users, projects, roles, EC2 keys of one domain.

Names are unique in it, as in the real one; every call has a moment before and one after, at which
the power can go.
"""

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mantle.clouds.ports import Clash, Missing

DOMAIN = "d0"


@dataclass
class FakeKeystone:
    """In place of a `Caller` of the domain's administrator. It outlives every process."""

    moment: Any = lambda _: None
    users: dict[str, dict] = field(default_factory=dict)
    projects: dict[str, dict] = field(default_factory=dict)
    credentials: dict[str, dict] = field(default_factory=dict)
    grants: set[tuple[str, str, str]] = field(default_factory=set)
    down: Exception | None = None
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    async def door(self) -> Any:
        return SimpleNamespace(domain_id=DOMAIN)

    async def get(self, service: Any, path: str, *params: Any) -> Any:
        return self._called("GET", path, None)

    async def post(self, service: Any, path: str, body: Any) -> Any:
        return self._called("POST", path, body)

    async def put(self, service: Any, path: str, body: Any = None) -> Any:
        return self._called("PUT", path, body)

    async def patch(self, service: Any, path: str, body: Any) -> Any:
        return self._called("PATCH", path, body)

    async def delete(self, service: Any, path: str) -> None:
        self._called("DELETE", path, None)

    def _called(self, method: str, path: str, body: Any) -> Any:
        self.moment(f"before {method} {path}")
        if self.down is not None:
            raise self.down
        answer = self._answer(method, path, body)
        self.moment(f"after {method} {path}")
        return answer

    def _answer(self, method: str, path: str, body: Any) -> Any:
        parts = urlsplit(path)
        kind, *below = parts.path.strip("/").split("/")
        match method, kind, below:
            case "GET", "roles", []:
                return {"roles": [{"id": "r0", "name": "heat_stack_user"}]}
            case "GET", _, []:
                name = parse_qs(parts.query).get("name", [None])[0]
                held = getattr(self, kind).values()
                return {kind: [each for each in held if name in {None, each["name"]}]}
            case "POST", "credentials", []:
                blob = json.loads(body["credential"]["blob"])
                identity = hashlib.sha256(blob["access"].encode()).hexdigest()
                return self._add(kind, identity, body["credential"])
            case "POST", _, []:
                one = kind.removesuffix("s")
                if any(each["name"] == body[one]["name"] for each in getattr(self, kind).values()):
                    raise Clash("Keystone: there is one of this name")
                return {one: self._add(kind, f"{one}-{next(self._ids)}", body[one])}
            case "PUT", "projects", [project, "users", user, "roles", role]:
                if project not in self.projects or user not in self.users:
                    raise Missing("Keystone: not found")
                self.grants.add((project, user, role))
                return None
            case "PATCH", "users", [user]:
                self._held(kind, user).update(body["user"])
                return None
            case "DELETE", _, [identity]:
                self._held(kind, identity)
                del getattr(self, kind)[identity]
                self.grants = {each for each in self.grants if identity not in each}
                if kind == "users":
                    kept = self.credentials.items()
                    self.credentials = {k: v for k, v in kept if v["user_id"] != identity}
                return None
        raise AssertionError(f"{method} {path}")

    def _add(self, kind: str, identity: str, values: dict) -> dict:
        held = getattr(self, kind)
        if identity in held:
            raise Clash("Keystone: there is one of this id")
        held[identity] = {**values, "id": identity}
        found: dict = held[identity]
        return found

    def _held(self, kind: str, identity: str) -> dict:
        found: dict | None = getattr(self, kind).get(identity)
        if found is None:
            raise Missing("Keystone: not found")
        return found
