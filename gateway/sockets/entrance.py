"""This module owns the way into the main namespace: from CONNECT to a session, and out again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import msgspec
import structlog

from gateway.authentication import bearer_of
from gateway.broker.contract import BrokerUnavailable
from gateway.sockets import packets
from gateway.sockets.packets import PacketInvalid
from gateway.sockets.session import Session
from protocol.refusals import Refusal, Refused

if TYPE_CHECKING:
    from gateway.authentication import Authenticator
    from gateway.identity import Identity
    from gateway.sockets.connection import Connection
    from gateway.sockets.recovery import Recovery, Returning

logger = structlog.get_logger(__name__)

ENTRIES_LIMIT: Final = 20  # of one connection
# A crowd that comes back, after a restart perhaps, must not stop the event loop for all others.
RETURNS_AT_ONCE: Final = 16


# The official client of Java and Kotlin can say texts alone in its auth.
_Wish = bool | Literal["true", "false"]


class _Credentials(msgspec.Struct, frozen=True):
    """What a client says of itself in CONNECT; whatever else it says is its own."""

    token: str | None = None
    cursors: _Wish = False  # whether each event is to say where its reader stands
    recover: _Wish = False  # whether it wants to be the same peer when it comes back
    pid: Any = None  # what it comes back with; without `recover` it may mean anything
    offset: Any = None

    @property
    def wants_cursors(self) -> bool:
        return self.cursors in {True, "true"}

    @property
    def wants_recovery(self) -> bool:
        return self.recover in {True, "true"}


class Host(Protocol):
    """Whoever takes care of clients behind the entrance."""

    def let_in(self, session: Session, pid: str | None) -> None:
        """Welcome a new peer; `pid` is what it may come back with."""

    async def let_back_in(self, session: Session, returning: Returning) -> bool:
        """Bring a peer back into its rooms; False when that cannot be. Raises as the hub does."""

    def turned_away(self, connection: Connection, refused: Refused) -> None:
        """Somebody was not let in."""


_decode_credentials = msgspec.json.Decoder(_Credentials).decode


class Entrance:
    """Lets clients in, each with an identity, so many of one identity as may be."""

    def __init__(
        self,
        authenticator: Authenticator,
        recovery: Recovery,
        identity_limit: int,
        host: Host,
    ) -> None:
        self._authenticator = authenticator
        self._recovery = recovery
        self._identity_limit = identity_limit
        self._host = host
        self._per_identity: dict[str, int] = {}
        self._waiting: set[str] = set()  # connections that are not answered yet
        self._turnstile = asyncio.Semaphore(RETURNS_AT_ONCE)

    def enter(self, connection: Connection, data: bytes) -> None:
        """Answer a CONNECT, now or later. Raises `PacketInvalid` for a second one while one holds.

        A client may leave the namespace and come back on the same connection, but not for ever:
        each entry costs the check of a token.
        """
        connection.entries += 1
        is_second = connection.peer is not None or connection.sid in self._waiting
        if is_second or connection.entries > ENTRIES_LIMIT:
            raise PacketInvalid
        try:
            credentials = _decode_credentials(data) if data else _Credentials()
            token = credentials.token or bearer_of(connection.handshake.authorization)
            # Of a crowd that is back at once each has its turn, also to have its token checked.
            is_back = self._comes_back(credentials)
            identity = None if is_back else self._authenticator.identify_now(token)
        except msgspec.DecodeError as error:
            self._turn_away(connection, Refused(Refusal.MALFORMED, f"auth: {error}"))
        except Refused as refused:
            self._turn_away(connection, refused)
        else:
            if identity is None:
                self._waiting.add(connection.sid)
                connection.post(self._enter_later(connection, token, credentials))
            else:
                self._admit(connection, identity, credentials)

    def leave(self, connection: Connection) -> Session | None:
        """Take a connection's session from it; None when it was not let in."""
        self._waiting.discard(connection.sid)
        session: Session | None = connection.peer
        if session is None:
            return None
        connection.peer = None
        self._count_out(session.identity.subject)
        return session

    def take(self, session: Session) -> None:
        """Let a peer in that comes back. Raises `Refused` (CONFLICT) when it has gone meanwhile."""
        connection = session.connection
        if connection.closed or connection.sid not in self._waiting:
            raise Refused(Refusal.CONFLICT, "The connection has gone.")
        connection.peer = session

    def _comes_back(self, credentials: _Credentials) -> bool:
        return credentials.wants_recovery and credentials.pid is not None and self._recovery.is_on

    async def _enter_later(
        self, connection: Connection, token: str | None, credentials: _Credentials
    ) -> None:
        """The key of the token has to be fetched first, or the session of a client that is back."""
        is_back = self._comes_back(credentials)
        identity: Identity | None = None
        try:
            if is_back:
                async with self._turn():
                    identity = self._authenticator.identify_now(token)
            if identity is None:  # its issuer is asked, which must not keep the others waiting
                identity = await self._authenticator.identify(token)
            if is_back:
                async with self._turn():
                    if await self._admit_again(connection, identity, credentials):
                        return
            if connection.sid in self._waiting and not connection.closed:
                self._admit(connection, identity, credentials)
        except Refused as refused:
            self._turn_away(connection, refused)
        except BrokerUnavailable:
            # A client that is turned away does not try again by itself; one that is cut off does.
            connection.close()
        finally:
            self._waiting.discard(connection.sid)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of so many at once; whoever else is ready has the loop in between."""
        async with self._turnstile:
            await asyncio.sleep(0)
            yield

    def _admit(self, connection: Connection, identity: Identity, credentials: _Credentials) -> None:
        refused = self._count_in(identity.subject)
        if refused is not None:
            self._turn_away(connection, refused)
            return
        session = Session(connection.engine.generate_id(), identity, connection)
        session.has_cursors = credentials.wants_cursors
        connection.peer = session
        is_to_return = credentials.wants_recovery and self._recovery.is_on
        self._host.let_in(session, self._recovery.issue(session) if is_to_return else None)

    async def _admit_again(
        self, connection: Connection, identity: Identity, credentials: _Credentials
    ) -> bool:
        """Let a client in as the peer that it was; False when it has to come in as a new one."""
        recovery = self._recovery
        returning = await recovery.claim(identity, credentials.pid, credentials.offset)
        if returning is None:
            return False
        session = Session(returning.peer_id, returning.identity, connection)
        session.has_cursors = credentials.wants_cursors
        recovery.resume(session, returning)
        refused = self._count_in(session.identity.subject)
        result = "abandoned" if refused else await self._return(session, returning)
        if result != "recovered":
            recovery.drop(session)
        await recovery.settle(returning, result)
        if refused is not None:
            raise refused
        if result == "unavailable":
            raise BrokerUnavailable
        return result != "discontinued"

    async def _return(self, session: Session, returning: Returning) -> str:
        """Bring a peer back; what became of it."""
        result = "abandoned"
        try:
            is_back = await self._host.let_back_in(session, returning)
            result = "recovered" if is_back else "discontinued"
        except BrokerUnavailable:
            result = "unavailable"
        except Refused as refused:
            if refused.refusal is not Refusal.CONFLICT:
                result = "discontinued"
        finally:
            if result != "recovered":
                self._count_out(session.identity.subject)
        return result

    def _count_in(self, subject: str) -> Refused | None:
        """Count one more of an identity; or return why not."""
        count = self._per_identity.get(subject, 0)
        if self._identity_limit and count >= self._identity_limit:
            return Refused(Refusal.TOO_FAST, "This identity has too many connections.")
        self._per_identity[subject] = count + 1
        return None

    def _count_out(self, subject: str) -> None:
        left = self._per_identity.get(subject, 0) - 1
        if left > 0:
            self._per_identity[subject] = left
        else:
            self._per_identity.pop(subject, None)

    def _turn_away(self, connection: Connection, refused: Refused) -> None:
        connection.send_message(packets.connect_error_packet(refused.message, refused.body()))
        self._host.turned_away(connection, refused)
