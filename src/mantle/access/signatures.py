"""AWS signatures, version 2 and 4: how a request is signed, and whether it is rightly. Pure.

A signature proves that the sender has the secret of a key, for this method, host, path, query and
body, at about this time. Version 2 signs the parameters alone; version 4 the headers it names and
the body too. Sources: AWS's "Signature Version 2 signing process" and "Signature Version 4 signing
process".
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

SKEW_SECONDS = 900.0
"""How far the sender's clock may be from ours, as with AWS."""
LONGEST_SECONDS = 7 * 86_400.0
"""How long a presigned request may last, as with AWS."""
SERVICE = "cloudformation"
ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
QUERY_LENGTH = 2_048
"""Parameters of a request; more are refused."""


class BadSignature(ValueError):
    """Not signed, or not rightly. `code` is AWS's name for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A request as its signature sees it."""

    method: str
    hosts: Sequence[str]
    """What the client may have taken the host for; one of them must have been signed."""
    path: str
    """As it was sent, escapes and all."""
    query: Sequence[tuple[str, str]]
    """Decoded."""
    form: Sequence[tuple[str, str]] = ()
    """The parameters of a form in the body, decoded."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
    body_hash: str | None = None
    """Given in place of the body where somebody else has it."""

    @property
    def parameters(self) -> dict[str, str]:
        """Query and form together."""
        return dict([*self.query, *self.form])


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a request says of its own signature, not yet believed."""

    access: str
    signature: str
    version: int
    at: float | None
    """When it was signed, seconds since the epoch; None when it does not say."""
    until: float | None = None
    """When a presigned request ends; None where the skew decides."""
    scope: str = ""
    """Of version 4: date/region/service/aws4_request."""
    signed_headers: tuple[str, ...] = ()
    presigned: bool = False


def claim_of(request: Signed) -> Claim:
    """Find the signature in header, query or form; raises `BadSignature` when there is none."""
    header = request.headers.get("authorization", "")
    if header.startswith(ALGORITHM):
        return _header_claim(request, header)
    parameters = request.parameters
    if parameters.get("X-Amz-Algorithm") == ALGORITHM:
        return _query_claim(parameters)
    if "Signature" in parameters or "AWSAccessKeyId" in parameters:
        return _second_claim(parameters)
    raise BadSignature(
        "IncompleteSignature", "The request is not signed with an access key and its secret."
    )


def check(request: Signed, claim: Claim, secret: str, now: float | None) -> None:
    """Raise `BadSignature` unless the secret made it, in time. `now` None does not ask the time."""
    if claim.version == 2:
        made = [sign_v2(secret, request.method, host, request) for host in request.hosts]
    else:
        made = [_sign_v4(secret, request, claim, host) for host in request.hosts]
    given = claim.signature.encode()
    if not any(hmac.compare_digest(one.encode(), given) for one in made):
        raise BadSignature(
            "SignatureDoesNotMatch",
            "The signature does not match the one computed here with this key's secret.",
        )
    if now is not None:
        check_time(claim, now)


def sign_v2(secret: str, method: str, host: str, request: Signed) -> str:
    """The signature of version 2 with SHA-256, in base 64."""
    parameters = [(k, v) for k, v in (*request.query, *request.form) if k != "Signature"]
    text = "\n".join([method, host.lower(), request.path, _canonical(parameters)])
    made = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(made).decode()


def check_time(claim: Claim, now: float) -> None:
    """Raise `BadSignature` for a claim that is not of about now."""
    if claim.at is None and claim.until is None:
        raise BadSignature("IncompleteSignature", "The signature does not say when it was made.")
    if claim.at is not None and claim.at - now > SKEW_SECONDS:
        raise BadSignature("RequestExpired", "The request was signed in the future: set the clock.")
    if claim.until is not None:
        if now > claim.until:
            raise BadSignature("RequestExpired", "The request has expired.")
    elif claim.at is not None and now - claim.at > SKEW_SECONDS:
        raise BadSignature(
            "RequestExpired", f"The request was signed more than {SKEW_SECONDS:.0f} s ago."
        )


# --- version 2 -------------------------------------------------------------------------------


