"""The whole HTTP side as one ASGI application.

`/v2`, `/healthz`, `/readyz` and `/metrics` are Litestar's routes; the compatible APIs are mounted
beside them with routing of their own (`api/routing.py` says why).
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import structlog
from litestar import Litestar, Request, Response, Router, asgi, get
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp, ExceptionHandlersMap, Message, Receive, Scope, Send

from mantle import __version__
from mantle.access.caller import Caller
from mantle.access.ec2 import Signers
from mantle.access.identity import EmbeddedIdentity
from mantle.access.policy import check_scope
from mantle.access.ports import Authenticator
from mantle.api.cfn.endpoint import CfnEndpoint
from mantle.api.context import in_context, request_id_of
from mantle.api.faults import AUTHENTICATION, headers_of, own_fault, title
from mantle.api.heat.endpoint import HeatEndpoint
from mantle.api.identity.endpoint import IdentityEndpoint
from mantle.api.metrics import Metrics
from mantle.api.open_doors import Door, metadata, signals, told_path
from mantle.api.own.adoptions import AdoptionsController
from mantle.api.own.drift import DriftController, ProjectDriftController
from mantle.api.own.guards import GuardsController
from mantle.api.own.hooks import HooksController
from mantle.api.own.hosts import HostsController
from mantle.api.own.interventions import InterventionsController
from mantle.api.own.leaving import LeavingController
from mantle.api.own.limits import AdminController, LimitsController
from mantle.api.own.moves import MovesController
from mantle.api.own.others import CloudsController, OperationsController, whoami
from mantle.api.own.plans import PlansController
from mantle.api.own.policies import PoliciesController
from mantle.api.own.reconcile import ReconcileController
from mantle.api.own.secrets import SecretsController
from mantle.api.own.servers import ServersController
from mantle.api.own.signals import SignalsController
from mantle.api.own.sinks import SinksController
from mantle.api.own.stacks import StacksController
from mantle.api.own.sweeps import SweepsController
from mantle.api.own.validation import ValidationController
from mantle.api.scrape import MEDIA_TYPE, Scrape
from mantle.api.settings import ApiSettings
from mantle.model.errors import MantleError, Unauthorized, Unavailable
from mantle.stacks.control import Control
from mantle.stacks.shedding import refuse_questions_when_full
from mantle.store import operations as operation_rows

log = structlog.get_logger(__name__)


def create_app(
    control: Control,
    authenticator: Authenticator,
    *,
    identity: EmbeddedIdentity | None = None,
    signers: Signers | None = None,
    settings: ApiSettings | None = None,
    metrics: Metrics | None = None,
    leaving: Callable[[], bool] = lambda: False,
) -> Litestar:
    """The application. `identity` is given when Mantle keeps its own accounts, else `signers`.

    Once it is `leaving`, `/readyz` says so: load balancers then look for another process.

    `metrics` is given when something else counts with it: what both count is at /metrics here.
    """
    settings = settings or ApiSettings.around(control.settings.bounds.template_bytes)
    metrics = Metrics() if metrics is None else metrics

    request_id = request_id_of(control.new_id)
    heat = HeatEndpoint(
        control=control,
        authenticator=authenticator,
        settings=settings,
        metrics=metrics,
        new_request_id=request_id,
    )
    cfn = CfnEndpoint(
        control=control,
        identity=identity,
        signers=signers,
        settings=settings,
        metrics=metrics,
        new_request_id=request_id,
    )
    doors: list[tuple[str, Any]] = [
        ("/heat", heat),
        ("/cfn", cfn),
        (
            "/signal",
            Door(
                name="/signal",
                answer=signals(control),
                metrics=metrics,
                new_request_id=request_id,
            ),
        ),
        (
            "/metadata",
            Door(
                name="/metadata",
                answer=metadata(control),
                metrics=metrics,
                new_request_id=request_id,
            ),
        ),
    ]
    if identity is not None:
        endpoint = IdentityEndpoint(
            identity=identity,
            metrics=metrics,
            new_id=control.new_id,
            new_request_id=request_id,
            keys=control.machine.links.keys,
        )
        doors.append(("/identity", endpoint))
    return Litestar(
        route_handlers=[
            own_api(control, authenticator, metrics, request_id),
            *(_mount(path, door) for path, door in doors),
            *_probes(control, metrics, leaving),
        ],
        exception_handlers=_exception_handlers(request_id),
        middleware=[lambda app: in_context(app, control.new_id)],
        request_max_body_size=settings.body_limit_bytes,
        openapi_config=openapi_config(),
        debug=False,
        logging_config=None,
    )


def create_cfn_app(
    control: Control,
    identity: EmbeddedIdentity | None,
    metrics: Metrics,
    signers: Signers | None = None,
) -> ASGIApp:
    """The CFN-compatible API alone, for a port of its own: its paths begin with /v1.

    Its requests are counted in `metrics`, under the same names as those below /cfn, and are logged
    and traced as those are.
    """
    endpoint = CfnEndpoint(
        control=control,
        identity=identity,
        signers=signers,
        settings=ApiSettings.around(control.settings.bounds.template_bytes),
        metrics=metrics,
        new_request_id=request_id_of(control.new_id),
        below="",
    )
    # The only scopes that its server makes are of HTTP.
    return in_context(cast("ASGIApp", endpoint), control.new_id)


def own_api(
    control: Control,
    authenticator: Authenticator,
    metrics: Metrics,
    request_id: Callable[[], str],
) -> Router:
    """`/v2`: every route needs a token, and what it needs is in the project of the token."""

    async def provide_control() -> Control:
        return control

    async def provide_caller(request: Request[Any, Any, Any]) -> Caller:
        # First of all: to know who asks is a question as well.
        refuse_questions_when_full(control, request.method)
        token = request.headers.get("x-auth-token", "")
        if not token:
            raise Unauthorized(AUTHENTICATION, remedy="Send a token in X-Auth-Token.")
        caller = await authenticator.authenticate(token)
        caller.check_call(request.method, request.url.path)
        check_scope(caller)
        return replace(caller, request_id=request_id())

    return Router(
        path="/v2",
        route_handlers=[
            StacksController,
            DriftController,
            ProjectDriftController,
            HooksController,
            SignalsController,
            SecretsController,
            SinksController,
            ValidationController,
            LeavingController,
            MovesController,
            PlansController,
            OperationsController,
            InterventionsController,
            GuardsController,
            PoliciesController,
            LimitsController,
            AdminController,
            ReconcileController,
            CloudsController,
            HostsController,
            ServersController,
            SweepsController,
            AdoptionsController,
            whoami,
        ],
        dependencies={"control": Provide(provide_control), "caller": Provide(provide_caller)},
        middleware=[lambda app: _timed(app, metrics)],
        security=[{"token": []}],
    )


def openapi_config() -> OpenAPIConfig:
    """OpenAPI 3.1, at /v2/openapi.json."""
    return OpenAPIConfig(
        title="Mantle",
        version=__version__,
        description="Plans, operations, stacks and clouds.",
        path="/v2",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(
            security_schemes={
                "token": SecurityScheme(
                    type="apiKey",
                    name="X-Auth-Token",
                    security_scheme_in="header",
                    description="A Keystone token, from /identity/v3/auth/tokens.",
                )
            }
        ),
    )


def _mount(path: str, door: Any) -> Any:
    @asgi(path, is_mount=True, copy_scope=True)
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await door(scope, receive, send)

    return mounted


def _probes(control: Control, metrics: Metrics, leaving: Callable[[], bool]) -> list[Any]:
    @get("/healthz", include_in_schema=False, sync_to_thread=False)
    def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @get("/readyz", include_in_schema=False)
    async def readyz() -> dict[str, str]:
        """The database answers too, and the process is there to stay."""
        if leaving():
            raise Unavailable(
                "This process is about to end; it answers a little longer.",
                remedy="Ask another one.",
            )
        await control.database.read(operation_rows.counts)
        return {"status": "ready"}

    scrape = Scrape(metrics, control.database, control.clock)

    @get("/metrics", include_in_schema=False, media_type=MEDIA_TYPE)
    async def prometheus() -> bytes:
        """For Prometheus."""
        return await scrape.text()

    return [healthz, readyz, prometheus]


def _timed(app: ASGIApp, metrics: Metrics) -> ASGIApp:
    """Counts and times every request of the routes it is put around."""

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, noting)
        finally:
            route = str(scope.get("path_template") or "unknown")
            method = str(scope.get("method", ""))
            metrics.observe(method, route, status, time.perf_counter() - started)

    return timed


def _exception_handlers(new_request_id: Any) -> ExceptionHandlersMap:
    def refused(_: Request[Any, Any, Any], error: MantleError) -> Response[dict[str, Any]]:
        status, body = own_fault(error, new_request_id())
        return Response(body, status_code=status, headers=headers_of(error))

    def http(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
        if error.status_code >= 500:
            return broken(request, error)
        message = error.detail
        extra = error.extra if isinstance(error.extra, list) else []
        said = "; ".join(
            f"{item.get('key', '')} {item.get('message', '')}".strip() for item in extra
        )
        body = {
            "error": {
                "code": error.status_code,
                "type": title(error.status_code).replace(" ", ""),
                "message": f"{message}: {said}" if said else message,
                "remedy": "",
                "problems": [],
            },
            "request_id": new_request_id(),
        }
        return Response(body, status_code=error.status_code, headers=error.headers)

    def deep(_: Request[Any, Any, Any], __: RecursionError) -> Response[dict[str, Any]]:
        error = MantleError("The request nests too deeply.", remedy="Flatten it.")
        status, body = own_fault(error, new_request_id())
        return Response(body, status_code=status)

    def broken(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
        request_id = new_request_id()
        path = told_path(request.url.path)
        log.error("a request failed", path=path, request_id=request_id, exc_info=error)
        message = f"Mantle made a mistake. The log tells more under {request_id}."
        body = {
            "code": 500,
            "title": title(500),
            "explanation": message,
            "error": {
                "code": 500,
                "type": "HTTPInternalServerError",
                "message": message,
                "remedy": "Try again; if it stays, ask the operator.",
                "problems": [],
                "traceback": None,
            },
            "request_id": request_id,
        }
        return Response(body, status_code=500)

    return {MantleError: refused, HTTPException: http, RecursionError: deep, Exception: broken}
