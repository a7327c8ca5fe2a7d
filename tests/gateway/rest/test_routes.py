"""The table of URLs."""

from __future__ import annotations

from protocol.operations import OPERATIONS
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
        ("GET", "/openapi.json"),
        ("HEAD", "/openapi.json"),
        ("GET", "/docs"),
        ("HEAD", "/docs"),
        ("POST", "/api/rooms/{roomId}/events"),
        ("GET", "/api/rooms/{roomId}/events"),
        ("POST", "/api/tickets"),
        ("GET", "/api/rooms/{roomId}/snapshot"),
        ("HEAD", "/api/rooms/{roomId}/snapshot"),
        ("POST", "/api/trackers/owntracks"),
        ("GET", "/api/trackers/osmand"),
        ("POST", "/api/trackers/osmand"),
        ("GET", "/api/rooms/{roomId}/history"),
        ("HEAD", "/api/rooms/{roomId}/history"),
        ("GET", "/api/rooms/{roomId}/members"),
        ("HEAD", "/api/rooms/{roomId}/members"),
        ("DELETE", "/api/rooms/{roomId}/members/{peerId}"),
        ("DELETE", "/api/peers"),
        ("GET", "/api/users"),
        ("HEAD", "/api/users"),
        ("POST", "/api/users"),
        ("GET", "/api/users/me"),
        ("HEAD", "/api/users/me"),
        ("PATCH", "/api/users/me"),
        ("GET", "/api/users/{userId}"),
        ("HEAD", "/api/users/{userId}"),
        ("PATCH", "/api/users/{userId}"),
        ("DELETE", "/api/users/{userId}"),
        ("PUT", "/api/users/me/password"),
        ("PUT", "/api/users/{userId}/password"),
        ("GET", "/api/users/{userId}/sessions"),
        ("HEAD", "/api/users/{userId}/sessions"),
        ("DELETE", "/api/users/{userId}/sessions"),
        ("GET", "/api/sessions"),
        ("HEAD", "/api/sessions"),
        ("POST", "/api/sessions"),
        ("POST", "/api/sessions/refresh"),
        ("POST", "/api/sessions/exchange"),
        ("GET", "/api/sign-in"),
        ("HEAD", "/api/sign-in"),
        ("GET", "/api/sign-in/{provider}"),
        ("GET", "/api/sign-in/{provider}/callback"),
        ("GET", "/api/sign-in/{provider}/sign-out"),
        ("DELETE", "/api/sessions/current"),
        ("DELETE", "/api/sessions/{sessionId}"),
        ("GET", "/api/users/me/verification"),
        ("HEAD", "/api/users/me/verification"),
        ("POST", "/api/users/me/verification"),
        ("POST", "/api/verifications"),
        ("POST", "/api/password-resets"),
        ("POST", "/api/password-resets/confirm"),
        ("GET", "/api/keys"),
        ("HEAD", "/api/keys"),
        ("POST", "/api/keys"),
        ("GET", "/api/keys/{keyId}"),
        ("HEAD", "/api/keys/{keyId}"),
        ("DELETE", "/api/keys/{keyId}"),
        ("POST", "/api/keys/{keyId}/rotate"),
        ("GET", "/api/workers"),
        ("HEAD", "/api/workers"),
        ("POST", "/api/workers/{workerId}/drain"),
        ("GET", "/api/audit"),
        ("HEAD", "/api/audit"),
    }


async def test_the_table_of_operations_is_the_table_of_urls(door: Door) -> None:
    assert door.client.app is not None
    served = {
        (route.method, route.resource.canonical)
        for route in door.client.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }

    of_the_api = {each for each in served if each[1].startswith("/api/")}
    assert of_the_api == {(row.method, row.path) for row in OPERATIONS}
