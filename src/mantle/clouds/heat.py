"""Another Heat, or another Mantle, spoken to over the Heat API with Keystone credentials.

The credentials are the JSON document Heat reads from Barbican: `auth_type` and `auth`. Every
address on the way (the identity service, and the endpoint its catalog names) is judged by the
operator's rules (`lib/outbound.py`): it is a user who names them.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from mantle.clouds.ports import (
    Clash,
    Denied,
    FarStack,
    FarWish,
    Missing,
    Refused,
    Unavailable,
)
from mantle.lib.outbound import Bounds, Destinations, NotAllowed, Outbound, OutboundError, Reply
from mantle.model.ids import ProjectId

BOUNDS = Bounds(seconds=30.0, most_bytes=16 * 2**20, redirects=2)
KINDS = ("v3password", "v3applicationcredential", "v3token")
ReadSecret = Callable[[ProjectId, str], Awaitable[str | None]]


class FarHeats:
    """Opens connections to other Heats for stacks that name a secret of their project."""

    def __init__(self, read_secret: ReadSecret, destinations: Callable[[], Destinations]) -> None:
        self._read_secret = read_secret
        self._destinations = destinations

    async def connect(self, project_id: ProjectId, context: Mapping[str, Any]) -> "FarHeat":
        """For the `context` of an OS::Heat::Stack; close it after use. Raises `CloudError`."""
        name = str(context["credential_secret_id"])
        payload = await self._read_secret(project_id, name)
        if payload is None:
            raise Refused(
                f"The project has no secret {name!r} with credentials.",
                remedy="Keep it with `mantle secret add`, or correct credential_secret_id.",
            )
        credentials = _credentials(name, payload)
        try:
            outbound = Outbound(
                self._destinations(),
                ca_text=context.get("ca_cert"),
                verify=not context.get("insecure"),
            )
        except OutboundError as error:
            raise Refused(error.message, remedy=error.remedy) from error
        return FarHeat(outbound, credentials, context.get("region_name"))


class FarHeat:
    """One connection. Implements `ports.FarStacks`."""

    def __init__(
        self, outbound: Outbound, credentials: Mapping[str, Any], region: str | None
    ) -> None:
        self._outbound = outbound
        self._credentials = credentials
        self._region = region
        self._token = ""
        self._endpoint = ""

    async def close(self) -> None:
        """Let go of the connections."""
        await self._outbound.close()

    async def find(self, name: str) -> FarStack | None:
        """A live stack by its name."""
        reply = await self._send("GET", f"/stacks/{quote(name, safe='')}")
        return None if reply.status == 404 else _stack(self._checked(reply))

    async def get(self, stack_id: str) -> FarStack:
        """By id, deleted ones included; `Missing` when there is none."""
        reply = await self._send("GET", f"/stacks/{quote(stack_id, safe='')}")
        if reply.status == 404:
            raise Missing(f"There is no stack {stack_id} there.")
        return _stack(self._checked(reply))

    async def create(self, name: str, tag: str, wish: FarWish) -> str:
        """Begin to make it; the answer is its id. `Clash` when there is one of this name."""
        body = {**_body(wish), "stack_name": name, "tags": tag, "disable_rollback": True}
        answer = self._checked(await self._send("POST", "/stacks", body))
        return str(answer["stack"]["id"])

    async def update(self, stack: FarStack, tag: str, wish: FarWish) -> None:
        """Begin to bring it to this."""
        body = {**_body(wish), "tags": tag, "disable_rollback": True}
        self._checked(await self._send("PUT", _path(stack), body))

    async def delete(self, stack: FarStack) -> None:
        """Begin to delete it; one that is gone is no problem."""
        reply = await self._send("DELETE", _path(stack))
        if reply.status != 404:
            self._checked(reply)

    async def act(self, stack: FarStack, verb: str) -> None:
        """Begin to check, suspend or resume it."""
        self._checked(await self._send("POST", f"{_path(stack)}/actions", {verb: None}))

    async def validate(self, wish: FarWish) -> None:
        """Raise `Refused` with what is wrong with the template there."""
        body = _body(wish)
        self._checked(await self._send("POST", "/validate", body))

    # --- inside ------------------------------------------------------------------------------

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        if not self._token:
            await self._log_in()
        reply = await self._ask(method, self._endpoint + path, body, self._token)
        if reply.status == 401:
            await self._log_in()
            reply = await self._ask(method, self._endpoint + path, body, self._token)
        return reply

    async def _ask(
        self, method: str, url: str, body: Mapping[str, Any] | None, token: str
    ) -> Reply:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token:
            headers["X-Auth-Token"] = token
        # Only looking follows Heat's redirects from a name to the whole path.
        bounds = BOUNDS if method == "GET" else Bounds(seconds=30.0, most_bytes=BOUNDS.most_bytes)
        try:
            return await self._outbound.request(
                method,
                url,
                headers=headers,
                content=None if body is None else msgspec.json.encode(body),
                bounds=bounds,
            )
        except NotAllowed as error:
            raise Refused(error.message, remedy=error.remedy) from error
        except OutboundError as error:
            raise Unavailable(error.message) from error

    async def _log_in(self) -> None:
        auth = self._credentials["auth"]
        base = str(auth["auth_url"]).rstrip("/").removesuffix("/v3") + "/v3"
        request = {"auth": _login(self._credentials["auth_type"], auth)}
        reply = await self._ask("POST", f"{base}/auth/tokens", request, "")
        if reply.status in {401, 403, 404}:
            raise Denied(
                f"The identity service at {base} refuses the credentials ({reply.status}).",
                remedy="Correct the secret, or ask for the rights.",
            )
        if reply.status != 201:
            raise Unavailable(f"The identity service at {base} answered {reply.status}.")
        self._token = reply.headers.get("x-subject-token", "")
        self._endpoint = self._found(_json(reply)).rstrip("/")

    def _found(self, answer: Any) -> str:
        catalog = answer.get("token", {}).get("catalog", []) if isinstance(answer, dict) else []
        for service in catalog:
            for endpoint in service.get("endpoints", ()):
                there = self._region in {None, endpoint.get("region_id"), endpoint.get("region")}
                public = endpoint.get("interface") == "public"
                if service.get("type") == "orchestration" and public and there:
                    return str(endpoint["url"])
        where = f" in {self._region} region" if self._region else ""
        raise Refused(
            f"public endpoint for orchestration service{where} not found",
            remedy="Look at the catalog there: region_name names a region of it.",
        )

    def _checked(self, reply: Reply) -> Any:
        """The answer's data; what is no success is an error of ours, with what was said there."""
        if reply.status < 300:
            return _json(reply) if reply.body[:1] in {b"{", b"["} else {}
        said = f"{self._endpoint} answered {reply.status}: {_said(reply)}"
        if reply.status in {401, 403}:
            raise Denied(said)
        if reply.status == 404:
            raise Missing(said)
        if reply.status == 409:
            raise Clash(said)
        if reply.status in {408, 429} or reply.status >= 500:
            raise Unavailable(said)
        raise Refused(said)


