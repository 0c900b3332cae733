"""What all collections of the local cloud have in common: the six verbs over one shelf.

A collection says how an entry is made, changed and let go; this says the rest once: a token used
before answers the object made before, what is not there is `Missing`, what must take time is
settled outside the lock.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from mantle.clouds.local.shelf import Entry, Shelf
from mantle.clouds.local.state import Project, State
from mantle.clouds.ports import CloudObject, Missing
from mantle.model.ids import Token

SpecT = TypeVar("SpecT")
ObjectT = TypeVar("ObjectT", bound=CloudObject)
NotesT = TypeVar("NotesT")


class LocalCollection(Generic[SpecT, ObjectT, NotesT]):
    """One kind of object of one project. The lower verbs run in threads."""

    kind = "object"

    def __init__(self, state: State, project: Project, shelf: Shelf[ObjectT, NotesT]) -> None:
        self._state = state
        self._project = project
        self._shelf = shelf

    async def create(self, spec: SpecT, token: Token) -> ObjectT:
        return await self._state.run(self.create_now, spec, token)

    async def find(self, token: Token) -> ObjectT | None:
        return await self._state.run(self._find_now, token)

    async def get(self, object_id: str) -> ObjectT:
        return await self._state.run(self.get_now, object_id)

    async def list(self) -> Sequence[ObjectT]:
        return await self._state.run(self._list_now)

    async def update(self, object_id: str, spec: SpecT) -> ObjectT:
        return await self._state.run(self._update_now, object_id, spec)

    async def delete(self, object_id: str) -> None:
        await self._state.run(self.delete_now, object_id)

    # --- in a thread -------------------------------------------------------------------------

    def create_now(self, spec: SpecT, token: Token) -> ObjectT:
        """Decide and record under the lock, then do what takes time."""
        with self._state.lock:
            entry = self._shelf.find(token)
            if entry is None:
                entry = self._shelf.put(self._make(spec, token))
        self._settle(entry.object.id)
        return self.get_now(entry.object.id)

    def _find_now(self, token: Token) -> ObjectT | None:
        entry = self._shelf.find(token)
        return None if entry is None else self._view(entry)

    def get_now(self, object_id: str) -> ObjectT:
        """The object as it is now."""
        return self._view(self.entry(object_id))

    def _list_now(self) -> Sequence[ObjectT]:
        return [self._view(entry) for entry in self._shelf]

    def _update_now(self, object_id: str, spec: SpecT) -> ObjectT:
        with self._state.lock:
            entry = self._shelf.put(self._change(self.entry(object_id), spec))
        self._settle(entry.object.id)
        return self.get_now(object_id)

    def delete_now(self, object_id: str) -> None:
        """Let it go, unless something uses it."""
        with self._state.lock:
            entry = self.entry(object_id)
            self._check_unused(entry)
            self._let_go(entry)
        self._settle(object_id)

    def entry(self, object_id: str) -> Entry[ObjectT, NotesT]:
        """The entry, or `Missing`."""
        entry = self._shelf.get(object_id)
        if entry is None:
            raise Missing(f"There is no {self.kind} {object_id!r} in this project.")
        return entry

    # --- what a collection says for itself ---------------------------------------------------

    def _make(self, spec: SpecT, token: Token) -> Entry[ObjectT, NotesT]:
        raise NotImplementedError

    def _change(self, entry: Entry[ObjectT, NotesT], spec: SpecT) -> Entry[ObjectT, NotesT]:
        raise NotImplementedError

    def _view(self, entry: Entry[ObjectT, NotesT]) -> ObjectT:
        return entry.object

    def _check_unused(self, entry: Entry[ObjectT, NotesT]) -> None:
        """Raise `Clash` while something uses it."""

    def _let_go(self, entry: Entry[ObjectT, NotesT]) -> None:
        self._shelf.drop(entry.object.id)

    def _settle(self, object_id: str) -> None:
        """Do what takes time, after the record was written; must be safe to repeat."""

    def _new(self) -> tuple[str, float]:
        return self._state.settings.new_id(), self._state.settings.clock.now()

    def _keep(self, entry: Entry[ObjectT, NotesT], notes: NotesT) -> Entry[ObjectT, NotesT]:
        return self._shelf.put(replace(entry, notes=notes))
