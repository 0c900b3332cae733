"""Collections that this cloud does not have: always empty, and nothing can be made in them."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from mantle.clouds.ports import CloudObject, Missing, PlainObject, PlainSpec, Refused
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


class AbsentPlain(Absent[PlainSpec, PlainObject]):
    """Plain objects that there are none of."""

    async def like(self, spec: PlainSpec) -> PlainObject | None:  # noqa: ARG002
        return None


class AbsentSettings:
    """Settings that nothing here has."""

    def __init__(self, noun: str, why: str) -> None:
        self._noun = noun
        self._why = why

    async def get(self, target: str) -> Mapping[str, Any]:
        raise Missing(f"There is no {self._noun} of {target!r}: {self._why}.")

    async def put(self, target: str, values: Mapping[str, Any], before: Mapping[str, Any]) -> None:  # noqa: ARG002
        raise Refused(f"The local cloud has no {self._noun}s: {self._why}.")

    async def drop(self, target: str, values: Mapping[str, Any]) -> None:  # noqa: ARG002
        return
