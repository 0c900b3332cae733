"""Trusts that nobody needs any more are given back to Keystone."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog

from mantle.access.trusts import LOOKED_AT_SECONDS, TrustStore
from mantle.clouds.ports import CloudError
from mantle.lib.clock import Clock
from mantle.lib.looping import Loop

log = structlog.get_logger()

ROUND_SECONDS = 60.0
GRACE_SECONDS = LOOKED_AT_SECONDS + 60.0
"""Longer than a request may take a trust for good that it has not looked at."""


class Trustee(Protocol):
    """A cloud that works by trusts."""

    @property
    def give_back(self) -> Callable[[str], Awaitable[None]]:
        """Have Keystone delete the trust; one that is gone is no problem."""
        ...


class Trustees(Loop):
    """The loop. Opened and closed with the engine; of several engines any may give one back."""

    name = "trustees"

    def __init__(self, store: TrustStore, clock: Clock, clouds: Mapping[str, Trustee]) -> None:
        self._store = store
        self._clock = clock
        self._clouds = clouds

    async def _run(self) -> None:
        while True:
            try:
                await self.turn()
            except Exception:
                # The loop's one catch: a database that is away must not end it.
                log.exception("trusts could not be given back")
            await asyncio.sleep(ROUND_SECONDS)

    async def turn(self) -> None:
        """Give back those of projects that have no live stack on the cloud."""
        for trust in await self._store.unused(self._clock.now() - GRACE_SECONDS):
            cloud = self._clouds.get(trust.cloud)
            try:
                if cloud is not None:
                    await cloud.give_back(trust.trust_id)
            except CloudError as error:
                log.warning("a trust could not be given back", reason=error.message)
                continue
            await self._store.remove(trust)
