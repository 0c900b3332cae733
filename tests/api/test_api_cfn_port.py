"""The CFN-compatible API on a port of its own: the same ids, log lines, figures and traces."""

import asyncio

import httpx
import pytest

from mantle.api.app import create_cfn_app
from mantle.api.metrics import Metrics

GLOBAL = "req-01234567-89ab-cdef-0123-456789abcdef"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.proves("api: CFN-compatible API on its own port")
def test_a_request_there_is_logged_counted_and_traced(server, logged, spans):
    """One id in the answer's header, its body and the log; the client's own trace is gone on with.

    It is refused, as nobody has signed it: also what is refused can be found again.
    """
    metrics = Metrics()
    app = create_cfn_app(server.control, None, metrics)

    async def ask():
        transport = httpx.ASGITransport(app=app)
        headers = {
            "X-OpenStack-Request-ID": GLOBAL,
            "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
        }
        async with httpx.AsyncClient(transport=transport, base_url="http://cfn") as client:
            return await client.get("/v1/", params={"Action": "ListStacks"}, headers=headers)

    answer = asyncio.run(ask())
    ours = answer.headers["X-OpenStack-Request-ID"]
    lines = [line for line in logged() if line.get("request_id") == ours]
    (span,) = [each for each in spans() if f"{each.context.trace_id:032x}" == TRACE]
    assert answer.status_code == 403
    assert ours in answer.text
    assert [(line["event"], line["global_request_id"]) for line in lines] == [
        ("request answered", GLOBAL)
    ]
    assert span.attributes["http.route"] == "/cfn/refused"
    assert span.attributes["mantle.request_id"] == ours
    counted = 'mantle_api_answers_total{method="GET",route="/cfn/refused",status="403"} 1.0'
    assert counted in metrics.text().decode()
