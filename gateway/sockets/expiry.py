"""This module owns the end of a token on a live socket: a warning, then a goodbye."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from protocol import codec, events
from protocol.refusals import Goodbye

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.sockets.connection import Connection
    from gateway.sockets.engine import Engine
    from gateway.sockets.lanes import Lanes
    from gateway.sockets.session import Session

# The timer of somebody who has gone must not stay for weeks, though it holds no more than an id.
_LOOK_SECONDS: Final = 60.0


class TokenWatch:
    """Looks at each session's token when something is due, and now and then in between."""

    def __init__(self, settings: Settings, lanes: Lanes) -> None:
        self._warning_seconds = settings.token_warning_seconds
        self._leeway_seconds = settings.jwt_leeway_seconds
        self._lanes = lanes

    def watch(self, session: Session) -> None:
        """See to it that the token is looked at in time; a look that is due earlier will do."""
        expires = session.identity.expires_at_seconds
        if expires is None:
            return
        now = asyncio.get_running_loop().time()
        due = now + max(0.0, expires - time.time() - self._warning_seconds)
        if session.look_seconds is None or due < session.look_seconds:
            self._look(session)

    def _look_again(self, engine: Engine, sid: str, look_seconds: float) -> None:
        connection: Connection | None = engine.sockets.get(sid)
        session: Session | None = None if connection is None else connection.peer
        # A new token may have asked for another look, which has taken the place of this one.
        if session is not None and session.look_seconds == look_seconds:
            self._look(session)

    def _look(self, session: Session) -> None:
        expires = session.identity.expires_at_seconds
        connection = session.connection
        if expires is None:
            session.look_seconds = None
            return
        # A token is let in until the leeway is over, so it may stay until then as well.
        left_seconds = expires + self._leeway_seconds - time.time()
        if left_seconds <= 0:
            self._lanes.dismiss(session, Goodbye.TOKEN_EXPIRED)
            return
        warn_in_seconds = expires - time.time() - self._warning_seconds
        if warn_in_seconds <= 0 and not session.is_warned:
            session.is_warned = True
            notice = events.TokenExpiring(int(expires * 1000))
            connection.send_message(codec.packet_of("token-expiring", notice))
        next_seconds = left_seconds if session.is_warned else warn_in_seconds
        due = asyncio.get_running_loop().time() + min(next_seconds, _LOOK_SECONDS)
        session.look_seconds = due
        # Not the session: whatever waits in its outbox would stay for as long.
        engine, sid = connection.engine, connection.sid
        engine.wheel.at(due, lambda _: self._look_again(engine, sid, due))
