"""The one table from our errors to HTTP: a fault's name, as Heat's clients know it, to a status.

Heat's error body, the Keystone middleware's 401 body and our own `/v2` body are all made here, so
that what a refusal says is decided in one place. No body ever holds a traceback.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from mantle.model.errors import Busy, Invalid, MantleError, Problem

STATUS: Mapping[str, int] = {
    "HTTPBadRequest": 400,
    "HTTPForbidden": 403,
    "HTTPNotFound": 404,
    "HTTPMethodNotAllowed": 405,
    "HTTPInternalServerError": 500,
    "Unauthorized": 401,
    "Forbidden": 403,
    "EntityNotFound": 404,
    "NotFound": 404,
    "ResourceNotFound": 404,
    "SnapshotNotFound": 404,
    "StackExists": 409,
    "ActionInProgress": 409,
    "Conflict": 409,
    "PlanStale": 409,
    "PlanExpired": 409,
    "PlanNotApplicable": 409,
    "StackProtected": 409,
    "ResourceProtected": 400,
    "PolicyDenied": 403,
    "StackValidationFailed": 400,
    "InvalidTemplateVersion": 400,
    "UserParameterMissing": 400,
    "UnknownUserParameter": 400,
    "CircularDependencyException": 400,
    "InvalidTemplateReference": 400,
    "NotSupported": 400,
    "ResourceActionNotSupported": 400,
    "ResourceTypeUnavailable": 400,
    "ValueError": 400,
    "RequestLimitExceeded": 400,
    "ServiceUnavailable": 503,
    "OutcomeUnknown": 504,
}
"""Fault to status. A fault that is not listed is what the caller wrote: 400."""

EXPLANATIONS: Mapping[int, str] = {
    400: "The request is malformed or asks for something that cannot be.",
    401: "The request carries no valid token.",
    403: "The token is valid but does not allow this request.",
    404: "What the request names could not be found.",
    405: "The method is not allowed for this resource.",
    409: "The request conflicts with the present state of what it names.",
    500: "The server has made a mistake and could not fulfil the request.",
    503: "A service that this one needs is not available.",
    504: "A service that this one needs did not say whether it has done what was asked.",
}

AUTHENTICATION = "The request you have made requires authentication."


def status_of(fault: str) -> int:
    """The HTTP status of a fault."""
    return STATUS.get(fault, 400)


def heat_body(status: int, fault: str, message: str) -> dict[str, Any]:
    """An error as Heat tells it."""
    return {
        "code": status,
        "title": title(status),
        "explanation": EXPLANATIONS.get(status, EXPLANATIONS[400]),
        "error": {"type": fault, "message": message, "traceback": None},
    }


def heat_fault(error: MantleError) -> tuple[int, dict[str, Any]]:
    """Status and body for Heat's clients. `problems` is ours: they ignore it, people do not."""
    status = status_of(error.fault)
    body = heat_body(status, error.fault, str(error))
    if isinstance(error, Invalid):
        body["error"]["problems"] = [problem_view(problem) for problem in error.problems]
    return status, body


def keystone_fault(status: int, message: str) -> dict[str, Any]:
    """An error as Keystone, and its middleware before every service, tells it."""
    return {"error": {"code": status, "title": title(status), "message": message}}


def own_fault(error: MantleError, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body for `/v2`: each part in a field of its own."""
    status = status_of(error.fault)
    problems = error.problems if isinstance(error, Invalid) else ()
    return status, {
        "error": {
            "code": status,
            "type": error.fault,
            "message": error.message,
            "remedy": error.remedy,
            "problems": [problem_view(problem) for problem in problems],
        },
        "request_id": request_id,
    }


def headers_of(error: Exception) -> dict[str, str]:
    """What else is told with a refusal."""
    return {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, Busy) else {}


def problem_view(problem: Problem) -> dict[str, Any]:
    """One finding in a template: what, where, and what to do."""
    mark = problem.mark
    return {
        "code": problem.code,
        "type": problem.fault,
        "message": problem.message,
        "path": problem.where,
        "file": mark.file if mark else None,
        "line": mark.line if mark else None,
        "column": mark.column if mark else None,
        "remedy": problem.remedy,
    }


def title(status: int) -> str:
    """The status's standard phrase."""
    return HTTPStatus(status).phrase
