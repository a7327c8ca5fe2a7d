"""The table of URLs."""

from __future__ import annotations

from tests.gateway.rest.conftest import Door


async def test_every_url_leads_to_its_resource(door: Door) -> None:
    assert door.client.app is not None
    paths = {
        (route.method, route.resource.canonical)
        for route in door.client.app.router.routes()
        if route.resource is not None
    }

    assert paths == {
        ("GET", "/healthz"),
        ("HEAD", "/healthz"),
        ("GET", "/readyz"),
        ("HEAD", "/readyz"),
        ("GET", "/metrics"),
        ("HEAD", "/metrics"),
        ("POST", "/api/rooms/{roomId}/events"),
        ("GET", "/api/rooms/{roomId}/members"),
        ("HEAD", "/api/rooms/{roomId}/members"),
        ("DELETE", "/api/rooms/{roomId}/members/{peerId}"),
        ("DELETE", "/api/peers"),
    }
