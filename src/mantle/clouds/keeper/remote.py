"""The using side: a cloud of another process behind the port.

One connection for all clouds and projects; calls are written as they come and answered in any
order. While a keeper is replaced, calls wait for the next one. Of what was under way when it ended,
questions are asked again; the rest fails as `Unavailable`, and the engine tries it again with the
same token.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mantle.clouds.keeper.wire import (
    ERRORS,
    PLAIN,
    SETTING,
    SIGNATURES,
    About,
    Call,
    Reply,
    framed,
    read,
)
from mantle.clouds.ports import CloudInfo, Refused, Unavailable
from mantle.model.ids import ProjectId
from mantle.model.schema import Limitation

CALL_SECONDS = 600.0
"""Longer than any call of the port takes: all of them begin something, none waits for its end."""

PATIENCE_SECONDS = 10.0
"""So long a call waits for a keeper to be there: one is replaced in a second or two."""

KNOCK_SECONDS = 0.1

QUESTIONS = frozenset({"names", "about", "metadata", "find", "get", "list"})
"""Calls that change nothing: one whose answer was lost is made again."""


class Connection:
    """To one keeper."""

    def __init__(self, path: Path, patience_seconds: float) -> None:
        self.path = path
        self.patience_seconds = patience_seconds
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._number = 0
        self._opening = asyncio.Lock()

    async def call(
        self, cloud: str, project: str, collection: str, method: str, *arguments: Any
    ) -> msgspec.Raw:
        """The answer, encoded; the cloud's errors are raised as they were."""
        try:
            return await self._ask(cloud, project, collection, method, *arguments)
        except _Cut as cut:
            if method not in QUESTIONS:
                raise self._gone() from cut
        try:
            return await self._ask(cloud, project, collection, method, *arguments)
        except _Cut as cut:
            raise self._gone() from cut

    async def _ask(
        self, cloud: str, project: str, collection: str, method: str, *arguments: Any
    ) -> msgspec.Raw:
        writer = await self._open()
        self._number += 1
        number = self._number
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        said = msgspec.Raw(msgspec.msgpack.encode(arguments))
        call = Call(number, cloud, project, collection, method, said)
        try:
            writer.write(framed(msgspec.msgpack.encode(call)))
            async with asyncio.timeout(CALL_SECONDS):
                await writer.drain()
                reply = await future
        except ConnectionError as error:
            raise _Cut from error
        except TimeoutError as error:
            raise self._gone() from error
        finally:
            self._waiting.pop(number, None)
            if not future.cancel() and not future.cancelled():
                # The connection ended while we were still writing: that has been told already.
                future.exception()
        if reply.error:
            raise ERRORS[reply.error](reply.message, remedy=reply.remedy)
        return reply.answer

    async def close(self) -> None:
        """Let go."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading

    async def _open(self) -> asyncio.StreamWriter:
        async with self._opening:
            if self._writer is None:
                reader, self._writer = await self._knock()
                self._reading = asyncio.create_task(self._read(reader, self._writer))
            return self._writer

    async def _knock(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        end = asyncio.get_running_loop().time() + self.patience_seconds
        while True:
            try:
                return await asyncio.open_unix_connection(self.path)
            except OSError as error:
                if asyncio.get_running_loop().time() >= end:
                    raise self._gone() from error
            await asyncio.sleep(KNOCK_SECONDS)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (message := await read(reader)) is not None:
                reply = msgspec.msgpack.decode(message, type=Reply)
                future = self._waiting.pop(reply.number, None)
                if future is not None and not future.done():
                    future.set_result(reply)
        finally:
            self._writer = None
            writer.close()
            while self._waiting:
                _, future = self._waiting.popitem()
                if not future.done():
                    future.set_exception(_Cut())

    def _gone(self) -> Unavailable:
        return Unavailable(
            f"The keeper behind {self.path} does not answer.",
            remedy="Start it with `mantle keeper`; what was begun goes on then.",
        )


class _Cut(Exception):
    """The keeper has ended with this call under way: it was carried out, or was not."""


class RemoteCollection:
    """One collection of one project's; its verbs are the port's, made from the signatures."""

    def __init__(self, connection: Connection, cloud: str, project: str, name: str) -> None:
        self._connection, self._cloud, self._project, self._name = connection, cloud, project, name

    def __getattr__(self, method: str) -> Any:
        if (self._name, method) not in SIGNATURES:
            raise AttributeError(method)
        _, answer = SIGNATURES[self._name, method]

        async def call(*arguments: Any) -> Any:
            said = await self._connection.call(
                self._cloud, self._project, self._name, method, *arguments
            )
            return msgspec.msgpack.decode(said, type=answer)

        return call


class RemoteSession:
    """One project's view. Implements `ports.Session`."""

    def __init__(self, connection: Connection, cloud: str, project: ProjectId) -> None:
        self.project_id = project
        self._parts: dict[str, Any] = {}
        self._own = RemoteCollection(connection, cloud, project, "")
        self._made = (connection, cloud, project)

    def plain(self, kind: str) -> Any:
        """The plain objects of a kind."""
        return self._part(PLAIN + kind)

    def settings(self, kind: str) -> Any:
        """The settings of a kind."""
        return self._part(SETTING + kind)

    def _part(self, name: str) -> RemoteCollection:
        found: RemoteCollection = self._parts.setdefault(name, RemoteCollection(*self._made, name))
        return found

    def __getattr__(self, name: str) -> Any:
        if ("", name) in SIGNATURES:
            return getattr(self._own, name)
        if (name, "create") not in SIGNATURES:
            raise AttributeError(name)
        return self._part(name)


class RemoteCloud:
    """A cloud that a keeper holds. `connect` makes them."""

    def __init__(self, connection: Connection, about: About) -> None:
        self._connection = connection
        self._about = about

    @property
    def info(self) -> CloudInfo:
        """As the keeper's."""
        return self._about.info

    @property
    def limitations(self) -> Sequence[Limitation]:
        """As the keeper's."""
        return self._about.limitations

    def session(self, project_id: ProjectId) -> Any:
        """The view of one project."""
        return RemoteSession(self._connection, self._about.info.name, project_id)

    async def metadata(self, secret: str, path: str) -> tuple[str, bytes] | None:
        """What a server of the cloud may know about itself; None is a 404, or no such service."""
        try:
            said = await self._connection.call(
                self._about.info.name, "", "", "metadata", secret, path
            )
        except Refused:
            return None
        return msgspec.msgpack.decode(said, type=tuple[str, bytes] | None)

    async def start(self) -> None:
        """The keeper has started it."""

    async def stop(self) -> None:
        """The keeper goes on; only the connection ends."""
        await self._connection.close()


async def connect(path: Path, patience_seconds: float = PATIENCE_SECONDS) -> dict[str, RemoteCloud]:
    """Every cloud that the keeper behind this socket holds, by name."""
    connection = Connection(path, patience_seconds)
    names = msgspec.msgpack.decode(await connection.call("", "", "", "names"), type=list[str])
    return {
        name: RemoteCloud(
            connection,
            msgspec.msgpack.decode(await connection.call(name, "", "", "about"), type=About),
        )
        for name in names
    }
