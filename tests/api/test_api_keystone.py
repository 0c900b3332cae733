"""Tokens checked by another Keystone: here our own identity service, over a real socket."""

import asyncio

import httpx
import pytest

from mantle.access.keystone import KeystoneAuthenticator, KeystoneUnavailable
from mantle.model.errors import Unauthorized

PASSWORD = "correct horse"


class Time:
    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at


class Service:
    """An account of ours at Keystone; it logs in when a token is wanted."""

    name = "ours"

    def __init__(self, base: str, password: str) -> None:
        self.base = base
        self.password = password
        self.renewed = 0

    async def token(self) -> str:
        user = {"id": "u-root", "password": self.password}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity}}
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"{self.base}/identity/v3/auth/tokens", json=body)
        if answer.status_code != 201:
            raise KeystoneUnavailable("Mantle's own account cannot log in.")
        return answer.headers["X-Subject-Token"]

    async def renew(self) -> None:
        self.renewed += 1


def ask(authenticator, *tokens):
    """Authenticate one token after another; refusals are answered as their class."""

    async def run():
        found = []
        for token in tokens:
            try:
                found.append(await authenticator.authenticate(token))
            except (Unauthorized, KeystoneUnavailable) as error:
                found.append(type(error))
        await authenticator.close()
        return found

    return asyncio.run(run())


def test_a_token_is_checked_with_itself(base, people):
    """Without an account of ours at Keystone."""
    (caller,) = ask(KeystoneAuthenticator(f"{base}/identity", Time()), people["looker"].token)
    assert (caller.user_name, caller.project_id, caller.roles) == (
        "looker",
        "p-ours",
        frozenset({"reader"}),
    )


def test_a_token_is_checked_with_the_services_own(base, people):
    """Which Keystone asks for where tokens may not be checked by their holders."""
    service = Service(base, PASSWORD)
    authenticator = KeystoneAuthenticator(f"{base}/identity/v3", Time(), service=service)
    first, second = ask(authenticator, people["stranger"].token, "wrong")
    assert first.project_name == "theirs"
    assert second is Unauthorized


def test_a_wrong_service_account_is_our_fault_not_the_callers(base, people):
    """503, so that nobody looks for the mistake in a token that is right."""
    service = Service(base, "wrong")
    authenticator = KeystoneAuthenticator(base + "/identity", Time(), service=service)
    assert ask(authenticator, people["maker"].token) == [KeystoneUnavailable]


@pytest.mark.parametrize("token", ["wrong", "ünïcode", "a b", "x" * 5000])
def test_wrong_tokens_are_refused(base, token):
    """Whatever they look like."""
    assert ask(KeystoneAuthenticator(f"{base}/identity", Time()), token) == [Unauthorized]


def test_an_answer_is_kept_for_a_minute(base, people):
    """A revoked token lives on no longer than that."""
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"id": "u-maker", "password": PASSWORD}},
            }
        }
    }
    url = f"{base}/identity/v3/auth/tokens"
    token = httpx.post(url, json=body).headers["X-Subject-Token"]
    time = Time()
    authenticator = KeystoneAuthenticator(f"{base}/identity", time)

    async def run():
        await authenticator.authenticate(token)
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        async with httpx.AsyncClient() as client:
            assert (await client.delete(url, headers=headers)).status_code == 204
        time.at = 59.0
        await authenticator.authenticate(token)
        time.at = 60.0
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(token)
        await authenticator.close()

    asyncio.run(run())


def test_a_keystone_that_is_not_there():
    """Tried more than once, then told as what it is."""
    authenticator = KeystoneAuthenticator("http://127.0.0.1:9", Time())
    assert ask(authenticator, "token") == [KeystoneUnavailable]
