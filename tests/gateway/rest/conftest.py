"""The HTTP door on a real hub and broker; a second worker listens to what the room is told."""

from __future__ import annotations

import dataclasses
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from yarl import URL

from gateway.authentication import Authenticator
from gateway.broker.contract import Broker, Delivery
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.broker.memory_lockers import MemoryLockers
from gateway.broker.memory_sessions import MemoryIntercom
from gateway.drains import Drains
from gateway.hub import Hub
from gateway.identity import Grants, KeySet, Role, sign_token
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.openid.arrivals import Arrivals
from gateway.openid.sign_ins import SignIns
from gateway.peers import PeersByDoor
from gateway.removals import Removals
from gateway.rest.acting import Acting
from gateway.rest.audit import AuditResource
from gateway.rest.documents import DocumentsResource
from gateway.rest.events import EventsResource
from gateway.rest.health import HealthResource
from gateway.rest.histories import HistoriesResource
from gateway.rest.keys import KeysResource
from gateway.rest.me import MeResource
from gateway.rest.members import MembersResource
from gateway.rest.origins import Origins
from gateway.rest.problems import Problems
from gateway.rest.proofs import ProofsResource
from gateway.rest.routes import Resources, routes_of
from gateway.rest.sessions import SessionsResource
from gateway.rest.sign_in import SignInResource
from gateway.rest.snapshots import SnapshotsResource
from gateway.rest.streaming import StreamingResource
from gateway.rest.streams import Streams
from gateway.rest.tickets import Tickets
from gateway.rest.trackers import TrackersResource
from gateway.rest.users import UsersResource
from gateway.rest.vehicles import PublicVehicles
from gateway.rest.workers import WorkersResource
from gateway.rooms.pacing import Pacing
from gateway.rooms.publication import Publication
from gateway.settings import Settings
from gateway.sockets.lanes import Lanes
from gateway.users.accounts import Accounts
from gateway.users.api_keys import ApiKeys
from gateway.users.database import Database
from gateway.users.passwords import Passwords
from gateway.users.proving import Proving
from gateway.users.sessions import SessionRules, Sessions
from gateway.users.sql import SqlUserStore
from gateway.users.sql_api_keys import SqlKeyStore
from gateway.users.sql_audit import SqlAuditStore
from gateway.users.sql_changes import SqlChangeStore
from gateway.users.sql_external import SqlExternalStore
from gateway.users.sql_jobs import SqlJobStore
from gateway.users.sql_proofs import SqlProofStore
from gateway.users.sql_sessions import SqlSessionStore
from gateway.users.standings import Standings
from gateway.users.trail import Trail
from gateway.verdicts import Verdicts
from protocol.workers import WorkerView

SECRET = "a-secret-of-thirty-two-bytes-or-more"
DEVELOPMENT = {"PACELINE_ENV": "development"}
PRODUCTION = {"PACELINE_JWT_SECRET": SECRET}
WORKER = WorkerView(
    worker_id="abc123",
    host_id="here",
    process_id=1,
    started_at_ms=1_700_000_000_000,
    version="1",
    is_leaving=False,
)

Client = TestClient[web.Request, web.Application]
BrokerOf = Callable[[MemoryRooms], Broker]


class Answer(NamedTuple):
    """What came back: status, envelope, headers."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def data(self) -> Any:  # noqa: ANN401 - whatever the resource shows
        return self.body["data"]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def bad_fields(self) -> dict[str, str]:
        """The fields that were named as bad, and what was said of each."""
        return dict(self.body["error"]["details"]["fields"])


@dataclasses.dataclass
class Door:
    """The door, and what is behind it."""

    client: Client
    metrics: Metrics
    health: HealthResource
    other_worker: MemoryBroker
    heard: list[Publication]
    database: Database
    hub: Hub
    drained: list[str]
    streams: Streams
    accounts: Accounts

    async def post(
        self, room: str, body: object, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Publish JSON, as text or as an object; answers the status and the envelope."""
        data = io.BytesIO(_encoded(body))
        headers = {"Content-Type": "application/json", **(headers or {})}
        path = f"/api/rooms/{room}/events"
        async with self.client.post(path, headers=headers, data=data) as response:
            return response.status, await response.json()

    async def ask(  # noqa: PLR0913 - a request has so many parts
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        *,
        role: Role | None = Role.ADMIN,
        subject: str = "an admin",
    ) -> Answer:
        """Any request, with a token of that role (None: with none)."""
        headers = dict(headers or {})
        if role is not None:
            headers.setdefault("Authorization", bearer(role, subject=subject))
        data = None if body is None else io.BytesIO(_encoded(body))
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        url = URL(path, encoded=True)
        async with self.client.request(
            method, url, headers=headers, data=data, allow_redirects=False
        ) as response:
            raw = await response.read()
            return Answer(response.status, json.loads(raw) if raw else None, response.headers)

    async def listen(self, room: str) -> list[Publication]:
        """What the room is told from now on; the list grows."""
        await self.other_worker.follow(room)
        return self.heard


OpenDoor = Callable[..., Awaitable[Door]]


