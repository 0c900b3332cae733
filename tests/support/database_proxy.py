"""Stands between a test and its PostgreSQL: swallows replies, loses or delays statements."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

COMMITTED_WITHIN_SECONDS = 0.3


class Proxy:
    """One at a time: what is to happen to the next statement with a word in it.

    `word = b"…"` swallows the reply; `lose(word, then)` never passes the statement on, does `then`
    and breaks the connection; `delay(word, seconds)` breaks the connection to the client at once
    and passes the statement on later. `pause_seconds` holds up whatever the client says.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.word: bytes | None = None
        self.pause_seconds = 0.0
        self.refuses = False
        """Whoever connects from now on is cut off at once."""
        self._lost: tuple[bytes, Callable[[], None]] | None = None
        self._late: tuple[bytes, float] | None = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def lose(self, word: bytes, then: Callable[[], None]) -> None:
        """The next statement with this word never arrives."""
        self._lost = (word, then)

    def delay(self, word: bytes, seconds: float) -> None:
        """The next statement with this word arrives late, when its sender has long been cut off."""
        self._late = (word, seconds)

    def close(self) -> None:
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)
        for one in self.sockets:
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.refuses:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    client.close()
                    continue
                cut = threading.Event()
                self.sockets += [client, server]
                for ends in ((client, server, True), (server, client, False)):
                    pump = threading.Thread(target=self._pump, args=(*ends, cut), daemon=True)
                    self.threads.append(pump)
                    pump.start()

    def _pump(self, source, sink, from_client, cut) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not from_client:
                    if not cut.is_set():
                        sink.sendall(data)
                    continue
                if self.pause_seconds:
                    time.sleep(self.pause_seconds)
                if self.word and self.word in data:
                    self.word = None
                    cut.set()
                    sink.sendall(data)
                    time.sleep(COMMITTED_WITHIN_SECONDS)
                    break
                if self._lost and self._lost[0] in data:
                    _, then = self._lost
                    self._lost = None
                    cut.set()
                    then()
                    break
                if self._late and self._late[0] in data:
                    _, seconds = self._late
                    self._late = None
                    cut.set()
                    source.shutdown(socket.SHUT_RDWR)
                    time.sleep(seconds)
                    sink.sendall(data)
                    time.sleep(COMMITTED_WITHIN_SECONDS)
                    break
                sink.sendall(data)
        if cut.is_set() and not from_client:
            return  # whoever cut it ends it, when it has done what it was told
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
