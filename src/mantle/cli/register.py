"""`mantle register`: tell a Keystone's catalog where Mantle is, so that its users find it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from mantle.cli.credentials import Credentials, find_credentials
from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, Common

SERVICES = (
    ("orchestration", "mantle", "/heat/v1/%(project_id)s"),
    ("cloudformation", "mantle-cfn", "/cfn/v1"),
)
"""Type, name and path, as `openstack stack` and CFN clients look for them."""

INTERFACES = ("public", "internal", "admin")


def register(
    *,
    url: Annotated[str, Parameter(help="Where Mantle is reached by its users.")],
    region: Annotated[str, Parameter(help="The region the endpoints are of.")] = "RegionOne",
    common: Common = NOTHING,
) -> Exit:
    """Put Mantle into a Keystone's service catalog; `openstack stack …` finds it from then on.

    Log in as an administrator of that Keystone. What is there already is brought to this address;
    running it again changes nothing. An orchestration service of another name is left alone.

    Try:

        mantle register --cloud real-admin --url http://mantle.example.org:8778
    """
    import httpx  # noqa: PLC0415 - `--help` needs no HTTP

    who = find_credentials(os.environ, Path.home(), common.cloud)
    with httpx.Client(timeout=30.0) as http:
        keystone = Keystone(http, who)
        rows = []
        for kind, name, path in SERVICES:
            service_id, done = keystone.service(kind, name)
            rows.append((kind, name, "service", done))
            for interface in INTERFACES:
                wanted = url.rstrip("/") + path
                rows.append(
                    (
                        kind,
                        interface,
                        wanted,
                        keystone.endpoint(service_id, interface, region, wanted),
                    )
                )
    common.screen.table(("service", "what", "value", "done"), rows)
    return Exit.OK


class Keystone:
    """The few calls of the identity API that are needed."""

    def __init__(self, http: Any, who: Credentials) -> None:
        from mantle.cli.client import login_body  # noqa: PLC0415

        self._http = http
        root = who.auth_url.rstrip("/").removesuffix("/v3")
        self._root = f"{root}/v3"
        self._headers: dict[str, str] = {}
        answer = self.send("POST", "/auth/tokens", login_body(who), raw=True)
        self._headers = {"X-Auth-Token": answer.headers.get("X-Subject-Token", "")}

    def service(self, kind: str, name: str) -> tuple[str, str]:
        """(id, what was done)."""
        there = self.send("GET", f"/services?type={kind}")["services"]
        for each in there:
            if each["name"] == name:
                return each["id"], "is there"
        if there:
            raise Stop(
                Exit.CONFLICT,
                f"The catalog has a service of type {kind} already: {there[0]['name']}.",
                remedy="Clients would not know which to use. Delete it, then register again.",
            )
        body = {"service": {"type": kind, "name": name, "description": "Mantle"}}
        return str(self.send("POST", "/services", body)["service"]["id"]), "made"

    def endpoint(self, service_id: str, interface: str, region: str, url: str) -> str:
        """What was done."""
        query = f"service_id={service_id}&interface={interface}&region_id={region}"
        fields = {"service_id": service_id, "interface": interface, "region_id": region, "url": url}
        for each in self.send("GET", f"/endpoints?{query}")["endpoints"]:
            if each["url"] == url:
                return "is there"
            self.send("PATCH", f"/endpoints/{each['id']}", {"endpoint": fields})
            return "changed"
        self.send("POST", "/endpoints", {"endpoint": fields})
        return "made"

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, raw: bool = False
    ) -> Any:
        """The body of the answer; None when it has none. `raw`: the answer itself."""
        import httpx  # noqa: PLC0415

        try:
            answer = self._http.request(method, self._root + path, json=body, headers=self._headers)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Stop(Exit.UNREACHABLE, f"Keystone does not answer at {self._root}.") from error
        if answer.status_code in {401, 403}:
            raise Stop(
                Exit.REFUSED,
                f"Keystone does not allow {method} {path.partition('?')[0]}.",
                remedy="Log in as an administrator: --cloud ENTRY.",
            )
        if not answer.is_success:
            raise Stop(Exit.SERVER, f"Keystone answered {answer.status_code} to {method} {path}.")
        if raw:
            return answer
        return answer.json() if answer.content else None
