"""A view of a cloud whose calls that change something ask first whether they still may.

A phase looks and then acts. Between the two an engine may have been frozen for so long that its
operation is another's (see `membership`), so the question stands before each deed and not only
before the phase. What only looks is not kept waiting.
"""

from collections.abc import Awaitable, Callable
from typing import Any

Prove = Callable[[], Awaitable[None]]

DEEDS = frozenset(
    {
        "create",
        "create_anew",
        "update",
        "delete",
        "power",
        "rebuild",
        "restore",
        "put",
        "drop",
        "resize",
        "migrate",
        "set_service",
    }
)  # fmt: skip
"""Methods of a session and of collections that change something."""

LOOKS = frozenset(
    {
        "find",
        "get",
        "list",
        "recall",
        "recall_named",
        "console",
        "deeds",
        "like",
        "flavors",
        "images",
        "quotas",
        "hosts",
        "guests",
        "services",
    }
)  # fmt: skip
"""Methods that only look. Together with `DEEDS` and `WAYS` all that the port has."""

WAYS = frozenset({"plain", "settings"})
"""Methods of a session that give a collection."""


class Guarded:
    """A session or one of its collections."""

    __slots__ = ("_inner", "_prove")

    def __init__(self, inner: Any, prove: Prove) -> None:
        self._inner = inner
        self._prove = prove

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What it stands for: whoever asks what a collection can do is told of the collection."""
        # Asked, not taken by `type`: what is inside may stand for something as well.
        return self._inner.__class__  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in WAYS:
            return lambda kind: Guarded(found(kind), self._prove)
        if name in DEEDS:
            prove = self._prove

            async def deed(*args: Any, **kwargs: Any) -> Any:
                await prove()
                return await found(*args, **kwargs)

            return deed
        if callable(found) or isinstance(found, str):
            return found
        return Guarded(found, self._prove)
