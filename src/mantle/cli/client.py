"""The HTTP client: logs in as any OpenStack client does, then speaks `/v2`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from mantle.cli.credentials import Credentials
from mantle.cli.exits import Exit, Stop, refusal

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 120.0
"""Planning a very large template takes its time; nothing else does."""
QUIET_SECONDS = 60.0
"""A stream that says nothing this long, not even a comment, is taken as broken and reopened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A token and where it is good."""

    token: str
    endpoint: str
    project: str = ""
    user: str = ""
    expires_at: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent message."""

    event: str
    data: str
    id: str


class Client:
    """One logged-in session. Every method returns JSON data or raises `Stop`."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        self._http = httpx.Client(timeout=timeout, headers={"User-Agent": "mantle-cli"})
        self._pass: Pass | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def log_in(self) -> Pass:
        """A token for the project, and the endpoint out of its catalog."""
        who = self._credentials
        if self._pass is None:
            if who.token and who.endpoint:
                self._pass = Pass(token=who.token, endpoint=who.endpoint)
            else:
                self._pass = self._authenticate()
        return self._pass

    def get(self, *path: str, **query: Any) -> Any:
        """`get("stacks", name, "events", after=5)`; each part of the path is quoted."""
        return self._call("GET", path, params=query)

    def post(self, *path: str, body: Mapping[str, Any], **query: Any) -> Any:
        """Send JSON."""
        return self._call("POST", path, json=body, params=query)

    def put(self, *path: str, body: Mapping[str, Any]) -> Any:
        """Send JSON."""
        return self._call("PUT", path, json=body)

    def delete(self, *path: str, **query: str | int) -> Any:
        """Ask for removal."""
        return self._call("DELETE", path, params=query)

    def stream(self, *path: str, **query: str | int) -> Iterator[Message]:
        """Messages of a server-sent stream, until it ends or breaks off."""
        timeout = httpx.Timeout(QUIET_SECONDS, connect=CONNECT_SECONDS)
        headers = self._headers() | {"Accept": "text/event-stream"}
        try:
            with self._http.stream(
                "GET", self._url(path), params=query, headers=headers, timeout=timeout
            ) as response:
                if not response.is_success:
                    response.read()
                    raise _refused(response)
                yield from messages(response.iter_lines())
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def _call(self, method: str, path: tuple[str, ...], **rest: Any) -> Any:
        response = self._send(method, self._url(path), headers=self._headers(), **rest)
        if response.status_code == 401 and self._credentials.source.endswith("login.json"):
            raise Stop(Exit.REFUSED, "Your login has expired.", remedy="Run mantle login again.")
        if not response.is_success:
            raise _refused(response)
        return response.json() if response.content else None

    def _send(self, method: str, url: str, **rest: Any) -> httpx.Response:
        try:
            return self._http.request(method, url, **rest)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from None

    def _headers(self) -> dict[str, str]:
        return {"X-Auth-Token": self.log_in().token, "Accept": "application/json"}

    def _url(self, path: tuple[str, ...]) -> str:
        return "/".join([self.log_in().endpoint, *(quote(part, safe="") for part in path)])

    def _authenticate(self) -> Pass:
        who = self._credentials
        url = f"{who.auth_url.rstrip('/')}/auth/tokens"
        response = self._send("POST", url, json=login_body(who))
        if response.status_code == 401:
            raise Stop(
                Exit.REFUSED,
                f"{who.auth_url} refused the login of {who.username!r} ({who.source}).",
                remedy="Check user, password and project, or run mantle login again.",
            )
        if not response.is_success:
            raise _refused(response)
        try:
            body = response.json()["token"]
        except (ValueError, KeyError, TypeError):
            raise Stop(
                Exit.UNREACHABLE,
                f"{url} answers, but not as an identity service does.",
                remedy="An auth URL ends in /identity/v3 for Mantle's own identity service.",
            ) from None
        return Pass(
            token=response.headers.get("X-Subject-Token", ""),
            endpoint=endpoint_in(body),
            project=body.get("project", {}).get("name", ""),
            user=body.get("user", {}).get("name", ""),
            expires_at=body.get("expires_at", ""),
        )

    def _unreachable(self, error: Exception) -> Stop:
        who = self._credentials
        where = who.endpoint or who.auth_url
        return Stop(
            Exit.UNREACHABLE,
            f"Mantle does not answer at {where}: {str(error) or type(error).__name__}",
            remedy="Is `mantle up` running? The address was read from "
            f"{who.source or 'the command line'}.",
        )


def _refused(response: httpx.Response) -> Stop:
    try:
        body = response.json()
    except ValueError:
        body = None
    return refusal(response.status_code, body)


def login_body(who: Credentials) -> dict[str, Any]:
    """The Keystone v3 request for a token in a project."""
    identity: dict[str, Any]
    if who.token:
        identity = {"methods": ["token"], "token": {"id": who.token}}
    else:
        user = {
            "name": who.username,
            "password": who.password,
            "domain": {"name": who.user_domain},
        }
        identity = {"methods": ["password"], "password": {"user": user}}
    auth: dict[str, Any] = {"identity": identity}
    if who.project_name:
        project = {"name": who.project_name, "domain": {"name": who.project_domain}}
        auth["scope"] = {"project": project}
    return {"auth": auth}


def endpoint_in(token: Mapping[str, Any]) -> str:
    """The root of `/v2`: beside the orchestration endpoint of the catalog, which Mantle serves."""
    for service in token.get("catalog", ()):
        if service.get("type") != "orchestration":
            continue
        for endpoint in service.get("endpoints", ()):
            url = str(endpoint.get("url", ""))
            if endpoint.get("interface") == "public" and "/heat/v1" in url:
                return url.partition("/heat/v1")[0] + "/v2"
    raise Stop(
        Exit.REFUSED,
        "The login's catalog names no orchestration service that is Mantle's.",
        remedy="Ask for a project-scoped login (project_name), and check the catalog.",
    )


def messages(lines: Iterator[str]) -> Iterator[Message]:
    """Server-sent messages out of lines, as the HTML standard reads them."""
    event, data, last = "message", list[str](), ""
    for line in lines:
        if not line:
            if data:
                yield Message(event, "\n".join(data), last)
            event, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            last = value
