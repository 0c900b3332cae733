"""The one door to openstacksdk: clouds.yaml, log-in, catalog, microversions, and sending a request.

The SDK is used for what it is best at: finding credentials, renewing tokens (a 401 in the middle
is one new log-in, unseen), finding endpoints and negotiating versions. Objects travel as the JSON
the services speak: the SDK's own resource classes cost several times the processor time of the
call they wrap, and each would have to be mapped to ours all the same.

Everything here blocks; `caller.py` runs it in threads.
"""

import functools
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mantle.clouds.openstack.errors import Lost, Service
from mantle.clouds.ports import CloudError, Denied, Refused, Unavailable

TIMEOUT_SECONDS = 60.0
"""For one answer of a service."""

MICROVERSIONS: Mapping[Service, tuple[str, str]] = {
    Service.COMPUTE: ("2.64", "2.79"),
    Service.VOLUME: ("3.47", "3.59"),
}
"""The lowest that Mantle works with, and the highest it knows: the best both sides have is used.

2.64 (Rocky) brought the policy of server groups in its present form, 2.57 user data at rebuild,
2.52 tags at boot; 3.47 volumes from backups."""

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A cloud of clouds.yaml, and where that file is when not at its usual place."""

    name: str
    file: Path | None = None
    region: str | None = None
    project: str | None = None
    """The project of Mantle's own accounts that it is for, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of a service's API."""

    service: Service
    method: str
    path: str
    params: Pairs = ()
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back, whatever its status."""

    status: int
    body: Any = None
    text: str = ""
    """The beginning of a body that is no JSON."""
    request_id: str = ""
    retry_after_seconds: float | None = None


@dataclass(slots=True)
class Door:
    """One project's connection to one cloud. May be used by many threads at once."""

    connection: Any
    project_id: str
    user_id: str
    admin: bool
    """The token may see other projects: what is theirs must be left out by us."""
    services: frozenset[Service]
    domain_id: str = ""
    """The domain the token is for, when it is for a domain."""
    _microversions: dict[Service, str] = field(default_factory=dict)

    def send(self, request: Request) -> Reply:
        """Ask and wait for the answer; `Lost` when there is none."""
        extra: dict[str, Any] = {}
        if request.service in MICROVERSIONS:
            extra["microversion"] = self._microversion(request.service)
        if request.body is not None:
            extra["json"] = request.body
        if request.headers:
            extra["headers"] = dict(request.headers)

        def ask() -> Any:
            # To make the adapter may be to look for the service's endpoint first, over the network.
            return self._adapter(request.service).request(
                request.path,
                request.method,
                params=list(request.params),
                raise_exc=False,
                connect_retries=0,
                **extra,
            )

        return _reply(_guarded(request.service, ask))

    def token(self) -> str:
        """A token of this connection's, renewed when it is about to end."""
        found = _guarded(Service.IDENTITY, self.connection.session.get_token)
        return str(found or "")

    def forget_token(self) -> None:
        """Keystone takes it no more."""
        self.connection.session.invalidate()

    def has(self, service: Service) -> bool:
        """Whether the catalog has it."""
        return service in self.services

    def _adapter(self, service: Service) -> Any:
        if service not in self.services:
            raise Refused(
                f"This cloud has no {service.value} service in its catalog.",
                remedy="Leave out what needs it, or choose another cloud.",
            )
        return getattr(self.connection, service.attribute)

    def _microversion(self, service: Service) -> str:
        if service not in self._microversions:
            lowest, highest = MICROVERSIONS[service]
            data = _guarded(service, lambda: self._adapter(service).get_endpoint_data())
            offered = data.max_microversion if data is not None else None
            best = min(offered or (0, 0), _version(highest))
            if best < _version(lowest):
                raise Refused(
                    f"The {service.value} service offers version {offered}; Mantle needs {lowest}.",
                    remedy="Upgrade the service.",
                )
            self._microversions[service] = f"{best[0]}.{best[1]}"
        return self._microversions[service]


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def open_door(
    entry: Entry, project_id: str | None, instead: Mapping[str, str] | None = None
) -> Door:
    """Log in; `project_id` asks for another project than the entry's own.

    `instead` is what the log-in says in place of the entry's scope: a `trust_id`, or an application
    credential in place of all that the entry knows of itself.
    """
    door: Door = _guarded(Service.IDENTITY, functools.partial(_open, entry, project_id, instead))
    return door


