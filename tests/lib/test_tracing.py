"""Traces: nothing without being asked for; with it, one story over processes."""

import asyncio
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mantle.lib import tracing


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    tracing.start("test", "", SimpleSpanProcessor(exporter))
    yield exporter
    tracing.stop()


def test_nothing_is_traced_unless_it_is_asked_for():
    """The same empty context each time, and no words to carry."""
    assert tracing.span("a") is tracing.span("b", "x", more="y")
    with tracing.span("a"):
        tracing.note(more="y")
        assert tracing.carried() == ""


def test_what_is_done_within_is_part_of_it_also_in_tasks_and_elsewhere(spans):
    """Tasks inherit; a row carries it to another process."""

    async def story():
        with tracing.span("request"):
            row = tracing.carried()
            await asyncio.create_task(inner())
        with tracing.span("operation", row, action="CREATE"):
            tracing.note(http_route="/x")

    async def inner():
        with tracing.span("inner"):
            pass

    asyncio.run(story())
    found = {each.name: each for each in spans.get_finished_spans()}
    request = found["request"].context
    assert [found[name].parent.span_id for name in ("inner", "operation")] == [request.span_id] * 2
    assert found["operation"].context.trace_id == request.trace_id
    assert dict(found["operation"].attributes) == {"mantle.action": "CREATE", "http.route": "/x"}


@pytest.mark.parametrize(
    "parent", ["nonsense", "00-zz-1-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"]
)
def test_a_parent_that_is_none_begins_a_story_of_its_own(spans, parent):
    """Whoever asks can send anything."""
    with tracing.span("request", parent):
        pass
    assert spans.get_finished_spans()[0].parent is None


def test_an_error_is_told_by_its_kind_alone(spans):
    """What it says may hold what a user wrote."""
    with pytest.raises(ValueError, match="canary"), tracing.span("request"):
        raise ValueError("canary")
    (one,) = spans.get_finished_spans()
    assert (one.status.description, one.events) == ("ValueError", ())


class Collector(BaseHTTPRequestHandler):
    """Takes OTLP over HTTP."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_spans_come_to_a_collector():
    """Over a real socket, at the usual path, before the process ends."""
    server = HTTPServer(("127.0.0.1", 0), Collector)
    server.taken = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        tracing.start("mantle-up", f"http://127.0.0.1:{server.server_port}")
        with tracing.span("request"):
            time.sleep(0)
        tracing.stop()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    ((path, sent),) = server.taken
    (resource,) = sent.resource_spans
    names = [span.name for scope in resource.scope_spans for span in scope.spans]
    services = [
        a.value.string_value for a in resource.resource.attributes if a.key == "service.name"
    ]
    assert (path, names, services) == ("/v1/traces", ["request"], ["mantle-up"])
