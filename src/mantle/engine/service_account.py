"""What Mantle itself is at another Keystone, in the words of whoever checks tokens with it."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from mantle.access.keystone import KeystoneUnavailable
from mantle.clouds.ports import CloudError

REMEDY = "Try again; if it stays, have the operator run: mantle doctor."


class Tokens(Protocol):
    """Tokens of an entry of clouds.yaml (`clouds.openstack.tokens`)."""

    name: str

    async def token(self) -> str: ...
    async def renew(self) -> None: ...


class Account:
    """An `access.keystone.ServiceAccount`."""

    def __init__(self, tokens: Tokens) -> None:
        self.name = tokens.name
        self._tokens = tokens

    async def token(self) -> str:
        """One that is good for a while."""
        try:
            return await self._tokens.token()
        except CloudError as error:
            raise _unavailable(self.name, error) from error

    async def renew(self) -> None:
        """The last one was refused."""
        try:
            await self._tokens.renew()
        except CloudError as error:
            raise _unavailable(self.name, error) from error


def domain_id_of(name: str, ask: Callable[[], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
    """The id of the stack domain; without it nobody can be let in, as nobody can be told apart."""

    async def found() -> str:
        try:
            return await ask()
        except CloudError as error:
            raise _unavailable(name, error) from error

    return found


def _unavailable(name: str, error: CloudError) -> KeystoneUnavailable:
    return KeystoneUnavailable(
        f"Mantle's own account {name!r} cannot log in: {error.message}", remedy=REMEDY
    )
