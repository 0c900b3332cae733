"""A small real HTTP server that answers with what a test put on its shelf, as `/v2` would."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "a-token"
STACK = {
    "id": "11111111-0000-0000-0000-000000000001",
    "name": "web",
    "description": "",
    "status": "CREATE_IN_PROGRESS",
    "reason": "",
    "cloud": "local",
    "tags": [],
    "created_at": "2026-11-21T02:00:00.000Z",
    "updated_at": None,
    "deleted_at": None,
    "outputs": [{"name": "url", "value": "http://127.64.0.2:8080", "description": "", "error": ""}],
}
PLAN = {"steps": [{"resource": "server", "resource_type": "OS::Nova::Server", "kind": "create"}]}
RENDERED = "Plan for stack web (create)\n\n  +   create\n\n  +   server  (OS::Nova::Server)\n"


def event(sequence, resource, status, reason="", **more):
    return {
        "sequence": sequence,
        "stack_id": STACK["id"],
        "stack_name": "web",
        "resource": resource,
        "resource_type": "OS::Nova::Server",
        "physical_id": None,
        "action": "CREATE",
        "status": status,
        "reason": reason,
        "at": f"2026-11-21T02:00:0{sequence}.000Z",
    } | more


class Shelf:
    """What to answer: `(method, path without query) -> (status, body)`; a list is a stream."""

    def __init__(self):
        self.answers = {}
        self.requests = []
        self.url = ""

    def put(self, method, path, body, status=200):
        self.answers[method, path] = (status, body)

    def fault(self, method, path, status, message, *, kind="EntityNotFound", **more):
        error = {"type": kind, "message": message, "remedy": "", "problems": []} | more
        self.put(method, path, {"error": error}, status)

    def sent(self, method, path):
        return [body for verb, where, body in self.requests if (verb, where) == (method, path)]

    def creates(self, final="CREATE_COMPLETE", reason="Stack CREATE completed successfully"):
        """Everything that a creation asks for, in one go."""
        done = final.removeprefix("CREATE_")
        self.put("POST", "/v2/plans", {"plan_id": "p", "plan": PLAN, "rendered": RENDERED}, 201)
        self.put("POST", "/v2/stacks", {"stack": STACK, "operation": {}, "plan": PLAN}, 202)
        self.put(
            "GET",
            f"/v2/stacks/{STACK['id']}/events/stream",
            [
                ("event", event(1, "server", "IN_PROGRESS")),
                ("message", ""),  # a sign of life
                ("event", event(2, "server", done, "" if done == "COMPLETE" else "no memory")),
                ("end", {"operation": {}}),
            ],
        )
        ended = {**STACK, "status": final, "reason": reason}
        self.put("GET", f"/v2/stacks/{STACK['id']}", {"stack": ended})
        self.put("GET", "/v2/stacks/web", {"stack": ended})


def handler_for(shelf):
    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            path = self.path.partition("?")[0]
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            shelf.requests.append((self.command, path, body))
            if path == "/identity/v3/auth/tokens":
                self.login(body)
            elif self.headers.get("X-Auth-Token") != TOKEN:
                self.reply(401, {"error": {"message": "No valid token."}})
            else:
                missing = (404, {"error": {"type": "EntityNotFound", "message": "Not here."}})
                self.reply(*shelf.answers.get((self.command, path), missing))

        def do_GET(self):
            self.answer()

        def do_POST(self):
            self.answer()

        def do_PUT(self):
            self.answer()

        def do_DELETE(self):
            self.answer()

        def login(self, body):
            if "wrong" in json.dumps(body):
                self.reply(401, {"error": {"message": "Wrong.", "code": 401}})
                return
            endpoint = {"interface": "public", "url": f"{shelf.url}/heat/v1/p"}
            catalog = [{"type": "orchestration", "endpoints": [endpoint]}]
            token = {"catalog": catalog, "project": {"name": "demo"}, "user": {"name": "demo"}}
            self.reply(201, {"token": token}, {"X-Subject-Token": TOKEN})

        def reply(self, status, body, headers=()):
            self.send_response(status)
            if isinstance(body, list):
                text = "".join(
                    f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in body
                )
                kind = "text/event-stream"
            else:
                text, kind = json.dumps(body), "application/json"
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            """Tests speak for themselves."""

    return Handler


@contextlib.contextmanager
def serving():
    shelf = Shelf()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(shelf))
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
