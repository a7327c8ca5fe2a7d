from collections.abc import Mapping

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.trace import Span

from gateway.rest.tracing import Tracing
from gateway.traces.spans import Traces


class Recorder(Traces):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__("worker-1")
        self.begun: list[tuple[str, str]] = []
        self.statuses: list[int] = []

    def serving(self, method, route, headers: Mapping[str, str]):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - as above it
        self.begun.append((method, route))
        return super().serving(method, route, headers)

    def note_status(self, span: Span, status: int) -> None:  # type: ignore[override] # it has a memory
        super().note_status(span, status)
        self.statuses.append(status)


async def _answer(_: web.Request) -> web.Response:
    return web.Response(status=201)


async def test_requests_are_named_by_their_route_and_by_a_method_that_there_is() -> None:
    recorder = Recorder()
    application = web.Application(middlewares=[Tracing(recorder).answer])
    application.router.add_route("*", "/api/rooms/{roomId}/events", _answer)
    application.router.add_get("/healthz", _answer)
    async with TestClient(TestServer(application)) as client:
        await client.post("/api/rooms/city:paris/events")
        await client.request("PROPFIND", "/api/rooms/city:paris/events")
        await client.get("/healthz")
        await client.get("/api/nothing")

    route = "/api/rooms/{roomId}/events"
    assert recorder.begun == [("POST", route), ("_OTHER", route)]
    assert recorder.statuses == [201, 201]
