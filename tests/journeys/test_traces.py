"""A backend's trace goes on through the gateway, across workers, to the sockets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.toolbox.collector import Collector
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import connect, request
from tests.toolbox.redis_server import RedisServer

pytestmark = pytest.mark.journey

TRACE_ID, CALLER_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROUTE = "/api/rooms/{roomId}/events"


async def test_a_publication_is_followed_from_its_sender_to_every_worker(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    with Collector().running() as collector:
        gateways = [
            GatewayProcess(
                tmp_path,
                REDIS_URL=redis_server.url,
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
                OTEL_BSP_SCHEDULE_DELAY="100",
                PACELINE_DRAIN_SECONDS="1",
            )
            for _ in range(2)
        ]
        try:
            for gateway in gateways:
                gateway.start()
            peers = []
            for gateway in gateways:
                peer, _ = await connect(gateway.port)
                peer.say('421["join-room","city:paris"]')
                assert '"error"' not in await peer.hear()
                peers.append(peer)
            for flags in ("01", "00"):
                answer = await request(
                    gateways[0].port,
                    "POST",
                    "/api/rooms/city:paris/events",
                    json.dumps({"event": "tick", "data": flags}).encode(),
                    {
                        "Content-Type": "application/json",
                        "traceparent": f"00-{TRACE_ID}-{CALLER_ID}-{flags}",
                    },
                )
                assert answer.status == 200
            for peer in peers:
                assert await peer.hear() == '42["tick","01"]'
                assert await peer.hear() == '42["tick","00"]'
            delivered = collector.wait_for("deliver", 2)
            (published,) = collector.wait_for("publish", 1)
            (served,) = collector.wait_for(f"POST {ROUTE}", 1)
        finally:
            for gateway in gateways:
                gateway.kill()
    assert {span.trace_id for span in (*delivered, published, served)} == {TRACE_ID}
    assert served.parent_id == CALLER_ID
    assert served.attributes["http.route"] == ROUTE
    assert published.parent_id == served.span_id
    assert published.attributes["paceline.outcome"] == "accepted"
    assert [span.parent_id for span in delivered] == [published.span_id] * 2
    assert len({span.resource["service.instance.id"] for span in delivered}) == 2
    assert {span.resource["service.name"] for span in delivered} == {"paceline"}