def _open(entry: Entry, project_id: str | None, instead: Mapping[str, str] | None) -> Door:
    openstack = importlib.import_module("openstack")
    config = importlib.import_module("openstack.config")
    files = {"config_files": [str(entry.file)]} if entry.file is not None else {}
    wanted: dict[str, Any] = {"region_name": entry.region} if entry.region else {}
    # The environment's OS_* belong to whoever started the process, not to this cloud.
    known = config.OpenStackConfig(load_envvars=False, **files)
    _choose_region(known, entry)
    bound = instead is None and _is_bound(known, entry)
    if instead is not None:
        wanted |= _instead(known, entry, instead)
    elif project_id is not None and not bound:
        wanted["auth"] = {"project_id": project_id}
    region = known.get_one(
        cloud=entry.name, app_name="mantle", api_timeout=TIMEOUT_SECONDS, **wanted
    )
    connection = openstack.connection.Connection(config=region)
    access = connection.session.auth.get_access(connection.session)
    if bound and project_id not in {None, access.project_id}:
        raise Denied(
            f"The application credential of {entry.name!r} is for another project than "
            f"{project_id}.",
            remedy="Keystone binds each to the project it was made in: use an entry with a "
            "password for several projects.",
        )
    types = {str(each.get("type")) for each in access.service_catalog.catalog}
    return Door(
        connection=connection,
        project_id=access.project_id or "",
        user_id=access.user_id or "",
        admin="admin" in (access.role_names or ()),
        services=frozenset(each for each in Service if types & set(each.types)),
        domain_id="" if access.project_id else access.domain_id or "",
    )


SCOPE = ("project_", "tenant_", "domain_", "system_", "trust_")
"""Beginnings of what says in clouds.yaml what a token is for. A `user_domain_…` is no such."""


def _choose_region(known: Any, entry: Entry) -> None:
    """The region that was asked for goes before the one that the entry itself names.

    An entry that lists its `regions` says something of each, and is left as it is.
    """
    cloud = (known.cloud_config.get("clouds") or {}).get(entry.name)
    if entry.region and cloud is not None and "regions" not in cloud:
        cloud["region_name"] = entry.region


def _is_bound(known: Any, entry: Entry) -> bool:
    """Whether the entry logs in with an application credential, which asks for no scope."""
    cloud = (known.cloud_config.get("clouds") or {}).get(entry.name) or {}
    named = {name.partition("_credential_")[0] for name in cloud.get("auth") or {}}
    return "application" in named or "applicationcredential" in str(cloud.get("auth_type", ""))


def _instead(known: Any, entry: Entry, instead: Mapping[str, str]) -> dict[str, Any]:
    """Take the entry's own scope away, which may be said once only."""
    clouds = known.cloud_config.get("clouds") or {}
    auth = clouds.get(entry.name, {}).get("auth") or {}
    whole = "application_credential_id" in instead
    for name in list(auth):
        if name.startswith(SCOPE) or (whole and name != "auth_url"):
            del auth[name]
    more: dict[str, Any] = {"auth": dict(instead)}
    return more | ({"auth_type": "v3applicationcredential"} if whole else {})


def _reply(answer: Any) -> Reply:
    try:
        body = answer.json() if answer.content else None
        text = ""
    except ValueError:
        body, text = None, answer.text[:500]
    headers = answer.headers
    return Reply(
        status=answer.status_code,
        body=body,
        text=text,
        request_id=headers.get("x-openstack-request-id")
        or headers.get("x-compute-request-id")
        or "",
        retry_after_seconds=_seconds(headers.get("Retry-After")),
    )


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None


def _guarded(service: Service, call: Any) -> Any:
    """The SDK's exceptions change nationality here, and nowhere else."""
    sdk = importlib.import_module("openstack.exceptions")
    auth = importlib.import_module("keystoneauth1.exceptions")
    try:
        return call()
    except CloudError:
        raise
    except (auth.Unauthorized, auth.MissingRequiredOptions, auth.AuthPluginException) as error:
        raise Denied(
            f"Keystone does not let Mantle in: {_said(error)}",
            remedy="Correct this cloud's credentials in clouds.yaml.",
        ) from error
    except (
        *(auth.ConnectFailure, auth.ConnectTimeout, auth.RequestTimeout, auth.SSLError),
        # Keystone away at the first log-in looks like this.
        auth.DiscoveryFailure,
    ) as error:
        raise Lost(f"{service.title} does not answer: {_said(error)}") from error
    except (auth.EndpointNotFound, auth.CatalogException, sdk.ServiceDiscoveryException) as error:
        raise Unavailable(
            f"{service.title} is in the catalog, but cannot be found: {_said(error)}",
            remedy="Ask the operator to correct the service's endpoint.",
        ) from error
    except (auth.HttpError, auth.InvalidResponse) as error:
        raise Unavailable(f"{service.title} failed: {_said(error)}") from error
    except sdk.ConfigException as error:
        raise Refused(
            f"clouds.yaml: {_said(error)}", remedy="Name a cloud that clouds.yaml has."
        ) from error
    except (auth.ClientException, sdk.SDKException) as error:
        raise Unavailable(f"{service.title} failed: {_said(error)}") from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:400]
