#!/usr/bin/env python3
"""Answer every request with the name of the server this runs on, and a greeting."""

import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# The local cloud tells a server its name and address. Elsewhere: its hostname, all addresses.
NAME = os.environ.get("SERVER_NAME") or socket.gethostname()
ADDRESS = os.environ.get("SERVER_IP") or "0.0.0.0"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{NAME}\n$greeting\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


print(f"{NAME} listens on {ADDRESS}:8080", flush=True)
ThreadingHTTPServer((ADDRESS, 8080), Handler).serve_forever()
