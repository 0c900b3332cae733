"""Signatures of AWS's: botocore signs, we check; and nothing that was not signed passes."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import SigV2Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from mantle.access import signatures
from mantle.access.ec2 import Replays
from mantle.access.signatures import BadSignature, Signed, check, claim_of, pairs

ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HOST = "127.0.0.1:8778"
NOW = 1_795_255_200.0
KEYS = Credentials(ACCESS, SECRET)
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
)


def prepared(request: AWSRequest, form: dict | None = None) -> Signed:
    """The request as a server sees it."""
    sent = request.prepare()
    parts = urlsplit(sent.url)
    body = sent.body or b""
    return Signed(
        method=sent.method,
        hosts=(HOST,),
        path=parts.path,
        query=parse_qsl(parts.query, keep_blank_values=True),
        form=list((form or {}).items()),
        headers={name.lower(): str(value) for name, value in sent.headers.items()},
        body=body if isinstance(body, bytes) else body.encode(),
    )


def fourth(parameters: dict, *, how=SigV4Auth, body: bytes = b"", **more) -> Signed:
    """Signed by version 4, just now."""
    method = "POST" if body else "GET"
    request = AWSRequest(
        method, f"http://{HOST}/cfn/v1/", params=parameters, data=body, headers={"Host": HOST}
    )
    how(KEYS, "cloudformation", "RegionOne", **more).add_auth(request)
    return prepared(request)


def second(parameters: dict) -> Signed:
    """Signed by version 2, just now."""
    request = AWSRequest("POST", f"http://{HOST}/cfn/v1/", data={"Version": "1", **parameters})
    SigV2Auth(KEYS).add_auth(request)
    return replace(prepared(AWSRequest("POST", f"http://{HOST}/cfn/v1/"), request.data))


def clock() -> float:
    return datetime.now(UTC).timestamp()


def refused(request: Signed, now: float | None = None) -> str:
    """AWS's code for the refusal; empty when it passes."""
    try:
        check(request, claim_of(request), SECRET, clock() if now is None else now)
    except BadSignature as error:
        return error.code
    return ""


@given(st.dictionaries(TEXT, TEXT, max_size=4), st.binary(max_size=20))
def test_what_botocore_signs_by_version_4_passes(parameters, body):
    """Whatever stands in query and body."""
    assert refused(fourth(parameters, body=body)) == ""


@given(st.dictionaries(TEXT, TEXT, max_size=4))
def test_what_botocore_presigns_passes(parameters):
    """The signature in the query, good for as long as it says."""
    request = fourth(parameters, how=SigV4QueryAuth, expires=60)
    claim = claim_of(request)
    assert (claim.presigned, claim.until) == (True, claim.at + 60)
    assert refused(request) == ""
    assert refused(request, now=claim.at + 61) == "RequestExpired"


@given(st.dictionaries(st.text("abcXYZ.019", min_size=1), TEXT, max_size=4))
def test_what_botocore_signs_by_version_2_passes(parameters):
    """As the oldest of Heat's clients do."""
    assert refused(second(parameters)) == ""


SPOILS = {
    "another method": {"method": "PUT"},
    "another path": {"path": "/cfn/v1/other"},
    "another host": {"hosts": ("evil.example",)},
    "a parameter more": {"query": [("Action", "ListStacks"), ("x", "y")]},
    "a parameter less": {"query": []},
    "another body": {"body": b"other"},
}


@pytest.mark.parametrize("what", SPOILS)
@pytest.mark.proves("api: CFN signatures")
def test_a_signature_is_for_one_request_only(what):
    """Nothing of what was signed may change on the way."""
    signed = fourth({"Action": "ListStacks"}, body=b"body")
    assert refused(replace(signed, **SPOILS[what])) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("what", [one for one in SPOILS if one != "another body"])
def test_a_signature_of_version_2_too(what):
    """It does not cover the body, which therefore must be the form that was signed."""
    signed = second({"Action": "ListStacks"})
    assert refused(replace(signed, **SPOILS[what])) in (
        {"", "SignatureDoesNotMatch"} if what == "a parameter less" else {"SignatureDoesNotMatch"}
    )


