"""What one process of a cluster does is heard, and can be followed, in the others.

Real processes on a real PostgreSQL: two APIs and one engine.
"""

import contextlib
import json
import shutil
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
sys.path.insert(0, str(Path(__file__).parent))

from test_cluster_kills import Customer, _there

from cluster import Cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _there(), reason="there is no PostgreSQL on this machine"),
]

TRACE = "0af7651916cd43dd8448eb211c80319c"

WAITS = """
heat_template_version: 2021-04-16
resources:
  net: {type: OS::Neutron::Net}
  handle: {type: OS::Heat::WaitConditionHandle}
  wait:
    type: OS::Heat::WaitCondition
    depends_on: net
    properties: {handle: {get_resource: handle}, timeout: 600}
"""

NEVER_LOOKS = """
import sys
from mantle.stacks import queries
queries.LOOK_SECONDS = 600.0
from mantle.__main__ import main
sys.exit(main())
"""
"""An API whose streams are woken by what others tell, or not in this test's time."""


class Collector(BaseHTTPRequestHandler):
    """Takes OTLP over HTTP, from all processes."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def collector():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.daemon_threads = False
    server.taken = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, collector):
    one = Cluster(
        tmp_path_factory.mktemp("words") / "cluster",
        cloud="simulated",
        engines=1,
        environment={
            "MANTLE_LOOPBACK_BLOCK": "127.22.0.0/16",
            "MANTLE_TRACE_TO": f"http://127.0.0.1:{collector.server_port}",
        },
    )
    try:
        one.start()
        listens = one.members["api-1"]
        listens.process.terminate()
        listens.process.wait(60)
        listens.command[1:3] = ["-c", NEVER_LOOKS]
        one.restart("api-1")
        one.until_ready("api-1")
        yield one
    finally:
        one.stop()
        # Root's is not in the test's own folder.
        shutil.rmtree(one.postgres.folder, ignore_errors=True)


@contextlib.contextmanager
def at(cluster, number):
    """A client of one API, past the balancer, and its project."""
    customer = Customer(cluster)
    customer.log_in()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{cluster.api_ports[number - 1]}",
        headers={"X-Auth-Token": customer.token, "Accept": "application/json"},
        timeout=60,
    ) as client:
        yield client, customer.project


def messages(lines):
    """Server-sent messages: name and data."""
    name = ""
    for line in lines:
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            yield name, json.loads(line.removeprefix("data:"))


@pytest.mark.proves("beyond: streams of events over processes")
@pytest.mark.timeout(300)
def test_a_stream_at_one_api_is_woken_by_what_an_engine_does(cluster):
    """By PostgreSQL's word alone: this API would look by itself after ten minutes only.

    The operation was asked for at the other API. It waits for a signal, so the stream is asleep
    when its end comes.
    """
    body = {"stack_name": "heard", "template": WAITS}
    seen, signals = [], []
    with at(cluster, 1) as (follower, _), at(cluster, 2) as (other, project):
        assert other.post(f"/heat/v1/{project}/stacks", json=body).status_code == 201
        stream = follower.stream("GET", "/v2/stacks/heard/events/stream", timeout=120)
        with stream as answer:
            for name, data in messages(answer.iter_lines()):
                seen.append((name, data.get("resource"), data.get("status")))
                if not signals and ("event", "wait", "IN_PROGRESS") in seen:
                    signals.append(threading.Thread(target=signal_soon, args=(other, project)))
                    signals[0].start()
        signals[0].join()
    ended = [name for name, _, _ in seen]
    assert ("event", "wait", "COMPLETE") in seen
    assert ended[-1] == "end"


def signal_soon(other, project):
    """A while later, when nothing has happened for long."""
    time.sleep(3.0)
    stack_id = other.get("/v2/stacks/heard").json()["stack"]["id"]
    path = f"/heat/v1/{project}/stacks/heard/{stack_id}/resources/handle/signal"
    other.post(path, json={"status": "SUCCESS"}).raise_for_status()


@pytest.mark.proves("beyond: traces over processes")
@pytest.mark.timeout(300)
def test_one_trace_goes_from_the_api_through_the_queue_to_the_engine(cluster, collector):
    """The row carries it: what the engine did is below the request that the API answered."""
    template = {"heat_template_version": "2021-04-16", "resources": {}}
    template["resources"]["net"] = {"type": "OS::Neutron::Net"}
    with at(cluster, 2) as (other, project):
        other.post(
            f"/heat/v1/{project}/stacks",
            json={"stack_name": "traced", "template": template},
            headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
        ).raise_for_status()
    end = time.monotonic() + 120
    while time.monotonic() < end and len(told(collector)) < 3:
        time.sleep(0.5)
    found = told(collector)
    assert {name: found[name][0] for name in ("request", "operation", "step")} == {
        "request": "mantle-api",
        "operation": "mantle-engine",
        "step": "mantle-engine",
    }
    assert found["operation"][2] == found["request"][1]
    assert found["step"][2] == found["operation"][1]


def told(collector):
    """Of our trace: name to service, id and parent's id."""
    found = {}
    for request in list(collector.taken):
        for resource in request.resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    if span.trace_id.hex() == TRACE and span.name in {
                        "request",
                        "operation",
                        "step",
                    }:
                        service = names["service.name"]
                        found[span.name] = (service, span.span_id, span.parent_span_id)
    return found
