"""The HTTP door on a real hub and broker; a second worker listens to what the room is told."""

from __future__ import annotations

import dataclasses
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from gateway.authentication import Authenticator
from gateway.broker.contract import Broker, Delivery
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.broker.memory_sessions import MemoryIntercom
from gateway.hub import Hub
from gateway.identity import Grants, KeySet, Role, sign_token
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.removals import Removals
from gateway.rest.events import EventsResource
from gateway.rest.health import HealthResource
from gateway.rest.members import MembersResource
from gateway.rest.problems import Problems
from gateway.rest.routes import routes_of
from gateway.rooms.publication import Publication
from gateway.settings import Settings
from gateway.sockets.lanes import Lanes

SECRET = "a-secret-of-thirty-two-bytes-or-more"
DEVELOPMENT = {"PACELINE_ENV": "development"}
PRODUCTION = {"PACELINE_JWT_SECRET": SECRET}

Client = TestClient[web.Request, web.Application]
BrokerOf = Callable[[MemoryRooms], Broker]


@dataclasses.dataclass
class Door:
    """The door, and what is behind it."""

    client: Client
    metrics: Metrics
    health: HealthResource
    other_worker: MemoryBroker
    heard: list[Publication]
    hub: Hub

    async def post(
        self, room: str, body: object, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Publish JSON, as text or as an object; answers the status and the envelope."""
        data = io.BytesIO(_encoded(body))
        headers = {"Content-Type": "application/json", **(headers or {})}
        path = f"/api/rooms/{room}/events"
        async with self.client.post(path, headers=headers, data=data) as response:
            return response.status, await response.json()

    async def listen(self, room: str) -> list[Publication]:
        """What the room is told from now on; the list grows."""
        await self.other_worker.follow(room)
        return self.heard


OpenDoor = Callable[..., Awaitable[Door]]


@pytest.fixture
async def open_door(aiohttp_client: AiohttpClient) -> AsyncIterator[OpenDoor]:
    """What opens a door under some settings, and all of them are closed after the test."""
    started: list[MemoryBroker | Hub] = []

    async def open_(environ: dict[str, str], broker_of: BrokerOf = MemoryBroker) -> Door:
        settings = Settings.from_env(environ)
        metrics, rooms = Metrics(), MemoryRooms(settings.kind_of)
        broker = broker_of(rooms)
        lanes = Lanes(settings.outbox_limit_bytes, settings.write_high_water_bytes, metrics)
        hub = Hub(settings, broker, lanes)
        lanes.serve(hub.membership)
        await hub.start()
        other_worker = MemoryBroker(rooms)
        heard: list[Publication] = []
        await other_worker.start(lambda deliveries: _keep(heard, deliveries))
        started.extend([hub, other_worker])
        health = HealthResource(broker, metrics)
        problems = Problems(metrics, Offences())
        app = web.Application(
            middlewares=[problems.answer], client_max_size=settings.body_limit_bytes
        )
        authenticator = Authenticator(settings)
        events = EventsResource(hub, authenticator, metrics)
        removals = Removals(hub, MemoryIntercom({}))
        members = MembersResource(hub, authenticator, removals)
        app.add_routes(routes_of(events, members, health))
        return Door(await aiohttp_client(app), metrics, health, other_worker, heard, hub)

    yield open_
    for part in started:
        await part.stop()


@pytest.fixture
async def door(open_door: OpenDoor) -> Door:
    """In development, where nobody needs a token."""
    return await open_door(DEVELOPMENT)


def bearer(role: Role = Role.SERVICE, *, seconds: float = 60, **grants: tuple[str, ...]) -> str:
    """An `Authorization` header's value."""
    token = sign_token(
        KeySet.of([SECRET]),
        subject="a backend",
        role=role,
        now_seconds=time.time(),
        lifetime_seconds=seconds,
        grants=Grants(**grants),
    )
    return f"Bearer {token}"


def _keep(heard: list[Publication], deliveries: Sequence[Delivery]) -> None:
    heard.extend(delivery for delivery in deliveries if isinstance(delivery, Publication))


def _encoded(body: object) -> bytes:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return text.encode() if isinstance(text, str) else text
