from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.authentication import Authenticator
from gateway.broker.memory_sessions import MemoryIntercom, MemorySessions
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.sockets.connection import Connection
from gateway.sockets.engine import Engine
from gateway.sockets.entrance import ENTRIES_LIMIT, RETURNS_AT_ONCE, Entrance
from gateway.sockets.packets import PacketInvalid
from gateway.sockets.recovery import Recovery, Returning
from gateway.sockets.session import Session
from protocol.refusals import Refusal, Refused
from tests.gateway.broker.worker import eventually
from tests.gateway.sockets.recording_transport import connection_of
from tests.toolbox.forgery import EC_KEY, ED_KEY, jwk_of
from tests.toolbox.strict_gateway import EXPIRED, RIDER, SECRET, token_of


class Guests:
    """Who was let in, and who was not."""

    def __init__(self, identity_limit: int = 0, authenticator: Authenticator | None = None) -> None:
        settings = Settings.from_env({"PACELINE_JWT_SECRET": SECRET})
        self.engine = Engine()
        self.sessions: list[Session] = []
        self.pids: list[str] = []
        self.returned: list[str] = []
        self.refusals: list[Refusal] = []
        sessions, intercom = MemorySessions(120.0, time.monotonic), MemoryIntercom({})
        self.recovery = Recovery(120.0, sessions, intercom, Metrics())
        self.entrance = Entrance(
            authenticator or Authenticator(settings), self.recovery, identity_limit, self
        )

    def let_in(self, session: Session, pid: str | None) -> None:
        self.sessions.append(session)
        if pid is not None:
            self.pids.append(pid)

    async def let_back_in(self, session: Session, returning: Returning) -> bool:
        self.entrance.take(session)
        self.returned.append(returning.peer_id)
        return True

    def turned_away(self, _connection: Connection, refused: Refused) -> None:
        self.refusals.append(refused.refusal)

    def enter(self, sid: str, auth: str) -> Connection:
        connection, _ = connection_of(self.engine, sid)
        self.entrance.enter(connection, auth.encode())
        return connection


async def test_a_token_lets_its_subject_in_with_or_without_cursors() -> None:
    guests = Guests()
    guests.enter("a", f'{{"token":"{RIDER}"}}')
    guests.enter("b", f'{{"token":"{RIDER}","cursors":true,"else":1}}')
    guests.enter("c", f'{{"token":"{RIDER}","cursors":"true"}}')
    guests.enter("d", f'{{"token":"{RIDER}","cursors":"false"}}')
    guests.engine.wheel.stop()

    assert [session.identity.subject for session in guests.sessions] == ["rider"] * 4
    told = [session.has_cursors for session in guests.sessions]
    assert told == [False, True, True, False], "some clients can say texts alone"
    assert guests.refusals == []


@pytest.mark.parametrize(
    ("auth", "refusal"),
    [
        ("", Refusal.UNAUTHENTICATED),
        ("{}", Refusal.UNAUTHENTICATED),
        ('{"token":7}', Refusal.MALFORMED),
        ('{"token":"nonsense"}', Refusal.TOKEN_INVALID),
        (f'{{"token":"{EXPIRED}"}}', Refusal.TOKEN_EXPIRED),
        (f'{{"token":"{RIDER}","cursors":"yes"}}', Refusal.MALFORMED),
    ],
)
async def test_whoever_proves_nothing_is_turned_away(auth: str, refusal: Refusal) -> None:
    guests = Guests()
    connection = guests.enter("a", auth)
    guests.engine.wheel.stop()

    assert guests.refusals == [refusal]
    assert guests.sessions == []
    assert connection.peer is None


async def test_a_second_connect_while_the_first_holds_is_no_packet() -> None:
    guests = Guests()
    auth = f'{{"token":"{RIDER}"}}'
    connection = guests.enter("a", auth)
    guests.engine.wheel.stop()

    with pytest.raises(PacketInvalid):
        guests.entrance.enter(connection, auth.encode())


async def test_one_may_leave_and_come_back_but_not_for_ever() -> None:
    guests = Guests()
    auth = f'{{"token":"{RIDER}"}}'
    connection = guests.enter("a", auth)
    guests.engine.wheel.stop()
    for _ in range(ENTRIES_LIMIT - 1):
        assert guests.entrance.leave(connection) is guests.sessions[-1]
        guests.entrance.enter(connection, auth.encode())
    guests.entrance.leave(connection)

    with pytest.raises(PacketInvalid):
        guests.entrance.enter(connection, auth.encode())


