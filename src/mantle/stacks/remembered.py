"""A view of a cloud that asks for each object once: for one request that reads many of them."""

from collections.abc import Sequence
from typing import Any

from mantle.clouds.ports import CloudObject, Session


class _Collection:
    """Answers what it has been told; what it is asked first is asked of the cloud."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind
        self._known: dict[str, CloudObject] = {}
        self._all: Sequence[CloudObject] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def remember(self, found: CloudObject) -> None:
        """It need not be asked for."""
        self._known[found.id] = found

    async def get(self, object_id: str) -> CloudObject:
        """By id; `Missing` when it is not there."""
        if object_id not in self._known:
            self.remember(await self._behind.get(object_id))
        return self._known[object_id]

    async def list(self) -> Sequence[CloudObject]:
        """All of the project."""
        if self._all is None:
            self._all = await self._behind.list()
            for each in self._all:
                self.remember(each)
        return self._all


class Remembered:
    """The session; its collections are made when they are first asked for."""

    def __init__(self, behind: Session) -> None:
        self._behind = behind
        self._collections: dict[str, Any] = {}

    def plain(self, kind: str) -> Any:
        """Plain objects of one kind."""
        return self._collections.setdefault(f"plain/{kind}", _Collection(self._behind.plain(kind)))

    def __getattr__(self, name: str) -> Any:
        known = self._collections.get(name)
        if known is None:
            there = getattr(self._behind, name)
            known = _Collection(there) if hasattr(there, "list") else there
            self._collections[name] = known
        return known
