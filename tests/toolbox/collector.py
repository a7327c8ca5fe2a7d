"""This module owns a collector of traces for tests: OTLP over HTTP, decoded by the standard."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TIMEOUT_SECONDS = 20.0


class CollectedSpan(NamedTuple):
    """A span as it came; identifiers in hexadecimal."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    seconds: float


class Collector:
    """Takes spans on a free port of 127.0.0.1 while `running`."""

    def __init__(self) -> None:
        self.spans: list[CollectedSpan] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                collector.spans += _spans_of(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Tests have nothing to read there."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Collector]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def wait_for(self, name: str, count: int) -> list[CollectedSpan]:
        """The spans of a name, once there are so many."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            found = [span for span in list(self.spans) if span.name == name]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, [span.name for span in self.spans]
            time.sleep(0.05)


def _spans_of(request: ExportTraceServiceRequest) -> Iterator[CollectedSpan]:
    for of_resource in request.resource_spans:
        resource = _values_of(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield CollectedSpan(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    _values_of(span.attributes),
                    resource,
                    (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                )


def _values_of(attributes: Any) -> dict[str, Any]:  # noqa: ANN401 - the protocol's repeated field
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
