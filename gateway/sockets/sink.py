"""This module owns what the engine tells the layer above, and one such layer: plain handlers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from gateway.sockets.connection import TRANSPORT_FAILED, Connection
from gateway.sockets.mailbox import Farewell

logger = structlog.get_logger(__name__)

Trigger = Callable[..., Coroutine[Any, Any, Any]]  # python-engineio's `_trigger_event`


class Sink(Protocol):
    """The layer above: what sessions say, synchronously and in order."""

    def opened(self, connection: Connection) -> None:
        """A session has begun."""

    def heard(self, connection: Connection, message: bytes) -> None:
        """A text message; valid UTF-8."""

    def heard_binary(self, connection: Connection, data: bytes) -> None:
        """A binary message."""

    def heard_noise(self, connection: Connection, size_bytes: int) -> None:
        """What says nothing: a ping, an unasked pong, a read that brought a part of a message."""

    def upgraded(self, connection: Connection) -> None:
        """The session has moved from polling to a WebSocket."""

    def polled(self, connection: Connection) -> None:
        """The client has come to fetch what is waiting."""

    def paused(self, connection: Connection) -> None:
        """The client does not read as fast as it is written to."""

    def resumed(self, connection: Connection) -> None:
        """The client has caught up."""

    def closed(self, connection: Connection, reason: str) -> Farewell:
        """The session is over; said once. May return work that still has to be done for it."""

    def offended(self, connection: Connection, what: str) -> None:
        """The client broke the protocol, and is being closed for it."""


class LibrarySink:
    """Hands everything to handlers that were registered the way python-engineio does it."""

    def __init__(self, trigger: Trigger) -> None:
        self._trigger = trigger

    def opened(self, connection: Connection) -> None:
        """Tell the `connect` handler."""
        environ = {"engine.handshake": connection.handshake}
        self._post(connection, "connect", environ)

    def heard(self, connection: Connection, message: bytes) -> None:
        """Tell the `message` handler."""
        self._post(connection, "message", message.decode())

    def heard_binary(self, connection: Connection, data: bytes) -> None:
        """Tell the `message` handler."""
        self._post(connection, "message", data)

    def closed(self, connection: Connection, reason: str) -> Farewell:
        """Tell the `disconnect` handler."""
        return self._handled(connection, "disconnect", reason)

    def offended(self, connection: Connection, what: str) -> None:
        """One line."""
        logger.info("! protocol broken", address=connection.handshake.address, what=what)

    def heard_noise(self, connection: Connection, size_bytes: int) -> None:
        """Handlers are not told."""

    def upgraded(self, connection: Connection) -> None:
        """Handlers are not told."""

    def polled(self, connection: Connection) -> None:
        """Handlers are not told."""

    def paused(self, connection: Connection) -> None:
        """Handlers are not told."""

    def resumed(self, connection: Connection) -> None:
        """Handlers are not told."""

    def _post(self, connection: Connection, event: str, *arguments: object) -> None:
        if not connection.post(self._handled(connection, event, *arguments)):
            connection.close(TRANSPORT_FAILED)

    def _handled(
        self, connection: Connection, event: str, *arguments: object
    ) -> Coroutine[Any, Any, Any]:
        return self._trigger(event, connection.sid, *arguments, run_async=False)
