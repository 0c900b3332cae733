"""The holding side: serves clouds of this process over a Unix socket."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from mantle.clouds.keeper.wire import SIGNATURES, About, Call, Reply, framed, holder, read
from mantle.clouds.ports import Cloud, CloudError, Refused
from mantle.model.ids import ProjectId

log = structlog.get_logger()

CALLS_AT_ONCE = 1024
"""Of one connection; more wait in the socket."""

GRACE_SECONDS = 5.0
"""For calls under way, once no new ones are taken."""


class KeeperServer:
    """Listens between `start` and `stop`. The clouds are started and stopped by their owner."""

    def __init__(self, path: Path, clouds: Mapping[str, Cloud]) -> None:
        self.path = path
        self.clouds = clouds
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._leaves = asyncio.Event()

    async def start(self) -> None:
        """Take the socket; one that a killed keeper left is replaced."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.unlink(missing_ok=True)
        self._leaves.clear()
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        self.path.chmod(0o600)

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Take no new calls and let go of the socket; calls under way have a while to be answered.

        What comes in between is answered by nobody: the other side asks whoever is next.
        """
        if self._server is not None:
            self._server.close()
        self.path.unlink(missing_ok=True)
        self._leaves.set()
        if self._connections:
            await asyncio.wait(self._connections, timeout=grace_seconds)
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = asyncio.current_task()
        assert mine is not None
        self._connections.add(mine)
        room = asyncio.Semaphore(CALLS_AT_ONCE)
        calls: set[asyncio.Task[None]] = set()
        try:
            while (message := await self._next(reader)) is not None:
                call = msgspec.msgpack.decode(message, type=Call)
                await room.acquire()
                task = asyncio.create_task(self._answer(call, writer))
                calls.add(task)
                task.add_done_callback(calls.discard)
                task.add_done_callback(lambda _: room.release())
            await asyncio.gather(*calls, return_exceptions=True)
        except msgspec.MsgspecError:
            log.warning("something on the keeper's socket does not speak its language")
        except asyncio.CancelledError:
            pass
        finally:
            for task in list(calls):
                task.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            writer.close()
            self._connections.discard(mine)

    async def _next(self, reader: asyncio.StreamReader) -> bytes | None:
        """The next message; None also when there will be none because the keeper leaves."""
        message = asyncio.create_task(read(reader))
        leaves = asyncio.create_task(self._leaves.wait())
        try:
            await asyncio.wait({message, leaves}, return_when=asyncio.FIRST_COMPLETED)
            return message.result() if message.done() else None
        finally:
            message.cancel()
            leaves.cancel()

    async def _answer(self, call: Call, writer: asyncio.StreamWriter) -> None:
        try:
            reply = Reply(call.number, msgspec.Raw(msgspec.msgpack.encode(await self._call(call))))
        except CloudError as error:
            reply = Reply(
                call.number,
                error=type(error).__name__,
                message=error.message,
                remedy=error.remedy,
            )
        except Exception:
            # Whoever called is another process: it must be told, and told nothing of our inside.
            log.exception("a cloud failed", cloud=call.cloud, call=call.method)
            said = f"The cloud {call.cloud} failed in {call.collection} {call.method}."
            reply = Reply(call.number, error="Unavailable", message=said)
        writer.write(framed(msgspec.msgpack.encode(reply)))
        await writer.drain()

    async def _call(self, call: Call) -> Any:
        if call.cloud not in self.clouds:
            return sorted(self.clouds)
        cloud = self.clouds[call.cloud]
        if call.method == "about":
            return About(cloud.info, list(cloud.limitations))
        if (call.collection, call.method) == ("", "metadata") and hasattr(cloud, "metadata"):
            secret, path = msgspec.msgpack.decode(call.arguments, type=tuple[str, str])
            return await cloud.metadata(secret, path)
        if (call.collection, call.method) not in SIGNATURES:
            raise Refused(f"A cloud has no {call.collection} {call.method}.")
        shape, _ = SIGNATURES[call.collection, call.method]
        try:
            arguments = msgspec.msgpack.decode(call.arguments, type=shape)
        except msgspec.ValidationError as error:
            raise Refused(f"{call.collection} {call.method}: {error}") from error
        session: Any = cloud.session(ProjectId(call.project))
        return await getattr(holder(session, call.collection), call.method)(*arguments)