@pytest.fixture
async def open_door(  # noqa: PLR0915 - one line for each part of a door
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> AsyncIterator[OpenDoor]:
    """What opens a door under some settings, and all of them are closed after the test."""
    started: list[MemoryBroker | Hub | Standings | ApiKeys | Database | SignIns | Trail] = []
    stopping: list[Callable[[], None]] = []

    async def open_(environ: dict[str, str], broker_of: BrokerOf = MemoryBroker) -> Door:
        elsewhere = {"DATABASE_URL": f"sqlite:///{tmp_path}/users.db"}
        settings = Settings.from_env(elsewhere | environ)
        metrics, rooms = Metrics(), MemoryRooms(settings.kind_of)
        broker = broker_of(rooms)
        lanes = Lanes(settings.outbox_limit_bytes, settings.write_high_water_bytes, metrics)
        streams = Streams(settings, metrics)
        peers = PeersByDoor(lanes, streams)
        hub = Hub(settings, broker, peers)
        lanes.serve(hub.membership)
        await hub.start()
        other_worker = MemoryBroker(rooms)
        heard: list[Publication] = []
        await other_worker.start(lambda deliveries: _keep(heard, deliveries))
        database = Database(settings.database_url)
        await database.start()
        started.extend([hub, other_worker, database])
        health = HealthResource(broker, database, metrics)
        offences = Offences()
        problems = Problems(metrics, offences)
        app = web.Application(
            middlewares=[
                Origins(settings.allowed_origins).answer,
                problems.answer,
                Acting(settings.trusted_networks).note,
            ],
            client_max_size=settings.body_limit_bytes,
        )
        users, kept_sessions = SqlUserStore(database), SqlSessionStore(database)
        keys = SqlKeyStore(database)
        standings = Standings(users, kept_sessions, keys, SqlChangeStore(database))
        await standings.start()
        api_keys = ApiKeys(keys, standings)
        started.extend([standings, api_keys])
        verdicts = Verdicts(hub.membership, peers.dismiss)
        standings.judge_by(verdicts.judge, verdicts.subjects)
        authenticator = Authenticator(settings, standings, api_keys.note_use)
        accounts = Accounts(users, standings)
        passwords = Passwords()
        audit = SqlAuditStore(database)
        trail = Trail(audit, users.find_by_email)
        started.append(trail)
        stopping.append(passwords.stop)
        sessions = Sessions(
            users,
            kept_sessions,
            passwords,
            authenticator.keys,
            authenticator.rules,
            SessionRules(settings.access_token_seconds, settings.session_seconds),
            standings,
            trail,
        )
        proving = Proving(
            SqlProofStore(database),
            SqlJobStore(database),
            passwords,
            standings,
            sends_mail=settings.sends_mail,
        )
        external = SqlExternalStore(database)
        arrivals = Arrivals(users, external, accounts)
        sign_ins = SignIns(settings, authenticator.keys, sessions, arrivals, external)
        await sign_ins.start()
        started.append(sign_ins)
        drained: list[str] = []
        drains = Drains(WORKER.worker_id, MemoryIntercom({}), lambda: drained.append("this one"))
        lockers = MemoryLockers(time.monotonic)
        resources = Resources(
            health=health,
            events=EventsResource(hub, authenticator, metrics),
            snapshots=SnapshotsResource(
                hub, authenticator, PublicVehicles(settings, broker, lockers)
            ),
            histories=HistoriesResource(broker, authenticator),
            streaming=StreamingResource(
                settings,
                hub,
                authenticator,
                streams,
                Tickets(lockers, authenticator),
                Pacing(settings),
                metrics,
            ),
            trackers=TrackersResource(hub, authenticator, Pacing(settings), metrics, offences),
            members=MembersResource(hub, authenticator, Removals(hub, MemoryIntercom({})), trail),
            users=UsersResource(accounts, authenticator),
            me=MeResource(accounts, sessions, authenticator, settings.trusted_networks),
            keys=KeysResource(api_keys, authenticator),
            workers=WorkersResource(_one_worker, drains, authenticator, trail),
            audit=AuditResource(audit, authenticator),
            documents=DocumentsResource(),
            sign_in=SignInResource(
                sign_ins,
                sessions,
                settings.trusted_networks,
                metrics,
                is_secure=settings.is_seen_over_https,
            ),
            sessions=SessionsResource(sessions, accounts, authenticator, settings.trusted_networks),
            proofs=ProofsResource(proving, accounts, authenticator, settings.trusted_networks),
        )
        app.add_routes(routes_of(resources))
        client = await aiohttp_client(app)
        return Door(
            client,
            metrics,
            health,
            other_worker,
            heard,
            database,
            hub,
            drained,
            streams,
            accounts,
        )

    yield open_
    for part in reversed(started):
        await part.stop()
    for stop in stopping:
        stop()


@pytest.fixture
async def door(open_door: OpenDoor) -> Door:
    """In development, where nobody needs a token."""
    return await open_door(DEVELOPMENT)


def bearer(
    role: Role = Role.SERVICE,
    *,
    subject: str = "a backend",
    seconds: float = 60,
    **grants: tuple[str, ...],
) -> str:
    """An `Authorization` header's value."""
    token = sign_token(
        KeySet.of([SECRET]),
        subject=subject,
        role=role,
        now_seconds=time.time(),
        lifetime_seconds=seconds,
        grants=Grants(**grants),
    )
    return f"Bearer {token}"


async def _one_worker() -> list[WorkerView]:
    return [WORKER]


def _keep(heard: list[Publication], deliveries: Sequence[Delivery]) -> None:
    heard.extend(delivery for delivery in deliveries if isinstance(delivery, Publication))


def _encoded(body: object) -> bytes:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return text.encode() if isinstance(text, str) else text
