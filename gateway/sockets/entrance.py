"""This module owns the way into the main namespace: from CONNECT to a session, and out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from gateway.authentication import bearer_of
from gateway.sockets import packets
from gateway.sockets.packets import PacketInvalid
from gateway.sockets.session import Session
from protocol.refusals import Refusal, Refused

if TYPE_CHECKING:
    from gateway.authentication import Authenticator
    from gateway.identity import Identity
    from gateway.sockets.connection import Connection

logger = structlog.get_logger(__name__)

ENTRIES_LIMIT: Final = 20  # of one connection


class _Credentials(msgspec.Struct, frozen=True):
    """What a client says of itself in CONNECT; whatever else it says is its own."""

    token: str | None = None
    cursors: bool = False  # whether each event is to say where its reader stands


_decode_credentials = msgspec.json.Decoder(_Credentials).decode


class Entrance:
    """Lets clients in, each with an identity, so many of one identity as may be."""

    def __init__(
        self,
        authenticator: Authenticator,
        identity_limit: int,
        let_in: Callable[[Session], None],
        turned_away: Callable[[Connection, Refused], None],
    ) -> None:
        self._authenticator = authenticator
        self._identity_limit = identity_limit
        self._let_in = let_in
        self._turned_away = turned_away
        self._per_identity: dict[str, int] = {}
        self._waiting: set[str] = set()  # connections whose token's key is being fetched

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
            identity = self._authenticator.identify_now(token)
        except msgspec.DecodeError as error:
            self._turn_away(connection, Refused(Refusal.MALFORMED, f"auth: {error}"))
        except Refused as refused:
            self._turn_away(connection, refused)
        else:
            if identity is not None:
                self._admit(connection, identity, credentials)
                return
            self._waiting.add(connection.sid)
            connection.post(self._enter_later(connection, token, credentials))

    def leave(self, connection: Connection) -> Session | None:
        """Take a connection's session from it; None when it was not let in."""
        self._waiting.discard(connection.sid)
        session: Session | None = connection.peer
        if session is None:
            return None
        connection.peer = None
        subject = session.identity.subject
        left = self._per_identity.get(subject, 0) - 1
        if left > 0:
            self._per_identity[subject] = left
        else:
            self._per_identity.pop(subject, None)
        return session

    async def _enter_later(
        self, connection: Connection, token: str | None, credentials: _Credentials
    ) -> None:
        """The key of the token has to be fetched first."""
        try:
            identity = await self._authenticator.identify(token)
        except Refused as refused:
            self._turn_away(connection, refused)
        else:
            if connection.sid in self._waiting and not connection.closed:
                self._admit(connection, identity, credentials)
        finally:
            self._waiting.discard(connection.sid)

    def _admit(self, connection: Connection, identity: Identity, credentials: _Credentials) -> None:
        count = self._per_identity.get(identity.subject, 0)
        if self._identity_limit and count >= self._identity_limit:
            refused = Refused(Refusal.TOO_FAST, "This identity has too many connections.")
            self._turn_away(connection, refused)
            return
        self._per_identity[identity.subject] = count + 1
        session = Session(connection.engine.generate_id(), identity, connection)
        session.has_cursors = credentials.cursors
        connection.peer = session
        self._let_in(session)

    def _turn_away(self, connection: Connection, refused: Refused) -> None:
        connection.send_message(packets.connect_error_packet(refused.message, refused.body()))
        self._turned_away(connection, refused)
