"""This module owns lanes with recorded peers behind them."""

from __future__ import annotations

import itertools
import json

from gateway.metrics import Metrics
from gateway.rooms.membership import Membership
from gateway.rooms.publication import Op, Publication
from gateway.sockets.connection import Connection
from gateway.sockets.engine import Engine, EngineLimits
from gateway.sockets.lanes import Lanes
from gateway.sockets.session import Session
from gateway.sockets.sink import LibrarySink
from protocol import codec
from tests.gateway.sockets.recording_transport import (
    RecordingTransport,
    connection_of,
    polling_connection_of,
    session_of,
)

HIGH_WATER_BYTES = 2000
OUTBOX_LIMIT_BYTES = 20_000


class Door:
    """Lanes over recorded connections; what they say of themselves goes where it does for real."""

    def __init__(self, outbox_limit_bytes: int = OUTBOX_LIMIT_BYTES) -> None:
        limits = EngineLimits(high_water_bytes=HIGH_WATER_BYTES)
        self.engine = Engine(limits=limits)
        self.engine.sink = _Listener(self)
        self.metrics = Metrics()
        self.membership = Membership()
        self.lanes = Lanes(outbox_limit_bytes, HIGH_WATER_BYTES, self.metrics)
        self.lanes.serve(self.membership)
        self._offsets = itertools.count(1)

    def enter(self, name: str, *rooms: str) -> tuple[Session, RecordingTransport]:
        connection, transport = connection_of(self.engine, name)
        return self._seat(connection, name, rooms), transport

    def enter_polling(self, name: str, *rooms: str) -> Session:
        return self._seat(polling_connection_of(self.engine, name), name, rooms)

    def _seat(self, connection: Connection, name: str, rooms: tuple[str, ...]) -> Session:
        session = session_of(connection, name)
        self.membership.add(session)
        self.lanes.choose(session)
        for room in rooms:
            self.membership.go_live(self.membership.subscribe(session, room))
        return session

    def publish(  # noqa: PLR0913, PLR0917 - what a publication may say of itself
        self,
        room: str,
        number: object,
        author: str | None = None,
        key: str | None = None,
        op: Op | None = None,
        event: str = "bike-updated",
        accepted_us: int = 0,
    ) -> None:
        body = json.dumps({"number": number}, separators=(",", ":")).encode()
        publication = Publication(
            room,
            "epoch",
            next(self._offsets),
            0,
            event,
            codec.packet_of(event, body),
            author,
            key,
            op if op is not None else (Op.UPSERT if key else Op.NONE),
            accepted_us=accepted_us,
        )
        readers = self.membership.rooms.get(room)
        if readers is not None:
            self.lanes.deliver(readers, publication)


class _Listener(LibrarySink):
    """The layer above the engine, as far as the lanes need it."""

    def __init__(self, door: Door) -> None:
        super().__init__(door.engine._trigger_event)  # noqa: SLF001 - as the engine does
        self._door = door

    def upgraded(self, connection: Connection) -> None:
        self._door.lanes.choose(connection.peer)

    paused = resumed = upgraded

    def polled(self, connection: Connection) -> None:
        self._door.lanes.drain(connection.peer)

    def closed(self, connection: Connection, reason: str) -> None:  # noqa: ARG002 - the sink's
        self._door.membership.forget(connection.peer)
