"""This module owns the spans of one worker, and their way to a collector (OTLP over HTTP).

    request     POST /api/rooms/{roomId}/events        joins the caller's trace (W3C `traceparent`)
    publish     the door -> the broker -> its receipt  below the request, or begins a trace
    deliver     heard -> written to the sockets        on each worker, below the publication

What is sampled carries its `traceparent` in the announcement, nothing else does. Spans are queued,
bounded, and sent by a thread of the SDK: a collector that is away costs traces and one log line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.logs import Offences
from gateway.traces.sampling import default_sampler

logger = structlog.get_logger(__name__)

_CONTEXTS: Final = TraceContextTextMapPropagator()
_LAST_WORDS_SECONDS: Final = 3.0
_FIRST_FAULT: Final = 500
_EXPORTER_LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.sdk._shared_internal",
)


class Traces:
    """Begins spans; `running` sends them."""

    def __init__(self, worker_id: str, *, is_sampler_set: bool = False) -> None:
        resource = Resource.create({"service.instance.id": worker_id})
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "paceline"}))
        self._provider = TracerProvider(
            # The SDK knows the samplers that have names.
            None if is_sampler_set else default_sampler(),
            resource,
            shutdown_on_exit=False,
        )
        self._tracer = self._provider.get_tracer("paceline")
        self._offences = Offences(lines_per_address=1)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send spans while the context is open, and what is left for a few seconds at its end."""
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        for name in _EXPORTER_LOGGERS:
            logging.getLogger(name).addFilter(self._is_for_the_log)
        try:
            yield
        finally:
            await self._finish()
            for name in _EXPORTER_LOGGERS:
                logging.getLogger(name).removeFilter(self._is_for_the_log)

    @contextlib.contextmanager
    def serving(self, method: str, route: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """A request to a route; what is published meanwhile is below it."""
        with self._tracer.start_as_current_span(
            f"{method} {route}",
            _CONTEXTS.extract(headers),
            SpanKind.SERVER,
            {"http.request.method": method, "http.route": route},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    @staticmethod
    def note_status(span: Span, status: int) -> None:
        """How a request was answered; a fault is one of ours."""
        span.set_attribute("http.response.status_code", status)
        if status >= _FIRST_FAULT:
            span.set_status(StatusCode.ERROR)

    def publishing(self, room: str, event: str) -> Span | None:
        """A publication on its way into the broker; None for one that nobody follows."""
        span = self._tracer.start_span("publish", kind=SpanKind.PRODUCER)
        if not span.is_recording():
            return None
        span.set_attributes(
            {
                "messaging.system": "paceline",
                "messaging.operation.type": "send",
                "messaging.destination.name": room,
                "paceline.event": event,
            }
        )
        return span

    @staticmethod
    def traceparent_of(span: Span) -> str:
        """What a publication carries to other workers."""
        carrier: dict[str, str] = {}
        _CONTEXTS.inject(carrier, trace.set_span_in_context(span))
        return carrier["traceparent"]

    def note_delivery(self, traceparent: str, heard_ns: int, room: str, peers: int) -> None:
        """A publication was written to so many peers at once, just now."""
        found = trace.get_current_span(_CONTEXTS.extract({"traceparent": traceparent}))
        told = found.get_span_context()
        # Our own word for it, from another worker: not to be judged as a stranger's.
        parent = SpanContext(
            told.trace_id, told.span_id, is_remote=False, trace_flags=told.trace_flags
        )
        span = self._tracer.start_span(
            "deliver",
            trace.set_span_in_context(NonRecordingSpan(parent)),
            SpanKind.CONSUMER,
            {
                "messaging.system": "paceline",
                "messaging.operation.type": "process",
                "messaging.destination.name": room,
                "paceline.peers": peers,
            },
            start_time=heard_ns,
        )
        span.end()

    async def _finish(self) -> None:
        """Send what is left. Not in a pool: a collector that does not answer must not hold us."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def finish() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # too late: the loop is closed
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=finish, name="traces-last-words", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await done.wait()

    def _is_for_the_log(self, record: logging.LogRecord) -> bool:
        """A collector that is away is one line a minute, not several for each attempt."""
        self._offences.note("traces are not taken", "", why=record.getMessage()[:200])
        return False
