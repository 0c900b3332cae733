"""Collections that this cloud does not have: always empty, and nothing can be made in them."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from mantle.clouds.ports import CloudObject, Missing, Refused
from mantle.model.ids import Token

SpecT = TypeVar("SpecT", contravariant=True)
ObjectT = TypeVar("ObjectT", bound=CloudObject, covariant=True)


class Absent(Generic[SpecT, ObjectT]):
    """The verbs of a kind that there is none of. Templates that want one are refused before."""

    def __init__(self, noun: str, why: str) -> None:
        self._noun = noun
        self._why = why

    async def create(self, spec: SpecT, token: Token) -> ObjectT:  # noqa: ARG002
        raise Refused(f"The local cloud has no {self._noun}s: {self._why}.")

    async def find(self, token: Token) -> ObjectT | None:  # noqa: ARG002
        return None

    async def get(self, object_id: str) -> ObjectT:
        raise Missing(f"There is no {self._noun} {object_id!r} in this project.")

    async def list(self) -> Sequence[ObjectT]:
        return ()

    async def update(self, object_id: str, spec: SpecT) -> ObjectT:  # noqa: ARG002
        return await self.get(object_id)

    async def delete(self, object_id: str) -> None:
        await self.get(object_id)
