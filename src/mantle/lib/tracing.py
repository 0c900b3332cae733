"""Traces: what a request led to, over processes, down to each call of a cloud.

Nothing is traced, and nothing but one look at a name is done, unless `start` was called; that needs
the extra `mantle[otel]`. Only this module knows OpenTelemetry.
"""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_NOTHING: AbstractContextManager[None] = contextlib.nullcontext()

_tracer: "_Tracer | None" = None


class NoTracing(Exception):
    """The extra is not installed."""


def span(name: str, parent: str = "", **attributes: str) -> AbstractContextManager[None]:
    """Something that is being done; what is done within is part of it.

    `parent` is what `carried` gave elsewhere; without it the parent is the span around this one.
    """
    return _NOTHING if _tracer is None else _tracer.span(name, parent, attributes)


def note(**attributes: str) -> None:
    """Say more of the span that is open."""
    if _tracer is not None:
        _tracer.note(attributes)


def carried() -> str:
    """The open span in words, for a row or a header (W3C traceparent); empty when there is none."""
    return "" if _tracer is None else _tracer.carried()


def start(service: str, endpoint: str, processor: "SpanProcessor | None" = None) -> None:
    """Trace from now on, and send it to a collector's OTLP over HTTP, such as http://host:4318."""
    global _tracer  # noqa: PLW0603 - a process traces or does not
    try:
        _tracer = _Tracer(service, endpoint, processor)
    except ImportError as error:
        raise NoTracing(str(error)) from error


def stop() -> None:
    """Send what has not been sent yet, and trace no more."""
    global _tracer
    if _tracer is not None:
        tracer, _tracer = _tracer, None
        tracer.provider.shutdown()


class _Tracer:
    """OpenTelemetry's, of which there can be several in a process that is tested."""

    def __init__(self, service: str, endpoint: str, processor: "SpanProcessor | None") -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self.provider = TracerProvider(resource=Resource.create({"service.name": service}))
        self.provider.add_span_processor(processor or _to(endpoint))
        self._tracer = self.provider.get_tracer("mantle")
        self._trace = trace
        self._words = TraceContextTextMapPropagator()

    @contextlib.contextmanager
    def span(self, name: str, parent: str, attributes: dict[str, str]) -> Iterator[None]:
        context = self._words.extract({"traceparent": parent}) if parent else None
        # What an exception says may hold what a user wrote: its kind is told, and no more.
        with self._tracer.start_as_current_span(
            name,
            context,
            attributes=_dotted(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as opened:
            try:
                yield
            except BaseException as error:
                kind = self._trace.StatusCode.ERROR
                opened.set_status(self._trace.Status(kind, type(error).__name__))
                raise

    def note(self, attributes: dict[str, str]) -> None:
        self._trace.get_current_span().set_attributes(_dotted(attributes))

    def carried(self) -> str:
        said: dict[str, str] = {}
        self._words.inject(said)
        return said.get("traceparent", "")


def _dotted(attributes: dict[str, str]) -> dict[str, Any]:
    """`http_route` is OpenTelemetry's `http.route`; others are ours."""
    return {
        key.replace("_", ".") if key.startswith("http_") else f"mantle.{key}": value
        for key, value in attributes.items()
    }


def _to(endpoint: str) -> "SpanProcessor":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    where = endpoint.rstrip("/")
    if not where.endswith("/v1/traces"):
        where = f"{where}/v1/traces"
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=where))
