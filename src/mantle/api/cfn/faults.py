"""From our errors to those of the Query protocol: code, status, and whose mistake it was."""

from collections.abc import Mapping

from mantle.access.signatures import BadSignature
from mantle.api.faults import status_of
from mantle.model.errors import MantleError

CODES: Mapping[str, str] = {
    "StackExists": "AlreadyExists",
    "Forbidden": "AccessDenied",
    "HTTPForbidden": "AccessDenied",
    "PolicyDenied": "AccessDenied",
    "Unauthorized": "InvalidClientTokenId",
    "ActionInProgress": "InvalidAction",
    "RequestLimitExceeded": "RequestLimitExceeded",
    "ServiceUnavailable": "ServiceUnavailable",
    "OutcomeUnknown": "OutcomeUnknown",
    "MissingAction": "MissingAction",
    "InvalidAction": "InvalidAction",
    "MissingParameter": "MissingParameter",
    "InvalidParameterCombination": "InvalidParameterCombination",
}
"""Fault to code. Any other refusal is of what the caller wrote: InvalidParameterValue."""

STATUSES: Mapping[str, int] = {
    "AccessDenied": 403,
    "InvalidClientTokenId": 403,
    "SignatureDoesNotMatch": 403,
    "ServiceUnavailable": 503,
    "OutcomeUnknown": 504,
}
"""Code to status; 400 for the rest."""


def told(error: MantleError | BadSignature) -> tuple[int, str, str]:
    """Status, code and message."""
    if isinstance(error, BadSignature):
        return STATUSES.get(error.code, 400), error.code, str(error)
    if status_of(error.fault) >= 500 and error.fault not in CODES:
        return 500, "InternalFailure", str(error)
    code = CODES.get(error.fault, "InvalidParameterValue")
    return STATUSES.get(code, 400), code, str(error)
