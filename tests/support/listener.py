"""A small HTTP server on the loopback that answers from a table and remembers what it was asked."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Listener:
    """`pages` maps a path to (status, headers, body); `answer` may decide instead."""

    port: int = 0
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[str, bytes], int] | None = None
    got: threading.Condition = field(default_factory=threading.Condition)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def page(self, path: str, body: str | bytes, status: int = 200, **headers: str) -> str:
        raw = body if isinstance(body, bytes) else body.encode()
        self.pages[path] = (status, headers, raw)
        return self.base + path

    def wait_for(self, count: int, seconds: float = 20.0) -> None:
        """Until so many requests have come."""
        with self.got:
            assert self.got.wait_for(lambda: len(self.seen) >= count, seconds), self.seen


@contextlib.contextmanager
def listening() -> Iterator[Listener]:
    """One on a free port, for as long as the context lasts."""
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def respond(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            with listener.got:
                listener.seen.append((self.command, self.path, dict(self.headers), body))
                listener.got.notify_all()
            status, headers, raw = listener.pages.get(self.path, (404, {}, b"nothing here"))
            if listener.answer is not None:
                status, raw = listener.answer(self.path, body), b""
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        do_GET = do_POST = do_PUT = respond  # noqa: N815 - the library's names

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    listener.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
