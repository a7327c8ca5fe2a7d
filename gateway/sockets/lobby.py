"""This module owns the coming and going of peers: what each part of a worker is told of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import structlog

from gateway.sockets import packets
from gateway.sockets.entrance import Entrance
from gateway.sockets.expiry import TokenWatch

if TYPE_CHECKING:
    from gateway.authentication import Authenticator
    from gateway.hub import Hub
    from gateway.logs import Offences
    from gateway.metrics import Metrics
    from gateway.rooms.pacing import Pacing
    from gateway.settings import Settings
    from gateway.sockets.connection import Connection
    from gateway.sockets.lanes import Lanes
    from gateway.sockets.recovery import Recovery, Returning
    from gateway.sockets.session import Session
    from protocol.refusals import Refused

logger = structlog.get_logger(__name__)


class Lobby:
    """Between the entrance and the hub."""

    def __init__(  # noqa: PLR0913, PLR0917 - these are the parts that are told
        self,
        settings: Settings,
        hub: Hub,
        lanes: Lanes,
        authenticator: Authenticator,
        recovery: Recovery,
        pacing: Pacing,
        metrics: Metrics,
        offences: Offences,
    ) -> None:
        self._hub = hub
        self._lanes = lanes
        self._recovery = recovery
        self._pacing = pacing
        self._metrics = metrics
        self._offences = offences
        limit = settings.connections_per_identity_limit
        self.entrance = Entrance(authenticator, recovery, limit, self)
        self.watch = TokenWatch(settings, lanes)

    def start(self) -> None:
        """Begin to let peers go that go on elsewhere."""
        self._recovery.start(self.release)

    async def stop(self) -> None:
        """End; what is known of the peers is kept for when they come back."""
        await self._recovery.stop()

    # ---- coming

    def let_in(self, session: Session, pid: str | None) -> None:
        """Welcome a new peer."""
        session.pace = self._pacing.pace_of(session.identity)
        self._hub.welcome(session)
        self._begin(session, pid)
        logger.debug("= let in", peer=session.id, subject=session.identity.subject)

    async def let_back_in(self, session: Session, returning: Returning) -> bool:
        """Bring a peer back into its rooms; it is accepted first, and then sent what it missed."""
        former = self._hub.membership.peers.get(session.id)
        if former is not None:  # another worker had its session meanwhile, which came to nothing
            self.release(cast("Session", former))
        session.pace = self._pacing.pace_of(session.identity)

        def accept() -> None:
            self.entrance.take(session)
            self._begin(session, returning.pid)

        try:
            is_back = await self._hub.restore(session, returning.places, accept)
        finally:
            if session.connection.peer is not session:
                self._pacing.remember(session.identity, session.pace, time.monotonic())
        logger.debug("= back", peer=session.id, subject=session.identity.subject, is_back=is_back)
        return is_back

    def turned_away(self, connection: Connection, refused: Refused) -> None:
        """Somebody was not let in."""
        self._metrics.note_refusal(refused.refusal)
        self._offences.note("not let in", connection.handshake.address, code=refused.refusal.code)

    def _begin(self, session: Session, pid: str | None) -> None:
        self._lanes.choose(session)
        session.connection.send_message(packets.connect_packet(session.id, pid))
        self.watch.watch(session)

    # ---- going

    def leave(self, connection: Connection) -> None:
        """A peer is gone, if the connection had one; nothing of it stays behind."""
        session = self.entrance.leave(connection)
        if session is not None:
            self._recovery.drop(session)
            self._hub.forget(session)
            self._pacing.remember(session.identity, session.pace, time.monotonic())
            logger.debug("= gone", peer=session.id)

    def release(self, session: Session) -> None:
        """Another connection goes on as this peer: let go of it without telling anybody."""
        self._recovery.drop(session)
        self.entrance.leave(session.connection)
        self._hub.release(session)
        self._pacing.remember(session.identity, session.pace, time.monotonic())
        session.connection.close()
        logger.debug("= taken over", peer=session.id)