def test_another_secret_does_not_pass():
    """Nor a signature cut short, nor none."""
    signed = second({"Action": "ListStacks"})
    claim = claim_of(signed)
    for spoilt in (replace(claim, signature=claim.signature[:-2]), replace(claim, signature="")):
        with pytest.raises(BadSignature):
            check(signed, spoilt, SECRET, clock())
    with pytest.raises(BadSignature):
        check(signed, claim, SECRET[:-1], clock())


@pytest.mark.parametrize("seconds", [-901, 901])
def test_a_signature_is_of_now(seconds):
    """A quarter of an hour either way, as with AWS."""
    for signed in (fourth({}), second({})):
        at = claim_of(signed).at
        assert refused(signed, now=at - seconds) == "RequestExpired"
        assert refused(signed, now=at - seconds * 0.99) == ""


HEADER = f"AWS4-HMAC-SHA256 Credential={ACCESS}/20261121/r/cloudformation/aws4_request, "


@pytest.mark.parametrize(
    "request_",
    [
        Signed(method="GET", hosts=(), path="/", query=[]),
        Signed(method="GET", hosts=(), path="/", query=[("AWSAccessKeyId", "a")]),
        Signed(
            method="GET",
            hosts=(),
            path="/",
            query=[
                *(("AWSAccessKeyId", "a"), ("Signature", "s")),
                *(("SignatureVersion", "1"), ("SignatureMethod", "HmacSHA1")),
            ],
        ),
        *(
            Signed(method="GET", hosts=(), path="/", query=[], headers={"authorization": header})
            for header in (
                "AWS4-HMAC-SHA256",
                HEADER + "SignedHeaders=host",
                HEADER + "SignedHeaders=x-amz-date, Signature=s",
                HEADER.replace("cloudformation", "s3") + "SignedHeaders=host, Signature=s",
                HEADER.replace("20261121", "20251121") + "SignedHeaders=host, Signature=s",
                "Bearer abc",
                "AWS4-HMAC-SHA256 " + "=," * 5000,
            )
        ),
        Signed(
            method="GET",
            hosts=(),
            path="/",
            query=[("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Expires", "999999999")],
        ),
    ],
)
def test_what_is_not_signed_well_formed_is_incomplete(request_):
    """Told as AWS tells it, before any key is looked at."""
    with pytest.raises(BadSignature) as told:
        claim_of(request_)
    assert told.value.code == "IncompleteSignature"


@given(st.text(max_size=200))
def test_no_header_breaks_the_reader(text):
    """Whatever stands in Authorization: a claim or a refusal."""
    request = Signed(
        method="GET",
        hosts=(HOST,),
        path="/",
        query=[("X-Amz-Date", text)],
        headers={"authorization": "AWS4-HMAC-SHA256 " + text, "x-amz-date": text},
    )
    assert refused(request) != ""


def test_a_query_has_so_many_parameters():
    """More are not even taken apart."""
    with pytest.raises(BadSignature):
        pairs("&".join(["a=b"] * (signatures.QUERY_LENGTH + 1)))


def test_a_body_may_be_given_by_its_hash():
    """As a service does that asks for a token on behalf of a request."""
    signed = fourth({"a": "b"}, body=b"text")
    hashed = replace(signed, body=b"", body_hash=hashlib.sha256(b"text").hexdigest())
    assert refused(hashed) == ""


def test_of_two_equal_requests_only_one_is_carried_out():
    """At once or later; but one that failed may be sent again as it was."""
    replays = Replays()
    claim = claim_of(second({"Action": "CreateStack"}))
    with pytest.raises(ZeroDivisionError), replays.once(claim, NOW):
        raise ZeroDivisionError
    with replays.once(claim, NOW), pytest.raises(BadSignature), replays.once(claim, NOW):
        pass
    with pytest.raises(BadSignature), replays.once(claim, NOW + 899):
        pass