def _second_claim(parameters: Mapping[str, str]) -> Claim:
    missing = [
        name
        for name in ("AWSAccessKeyId", "Signature", "SignatureVersion", "SignatureMethod")
        if not parameters.get(name)
    ]
    if missing:
        raise BadSignature("IncompleteSignature", f"The request has no {missing[0]}.")
    if parameters["SignatureVersion"] != "2" or parameters["SignatureMethod"] != "HmacSHA256":
        raise BadSignature(
            "IncompleteSignature",
            "Only signatures of version 2 with HmacSHA256, and of version 4, are accepted.",
        )
    return Claim(
        access=parameters["AWSAccessKeyId"],
        signature=parameters["Signature"],
        version=2,
        at=_moment(parameters.get("Timestamp")),
        until=_moment(parameters.get("Expires")),
    )


# --- version 4 -------------------------------------------------------------------------------

_PART = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")


def _header_claim(request: Signed, header: str) -> Claim:
    parts = dict(_PART.findall(header))
    dated = request.headers.get("x-amz-date", "")
    return _fourth_claim(parts, dated, None, presigned=False)


def _query_claim(parameters: Mapping[str, str]) -> Claim:
    parts = {
        name: parameters.get(f"X-Amz-{name}", "")
        for name in ("Credential", "SignedHeaders", "Signature")
    }
    seconds = parameters.get("X-Amz-Expires", "")
    lasts = float(seconds) if seconds.isascii() and seconds.isdecimal() else None
    if seconds and (lasts is None or lasts > LONGEST_SECONDS):
        raise BadSignature(
            "IncompleteSignature", f"X-Amz-Expires is at most {LONGEST_SECONDS:.0f} seconds."
        )
    return _fourth_claim(parts, parameters.get("X-Amz-Date", ""), lasts, presigned=True)


def _fourth_claim(
    parts: Mapping[str, str], dated: str, lasts: float | None, *, presigned: bool
) -> Claim:
    missing = [n for n in ("Credential", "SignedHeaders", "Signature") if not parts.get(n)]
    if missing:
        raise BadSignature("IncompleteSignature", f"The signature has no {missing[0]}.")
    access, _, scope = parts["Credential"].partition("/")
    names = scope.split("/")
    if len(names) != 4 or names[2:] != [SERVICE, TERMINATOR]:
        raise BadSignature(
            "IncompleteSignature",
            f"The credential's scope is not date/region/{SERVICE}/{TERMINATOR}.",
        )
    at = _moment(dated)
    if at is None or not dated.startswith(names[0]):
        raise BadSignature(
            "IncompleteSignature", "The date of the request and that of the scope differ."
        )
    headers = tuple(parts["SignedHeaders"].lower().split(";"))
    if "host" not in headers:
        raise BadSignature("IncompleteSignature", "The header Host is not signed.")
    return Claim(
        access=access,
        signature=parts["Signature"],
        version=4,
        at=at,
        until=None if lasts is None else at + lasts,
        scope=scope,
        signed_headers=headers,
        presigned=presigned,
    )


def _sign_v4(secret: str, request: Signed, claim: Claim, host: str) -> str:
    named = {**request.headers, "host": host}
    headers = "".join(
        f"{name}:{' '.join(named.get(name, '').split())}\n" for name in claim.signed_headers
    )
    query = [(k, v) for k, v in request.query if k != "X-Amz-Signature"]
    body = request.body_hash or hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join(
        [
            request.method,
            # What is escaped in the path is escaped once more.
            quote(request.path or "/", safe="/-_.~"),
            _canonical(query),
            headers,
            ";".join(claim.signed_headers),
            body,
        ]
    )
    dated = (
        request.parameters.get("X-Amz-Date", "")
        if claim.presigned
        else request.headers.get("x-amz-date", "")
    )
    text = "\n".join(
        [ALGORITHM, dated, claim.scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{secret}".encode()
    for part in claim.scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


# --- what both share -------------------------------------------------------------------------


def pairs(text: str) -> list[tuple[str, str]]:
    """A query or form, decoded; raises `BadSignature` when it has too many parameters."""
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_LENGTH)
    except ValueError:
        raise BadSignature(
            "MalformedQueryString", f"A request has at most {QUERY_LENGTH} parameters."
        ) from None


def _canonical(parameters: Iterable[tuple[str, str]]) -> str:
    encoded = sorted((_encoded(name), _encoded(value)) for name, value in parameters)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def _moment(text: str | None) -> float | None:
    """`20261121T100000Z`, `2026-11-21T10:00:00Z`, or seconds; None for anything else."""
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 12:
        return float(text)
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
