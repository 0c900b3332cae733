"""A task that goes round for as long as its owner is open."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import ClassVar


class Loop(ABC):
    """Begins with `open`, is cancelled with `close`; what it does is in `_run`."""

    name: ClassVar[str]
    """What the task is called."""
    _task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def close(self) -> None:
        """Stop where it stands."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @abstractmethod
    async def _run(self) -> None:
        """Go round, until it is cancelled."""