async def test_of_one_identity_so_many_are_let_in_and_a_place_becomes_free_again() -> None:
    guests = Guests(identity_limit=2)
    auth = f'{{"token":"{RIDER}"}}'
    first = guests.enter("a", auth)
    guests.enter("b", auth)
    guests.enter("c", auth)
    assert guests.refusals == [Refusal.TOO_FAST]
    guests.enter("d", f'{{"token":"{token_of("somebody else")}"}}')

    guests.entrance.leave(first)
    guests.enter("e", auth)
    guests.engine.wheel.stop()
    await asyncio.sleep(0)

    assert guests.refusals == [Refusal.TOO_FAST]
    assert len(guests.sessions) == 4


async def test_of_a_crowd_that_comes_back_some_are_let_in_in_each_turn_of_the_loop() -> None:
    guests = Guests()
    count = 3 * RETURNS_AT_ONCE
    auth = f'{{"token":"{RIDER}","recover":true}}'
    connections = [guests.enter(f"first {number}", auth) for number in range(count)]
    for session, connection in zip(guests.sessions, connections, strict=True):
        session.ticket.note()  # type: ignore[union-attr] # it was asked for
        guests.recovery.drop(session)
        guests.entrance.leave(connection)
    await guests.recovery.stop()
    for number, pid in enumerate(guests.pids):
        guests.enter(f"again {number}", f'{auth[:-1]},"pid":"{pid}"}}')
    per_turn = [0]
    while len(guests.returned) < count:
        await asyncio.sleep(0)
        per_turn.append(len(guests.returned) - sum(per_turn))
    guests.engine.wheel.stop()

    assert max(per_turn) <= RETURNS_AT_ONCE
    assert guests.returned == [session.id for session in guests.sessions]


async def test_to_leave_without_having_been_let_in_is_nothing() -> None:
    guests = Guests()
    connection = guests.enter("a", "")
    guests.engine.wheel.stop()

    assert guests.entrance.leave(connection) is None


# ---- a key that has to be fetched


class Issuer:
    """Publishes its key once it is told to."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def answer(self, _: web.Request) -> web.Response:
        self.is_asked.set()
        await self.may_answer.wait()
        return web.json_response({"keys": [jwk_of(EC_KEY, "now")]})


@pytest.fixture
async def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def waiting(issuer: Issuer) -> AsyncIterator[Guests]:
    """Guests of a gateway that is asking its issuer and has no answer yet."""
    app = web.Application()
    app.router.add_get("/jwks.json", issuer.answer)
    async with TestServer(app) as server:
        settings = Settings.from_env({"PACELINE_JWKS_URL": str(server.make_url("/jwks.json"))})
        authenticator = Authenticator(settings)
        starting = asyncio.create_task(authenticator.start())
        await issuer.is_asked.wait()
        guests = Guests(authenticator=authenticator)
        yield guests
        guests.engine.wheel.stop()
        await starting
        await authenticator.stop()


def issued(key: object, kid: str, algorithm: str) -> str:
    claims = {"sub": "grace", "exp": time.time() + 60, "role": "rider"}
    token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})  # type: ignore[arg-type] # any private key
    return f'{{"token":"{token}"}}'


async def test_a_token_whose_key_is_being_fetched_lets_its_subject_in_when_it_has_come(
    waiting: Guests, issuer: Issuer
) -> None:
    connection = waiting.enter("a", issued(EC_KEY, "now", "ES256"))
    assert connection.peer is None
    issuer.may_answer.set()
    await eventually(lambda: bool(waiting.sessions))

    assert waiting.sessions[0].identity.subject == "grace"
    assert connection.peer is waiting.sessions[0]


async def test_a_token_whose_key_the_issuer_does_not_have_is_turned_away(
    waiting: Guests, issuer: Issuer
) -> None:
    waiting.enter("a", issued(ED_KEY, "not published", "EdDSA"))
    issuer.may_answer.set()
    await eventually(lambda: bool(waiting.refusals))

    assert waiting.refusals == [Refusal.TOKEN_INVALID]
    assert waiting.sessions == []


async def test_a_second_connect_while_the_key_is_being_fetched_is_no_packet(
    waiting: Guests, issuer: Issuer
) -> None:
    auth = issued(EC_KEY, "now", "ES256")
    connection = waiting.enter("a", auth)
    with pytest.raises(PacketInvalid):
        waiting.entrance.enter(connection, auth.encode())
    issuer.may_answer.set()
    await eventually(lambda: bool(waiting.sessions))


async def test_who_has_gone_before_the_key_came_is_not_let_in(
    waiting: Guests, issuer: Issuer
) -> None:
    auth = issued(EC_KEY, "now", "ES256")
    gone = waiting.enter("gone", auth)
    stays = waiting.enter("stays", auth)
    assert waiting.entrance.leave(gone) is None
    issuer.may_answer.set()
    await eventually(lambda: stays.peer is not None)
    done = asyncio.Event()

    async def mark() -> None:
        done.set()

    gone.post(mark())  # behind what was begun for it
    await done.wait()

    assert gone.peer is None
    assert len(waiting.sessions) == 1
