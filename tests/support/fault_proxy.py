"""Stands in front of a service of the real OpenStack and has bad days, by seed.

Some requests are turned away (429, 503), some are done and their answer is lost, some find nobody
listening, and some are told that their token has expired.
"""

import http.client
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

DAYS = ("busy", "unavailable", "lost request", "lost reply", "expired")


class Proxy:
    """`share` of the requests have a bad day; `happened` counts which."""

    def __init__(self, target: str, share: float, seed: int) -> None:
        self.target = target
        self.share = share
        self.chance = random.Random(seed)
        self.happened: Counter[str] = Counter()
        self.url = ""
        self._lock = threading.Lock()

    def day(self) -> str:
        with self._lock:
            bad = self.chance.random() < self.share
            day = self.chance.choice(DAYS) if bad else "good"
            self.happened[day] += 1
            return day


class Handler(BaseHTTPRequestHandler):
    proxy: Proxy

    def log_message(self, *_: Any) -> None:
        pass

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match self.proxy.day():
            case "busy":
                self.reply(429, {"Retry-After": "0.2"}, b"{}")
            case "unavailable":
                self.reply(503, {}, b"<html>503 Service Unavailable</html>")
            case "expired":
                self.reply(401, {}, b"{}")
            case "lost request":
                self.close_connection = True
            case "lost reply":
                self.forward(body)
                self.close_connection = True
            case _:
                status, headers, answer = self.forward(body)
                self.reply(status, headers, answer)

    def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        there = http.client.HTTPConnection(urlsplit(self.proxy.target).netloc, timeout=60)
        kept = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "connection"}}
        there.request(self.command, self.path, body or None, kept)
        answer = there.getresponse()
        text = answer.read()
        there.close()
        left = {"transfer-encoding", "content-length", "connection", "date", "server"}
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in left}
        return answer.status, headers, text

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def standing_before(target: str, *, share: float, seed: int) -> Iterator[Proxy]:
    """A proxy before the service at this address."""
    proxy = Proxy(target, share, seed)
    kind = type("Bound", (Handler,), {"proxy": proxy})
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        setattr(kind, f"do_{method}", Handler.handle_any)
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
