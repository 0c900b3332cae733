"""What is logged: in both forms, about whom, and never a secret."""

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from mantle.lib import logs

CANARY = "c4nary9f3a7b"


@pytest.fixture
def lines():
    """Configure, and read back."""
    before, handlers, level = structlog.get_config(), logging.getLogger().handlers[:], None
    level = logging.getLogger().level
    stream = io.StringIO()

    def configured(**how):
        logs.configure(stream=stream, **how)
        return stream

    yield configured
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def test_a_line_for_programs_says_about_whom_it_is(lines):
    """The context's and the event's; what is empty is left out."""
    stream = lines(as_json=True)
    with logs.about(request_id="req-1", operation=""):
        structlog.get_logger().info("operation begins", resource="web")
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "operation begins",
        "level": "info",
        "request_id": "req-1",
        "resource": "web",
    }


def test_libraries_log_in_the_same_form(lines):
    """From warnings on."""
    stream = lines(as_json=True)
    logging.getLogger("lib").info("quiet")
    logging.getLogger("lib").warning("password=%s", CANARY)
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["event"], line["logger"], line["level"]) == ("password=***", "lib", "warning")


def test_less_is_logged_where_less_is_asked_for(lines):
    """Everything below the level is left out."""
    stream = lines(level="warning")
    structlog.get_logger().info("one")
    structlog.get_logger().warning("two")
    assert ("one" in stream.getvalue(), "two" in stream.getvalue()) == (False, True)


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "said",
    [
        f"postgresql://mantle:{CANARY}@db/x refused",
        f"X-Auth-Token: {CANARY}",
        f"os_password={CANARY}&user=me",
        f'{{"auth": {{"password": "{CANARY}"}}}}',
        f"Authorization: Bearer {CANARY}",
        f"POST /signal/{CANARY} failed",
        f"gAAAAABk{CANARY}{CANARY}",
        {"auth": {"adminPass": CANARY}},
        [f"token={CANARY}"],
        ValueError(f"secret: {CANARY}"),
    ],
)
def test_what_looks_like_a_secret_is_masked(lines, said, as_json):
    """In words, in values, in what an exception says; the rest of the line stays."""
    stream = lines(as_json=as_json)
    log = structlog.get_logger()
    log.info("it said %s" % said, what=said)  # noqa: UP031, G002 - a text with it inside
    try:
        raise RuntimeError(f"while: {said}")
    except RuntimeError:
        log.exception("it broke")
    logging.getLogger("lib").error("it said %s", said)
    text = stream.getvalue()
    assert CANARY not in text
    assert ("it said" in text, "it broke" in text, "RuntimeError" in text) == (True, True, True)


@pytest.mark.parametrize("key", ["password", "auth_token", "secret", "adminPass", "private_key"])
def test_what_is_called_a_secret_is_masked(lines, key):
    """Whatever it looks like."""
    stream = lines()
    structlog.get_logger().info("so", **{key: CANARY})
    assert CANARY not in stream.getvalue()


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_masking_ends_for_whatever_it_is_given(value):
    """And masking again changes nothing."""
    once = logs.without_secrets(value)
    assert logs.without_secrets(once) == once
