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
        self.expired: set[str] = set()
        """Tokens that this service turns away from now on, as when they have expired."""
        self.seen: list[str] = []
        """Tokens in the order in which they came first."""
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
        token = self.headers.get("X-Auth-Token") or ""
        if token not in self.proxy.seen:
            self.proxy.seen.append(token)
        if token in self.proxy.expired:
            self.proxy.happened["expired token"] += 1
            self.reply(401, {"WWW-Authenticate": "Keystone uri='http://127.0.0.1'"}, b"{}")
            return
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


class Stand:
    """A proxy that can go away, so that connections are refused, and come back."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.kind = type("Bound", (Handler,), {"proxy": proxy})
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            setattr(self.kind, f"do_{method}", Handler.handle_any)
        self.port = 0
        self.server: ThreadingHTTPServer | None = None

    def open(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self.kind)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.proxy.url = f"http://127.0.0.1:{self.port}"
        serve = {"poll_interval": 0.05}
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs=serve)
        self.thread.start()

    def close(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
            self.server = None


@contextmanager
def standing(target: str, *, share: float = 0.0, seed: int = 0) -> Iterator[Stand]:
    """A proxy before the service at this address, that can go away."""
    stand = Stand(Proxy(target, share, seed))
    stand.open()
    try:
        yield stand
    finally:
        stand.close()


@contextmanager
def standing_before(target: str, *, share: float, seed: int) -> Iterator[Proxy]:
    """The same, always there."""
    with standing(target, share=share, seed=seed) as stand:
        yield stand.proxy
