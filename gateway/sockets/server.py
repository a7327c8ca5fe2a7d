"""This module owns the Socket.IO server: packets to the main namespace, or to python-socketio.

The main namespace is the gateway's: its packets are handled at once, synchronously. Every other one
(the operations page) is served by handlers registered the way python-socketio does it, one event of
a connection after the other.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import socketio

from gateway.sockets import packets
from gateway.sockets.connection import SERVER_LEFT, Connection
from gateway.sockets.engine import Engine
from gateway.sockets.mailbox import Farewell
from gateway.sockets.packets import NotPlain, PacketInvalid, StrictPacket
from gateway.sockets.roster import Roster
from protocol.refusals import Refusal, Refused

_NOISE_LIMIT: Final = 100  # a long token may come in a few parts


class MainNamespace(Protocol):
    """Who serves the namespace `/`. All calls are synchronous."""

    def is_connected(self, connection: Connection) -> bool:
        """Whether the connection was let in."""

    def heard_message(self, connection: Connection, message: bytes) -> bool:
        """An event, which nearly every message is; False when it is another packet.

        Raises `PacketInvalid` for one that cannot be read, or when this is not the moment for one.
        """

    def heard_noise(self, connection: Connection, size_bytes: int) -> None:
        """A client that was let in has sent what says nothing."""

    def refuse(self, connection: Connection, ack_id: bytes, refused: Refused) -> None:
        """An event that cannot be read. Raises `PacketInvalid` when this is no moment for one."""

    def heard(self, connection: Connection, packet: packets.Packet) -> None:
        """Any packet but that. Raises `PacketInvalid` when this is not the moment for it."""

    def heard_binary(self, connection: Connection, data: bytes) -> bool:
        """An attachment; False when none was announced."""

    def upgraded(self, connection: Connection) -> None:
        """The connection has moved to a WebSocket."""

    def polled(self, connection: Connection) -> None:
        """The client has come to fetch what is waiting."""

    def paused(self, connection: Connection) -> None:
        """The client does not read as fast as it is written to."""

    def resumed(self, connection: Connection) -> None:
        """The client has caught up."""

    def closed(self, connection: Connection) -> None:
        """The connection is gone."""

    def offended(self, connection: Connection, what: str) -> None:
        """The client broke the protocol, and is being closed for it."""


class Server(socketio.AsyncServer):  # type: ignore[misc] # python-socketio has no types
    """python-socketio's server on the gateway's engine; `main` takes the namespace `/` over."""

    def __init__(self, main: MainNamespace | None = None, **options: Any) -> None:  # noqa: ANN401
        super().__init__(
            client_manager=Roster(), serializer=StrictPacket, async_handlers=False, **options
        )
        self.main = main
        self.engine: Engine = self.eio
        self.engine.sink = self
        self._held: dict[str, list[Any]] = {}

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    # ---- from the engine

    def opened(self, connection: Connection) -> None:
        """Give the client so long to connect to a namespace."""
        self._watch_idle(connection)

    def _watch_idle(self, connection: Connection) -> None:
        timeout_seconds = self.engine.limits.connect_timeout_seconds
        due = asyncio.get_running_loop().time() + timeout_seconds
        self.engine.wheel.at(due, lambda _: self._close_if_idle(connection))

    def heard(self, connection: Connection, message: bytes) -> None:
        """Read a packet and pass it on; what is not one ends the connection."""
        main = self.main
        try:
            if main is None or not main.heard_message(connection, message):
                self._heard_packet(connection, message)
        except PacketInvalid as fault:
            self._answer_fault(connection, fault)

    def heard_binary(self, connection: Connection, data: bytes) -> None:
        """An attachment of the packet before."""
        try:
            if self.main is not None and self.main.heard_binary(connection, data):
                return
        except PacketInvalid as fault:
            self._answer_fault(connection, fault)
            return
        if connection.sid not in self.environ or not connection.post(
            self._add_attachment(connection, data)
        ):
            connection.fail("attachment")

    def heard_noise(self, connection: Connection, size_bytes: int) -> None:
        """Pass it on; of somebody who is in no namespace yet not much of it is borne."""
        if self.main is not None and self.main.is_connected(connection):
            self.main.heard_noise(connection, size_bytes)
        elif connection.sid not in self.environ:
            connection.noise += 1
            if connection.noise > _NOISE_LIMIT:
                connection.fail("noise")

    def upgraded(self, connection: Connection) -> None:
        """Pass it on."""
        if self.main is not None:
            self.main.upgraded(connection)

    def polled(self, connection: Connection) -> None:
        """Pass it on."""
        if self.main is not None:
            self.main.polled(connection)

    def paused(self, connection: Connection) -> None:
        """Pass it on."""
        if self.main is not None:
            self.main.paused(connection)

    def resumed(self, connection: Connection) -> None:
        """Pass it on."""
        if self.main is not None:
            self.main.resumed(connection)

    def closed(self, connection: Connection, reason: str) -> Farewell:
        """Forget the connection in every namespace."""
        if self.main is not None:
            self.main.closed(connection)
        self._held.pop(connection.sid, None)
        if connection.sid in self.environ:
            return self._handle_eio_disconnect(connection.sid, reason)  # type: ignore[no-any-return]
        return None

    def offended(self, connection: Connection, what: str) -> None:
        """Pass it on."""
        if self.main is not None:
            self.main.offended(connection, what)

    def _answer_fault(self, connection: Connection, fault: PacketInvalid) -> None:
        """Refuse an event that is one, and close for anything else."""
        if isinstance(fault, NotPlain) and self.main is not None:
            refused = Refused(Refusal.MALFORMED, "Not plain JSON: a NaN, or half of a character.")
            try:
                self.main.refuse(connection, fault.ack_id, refused)
            except PacketInvalid:
                connection.fail("packet")
        else:
            connection.fail("packet")

    # ---- namespaces of python-socketio's API

    def _heard_packet(self, connection: Connection, message: bytes) -> None:
        packet = packets.packet_of(message)
        if packet.namespace == "/" and self.main is not None:
            self.main.heard(connection, packet)
            if packet.kind == packets.DISCONNECT:
                self._watch_idle(connection)
            return
        if packet.kind != packets.CONNECT and connection.sid not in self.environ:
            raise PacketInvalid
        if not connection.post(self._handle_packet(connection, message.decode())):
            raise PacketInvalid

    async def _handle_packet(self, connection: Connection, message: str) -> None:
        sid = connection.sid
        packet = StrictPacket(encoded_packet=message)
        if sid in self._binary_packet:
            connection.fail("attachment")  # another packet where one was due
        elif packet.packet_type == packets.CONNECT:
            await self._connect(connection, packet)
        elif self.manager.sid_from_eio_sid(sid, packet.namespace) is None:
            connection.fail("namespace")
        elif packet.packet_type == packets.DISCONNECT:
            await self._handle_disconnect(sid, packet.namespace, self.reason.CLIENT_DISCONNECT)
            self._watch_idle(connection)
        elif packet.attachment_count:
            self._binary_packet[sid] = packet
        else:
            await self._dispatch(sid, packet)

    async def _add_attachment(self, connection: Connection, data: bytes) -> None:
        packet: StrictPacket | None = self._binary_packet.get(connection.sid)
        if packet is None or not packet.may_take(data):
            connection.fail("attachment")
        elif packet.is_whole:
            del self._binary_packet[connection.sid]
            await self._dispatch(connection.sid, packet)

    async def _dispatch(self, sid: str, packet: StrictPacket) -> None:
        if packet.packet_type in {packets.EVENT, packets.BINARY_EVENT}:
            assert packet.data, "the grammar asks for a name"
            if packet.data[0] not in self.reserved_events:
                await self._handle_event(sid, packet.namespace, packet.id, packet.data)
        else:
            await self._handle_ack(sid, packet.namespace, packet.id, packet.data)

    async def _connect(self, connection: Connection, packet: StrictPacket) -> None:
        """Run the connect handler; what it sends follows its acceptance, as in Node."""
        sid, namespace = connection.sid, packet.namespace
        is_known = (
            namespace in self.handlers
            or namespace in self.namespace_handlers
            or namespace in self.namespaces
        )
        if not is_known:
            body = {"message": "Invalid namespace"}
            await self._send_packet(
                sid, StrictPacket(packets.CONNECT_ERROR, body, namespace=namespace)
            )
            return
        if sid not in self.environ:
            await self._handle_eio_connect(sid, {"engine.handshake": connection.handshake})
        self._held[sid] = []
        try:
            await self._handle_connect(sid, namespace, packet.data)
        finally:
            self._held.pop(sid, None)  # what was for somebody who was not let in is dropped

    async def _send_packet(self, eio_sid: str, pkt: StrictPacket) -> None:
        await super()._send_packet(eio_sid, pkt)
        if pkt.packet_type == packets.CONNECT:
            for waiting in self._held.pop(eio_sid, ()):
                await self.eio.send_packet(eio_sid, waiting)

    async def _send_eio_packet(self, eio_sid: str, eio_pkt: Any) -> None:  # noqa: ANN401
        held = self._held.get(eio_sid)
        if held is None:
            await super()._send_eio_packet(eio_sid, eio_pkt)
        else:
            held.append(eio_pkt)

    def _close_if_idle(self, connection: Connection) -> None:
        if connection.closed or (self.main is not None and self.main.is_connected(connection)):
            return
        manager, sid = self.manager, connection.sid
        if not any(manager.sid_from_eio_sid(sid, name) for name in manager.get_namespaces()):
            connection.close(SERVER_LEFT)
