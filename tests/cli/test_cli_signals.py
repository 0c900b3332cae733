"""`mantle stack signal` and `signals`."""

import json

import pytest


@pytest.mark.parametrize("data", [None, '{"status": "FAILURE"}'])
def test_a_signal_is_sent(shelf, mantle, data):
    """With the object that was given, or an empty one."""
    shelf.put("POST", "/v2/stacks/web/signals", None, 204)
    more = [] if data is None else ["--data", data]
    code, _, _ = mantle("stack", "signal", "web", "ready", *more)
    assert code == 0
    body = json.loads(data or "{}")
    assert shelf.sent("POST", "/v2/stacks/web/signals") == [{"resource": "ready", "body": body}]


@pytest.mark.parametrize("data", ["{", "[1]", '"x"'])
def test_a_signal_is_an_object(shelf, mantle, data):
    """Anything else is refused before it is sent."""
    code, _, err = mantle("stack", "signal", "web", "ready", "--data", data)
    assert (code, "--data" in err) == (2, True)
    assert shelf.requests == []


def test_signals_are_listed_with_their_bodies(shelf, mantle):
    """As they came."""
    signal = {"id": "1", "body": {"data": "ü"}, "received_at": "2026-11-21T02:00:00+00:00"}
    shelf.put("GET", "/v2/stacks/web/signals", {"signals": [signal]})
    code, out, _ = mantle("stack", "signals", "web", "ready")
    assert (code, '{"data": "ü"}' in out) == (0, True)
