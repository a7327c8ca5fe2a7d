import asyncio
import time

import pytest
from opentelemetry.trace import Span

from gateway.traces import spans
from gateway.traces.spans import Traces
from tests.toolbox.collector import Collector
from tests.toolbox.ports import free_port

CALLER = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "bikes")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    return monkeypatch


async def test_a_request_and_all_that_follows_are_one_trace(endpoint: pytest.MonkeyPatch) -> None:
    with Collector().running() as collector:
        endpoint.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        traces = Traces("worker-1")
        async with traces.running():
            with traces.serving("POST", "/api/x", CALLER) as request:
                publication = traces.publishing("r", "tick")
                assert isinstance(publication, Span)
                traceparent = traces.traceparent_of(publication)
                publication.end()
                traces.note_status(request, 503)
            traces.note_delivery(traceparent, time.time_ns() - 5_000_000, "r", 12)
        served, published, delivered = (
            collector.wait_for(name, 1)[0] for name in ("POST /api/x", "publish", "deliver")
        )
    assert {span.trace_id for span in collector.spans} == {"0af7651916cd43dd8448eb211c80319c"}
    assert served.parent_id == "b7ad6b7169203331"
    assert published.parent_id == served.span_id
    assert delivered.parent_id == published.span_id
    assert served.attributes["http.response.status_code"] == 503
    assert delivered.attributes["paceline.peers"] == 12
    assert delivered.seconds >= 0.005
    assert served.resource["service.name"] == "bikes"
    assert served.resource["service.instance.id"] == "worker-1"


def test_what_nobody_follows_is_no_span() -> None:
    traces = Traces("worker-1")
    unsampled = {"traceparent": CALLER["traceparent"].removesuffix("01") + "00"}
    with traces.serving("POST", "/api/x", unsampled):
        assert traces.publishing("r", "tick") is None


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-0-0-01", "ff" * 5000])
def test_a_context_that_makes_no_sense_is_none(traceparent: str) -> None:
    with Traces("w").serving("POST", "/api/x", {"traceparent": traceparent}) as span:
        assert span.get_span_context().trace_id != 0


async def test_a_collector_that_is_away_holds_nobody_up(
    endpoint: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.setattr(spans, "_LAST_WORDS_SECONDS", 0.2)
    traces = Traces("worker-1")
    began = time.monotonic()
    async with traces.running():
        with traces.serving("POST", "/api/x", CALLER):
            await asyncio.sleep(0)
    assert time.monotonic() - began < 5
    assert not [each for each in caplog.records if each.name.startswith("opentelemetry.exporter")]