def _credentials(name: str, payload: str) -> Mapping[str, Any]:
    """The document of a secret; what is in it is in no message."""
    try:
        data = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        data = None
    auth = data.get("auth") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(auth, dict) or not auth.get("auth_url"):
        raise Refused(
            f"The secret {name!r} holds no credentials: JSON with `auth_type` and `auth`.",
            remedy="See `mantle secret add --help`.",
        )
    kind = str(data.get("auth_type") or "v3password")
    kind = kind if kind.startswith("v3") else f"v3{kind}"
    if kind not in KINDS:
        raise Refused(
            f"The secret {name!r} asks for auth_type {kind!r}.",
            remedy=f"Known: {', '.join(KINDS)}.",
        )
    return {"auth_type": kind, "auth": auth}


def _login(kind: str, auth: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "v3applicationcredential":
        credential: dict[str, Any] = {"secret": auth.get("application_credential_secret")}
        if auth.get("application_credential_id"):
            credential["id"] = auth["application_credential_id"]
        else:
            credential["name"] = auth.get("application_credential_name")
            credential["user"] = _user(auth)
        return {
            "identity": {
                "methods": ["application_credential"],
                "application_credential": credential,
            }
        }
    if kind == "v3token":
        identity: dict[str, Any] = {"methods": ["token"], "token": {"id": auth.get("token")}}
    else:
        user = {**_user(auth), "password": auth.get("password")}
        identity = {"methods": ["password"], "password": {"user": user}}
    project = _project(auth)
    return {"identity": identity, **({"scope": {"project": project}} if project else {})}


def _user(auth: Mapping[str, Any]) -> dict[str, Any]:
    if auth.get("user_id"):
        return {"id": auth["user_id"]}
    return {"name": auth.get("username"), "domain": _domain(auth, "user_domain")}


def _project(auth: Mapping[str, Any]) -> dict[str, Any] | None:
    if auth.get("project_id"):
        return {"id": auth["project_id"]}
    if auth.get("project_name"):
        return {"name": auth["project_name"], "domain": _domain(auth, "project_domain")}
    return None


def _domain(auth: Mapping[str, Any], which: str) -> dict[str, Any]:
    if auth.get(f"{which}_id"):
        return {"id": auth[f"{which}_id"]}
    return {"name": auth.get(f"{which}_name") or "Default"}


def _body(wish: FarWish) -> dict[str, Any]:
    body: dict[str, Any] = {
        "template": wish.template,
        "files": dict(wish.files),
        "environment": dict(wish.environment),
        "parameters": dict(wish.parameters),
    }
    if wish.timeout_minutes is not None:
        body["timeout_mins"] = wish.timeout_minutes
    return body


def _path(stack: FarStack) -> str:
    return f"/stacks/{quote(stack.name, safe='')}/{quote(stack.id, safe='')}"


def _stack(answer: Any) -> FarStack:
    try:
        found = answer["stack"]
        return FarStack(
            id=str(found["id"]),
            name=str(found["stack_name"]),
            state=str(found["stack_status"]),
            reason=str(found.get("stack_status_reason") or ""),
            updated_time=str(found.get("updated_time") or ""),
            tags=tuple(str(tag) for tag in found.get("tags") or ()),
            outputs={each["output_key"]: each.get("output_value") for each in found["outputs"]},
        )
    except (KeyError, TypeError) as error:
        raise Unavailable(f"What should be a stack there is none: {error!r} is missing.") from error


def _json(reply: Reply) -> Any:
    try:
        return msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unavailable(f"{reply.url} answered something that is no JSON.") from error


def _said(reply: Reply) -> str:
    try:
        error = msgspec.json.decode(reply.body)["error"]
        return str(error["message"])[:2000]
    except (msgspec.DecodeError, KeyError, TypeError, RecursionError):
        return reply.body[:200].decode(errors="replace")
