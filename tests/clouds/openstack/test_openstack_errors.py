"""What each service's refusal means: the words are the services' own, read from the real ones."""

import pytest

from mantle.clouds import ports as p
from mantle.clouds.openstack.errors import Busy, Service, meaning

NOVA, NEUTRON, CINDER, OCTAVIA = (
    Service.COMPUTE,
    Service.NETWORK,
    Service.VOLUME,
    Service.BALANCER,
)


def neutron(kind: str, message: str) -> dict:
    return {"NeutronError": {"type": kind, "message": message, "detail": ""}}


@pytest.mark.parametrize(
    ("service", "method", "status", "body", "error"),
    [
        (
            NOVA,
            "POST",
            403,
            {"forbidden": {"code": 403, "message": "Quota exceeded for instances: Requested 1"}},
            p.Exhausted,
        ),
        (CINDER, "POST", 413, {"overLimit": {"message": "VolumeLimitExceeded: 10"}}, p.Exhausted),
        (
            NEUTRON,
            "POST",
            409,
            neutron("OverQuota", "Quota exceeded for resources: ['network']."),
            p.Exhausted,
        ),
        (
            OCTAVIA,
            "POST",
            403,
            {"faultcode": "Client", "faultstring": "Quota has been met for resources: Pool"},
            p.Exhausted,
        ),
        (
            NEUTRON,
            "POST",
            409,
            neutron("IpAddressGenerationFailure", "No more IP addresses available on network x."),
            p.Exhausted,
        ),
        (
            NOVA,
            "POST",
            403,
            {"forbidden": {"message": "Policy doesn't allow os_compute_api:x to be performed."}},
            p.Denied,
        ),
        (
            NOVA,
            "GET",
            401,
            {"error": {"message": "The request you have made requires …"}},
            p.Unavailable,
        ),
        (
            NOVA,
            "GET",
            404,
            {"itemNotFound": {"message": "Instance x could not be found."}},
            p.Missing,
        ),
        (
            NEUTRON,
            "POST",
            404,
            neutron("NetworkNotFound", "Network x could not be found."),
            p.Refused,
        ),
        (NEUTRON, "DELETE", 409, neutron("NetworkInUse", "There are one or more ports"), p.Clash),
        (NEUTRON, "DELETE", 409, neutron("SubnetInUse", "One or more ports have an IP"), p.Clash),
        (
            CINDER,
            "DELETE",
            400,
            {"badRequest": {"message": "Invalid volume: Volume status must be available or …"}},
            p.Clash,
        ),
        (
            OCTAVIA,
            "DELETE",
            400,
            {"faultstring": "Cannot delete Load Balancer x - it has children"},
            p.Clash,
        ),
        (
            OCTAVIA,
            "PUT",
            409,
            {"faultstring": "Load Balancer x is immutable and cannot be updated."},
            p.Clash,
        ),
        (
            NOVA,
            "POST",
            409,
            {
                "conflictingRequest": {
                    "message": "Cannot 'reboot' instance while it is in task_state"
                }
            },
            p.Clash,
        ),
        (
            NOVA,
            "POST",
            409,
            {"conflictingRequest": {"message": "Key pair 'x' already exists."}},
            p.Refused,
        ),
        (NOVA, "POST", 400, {"badRequest": {"message": "Invalid input for field name"}}, p.Refused),
        (NOVA, "POST", 429, {"overLimit": {"message": "Slow down"}}, Busy),
        (NOVA, "POST", 413, {"overLimit": {"message": "Rate limited, retry later"}}, Busy),
        (NOVA, "POST", 500, {"computeFault": {"message": "Unexpected API Error."}}, p.Unavailable),
        (NEUTRON, "GET", 503, None, p.Unavailable),
    ],
)
def test_a_refusal_means_one_error(service, method, status, body, error):
    """Exactly that class: a quota is not a right, what passes is not what is wrong for ever."""
    found = meaning(service, method, "/things", status, body, "", "req-1")
    assert type(found) is error, found


def test_an_error_says_where_it_comes_from():
    """Service, call, status, the service's words, the request's id; and what to do."""
    body = {"forbidden": {"message": "Quota exceeded for instances: Requested 1, used 3 of 3"}}
    found = meaning(NOVA, "POST", "/servers", 403, body, "", "req-42")
    assert str(found) == (
        "Nova: POST /servers answered 403: Quota exceeded for instances: Requested 1, used 3 of 3, "
        "request req-42"
    )
    assert found.remedy


def test_what_is_no_json_is_told_as_text():
    """A proxy's page, without its markup."""
    text = "<html><h1>503 Service Unavailable</h1>No server is available</html>"
    found = meaning(NOVA, "GET", "/servers", 503, None, text, "")
    assert str(found) == (
        "Nova: GET /servers answered 503: 503 Service Unavailable No server is available"
    )


def test_success_is_no_error():
    assert meaning(NOVA, "GET", "/servers", 200, {}, "", "") is None
