"""This module owns the main namespace: who is let in, and what becomes of each event they send."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from gateway.broker.contract import BrokerUnavailable
from gateway.rooms.pacing import ms_of, too_fast
from gateway.rooms.publication import Outcome, Receipt, reset_of
from gateway.sockets import packets
from gateway.sockets.binary import INCOMPLETE_LIMIT_SECONDS, BinaryEvent
from gateway.sockets.packets import PacketInvalid
from gateway.sockets.session import Session
from protocol import codec, events
from protocol.refusals import Goodbye, Refusal, Refused

if TYPE_CHECKING:
    from gateway.authentication import Authenticator
    from gateway.broker.contract import Settle
    from gateway.hub import Hub
    from gateway.logs import Offences
    from gateway.metrics import Metrics
    from gateway.settings import Settings
    from gateway.sockets.connection import Connection
    from gateway.sockets.lanes import Lanes
    from gateway.sockets.lobby import Lobby
    from protocol.cursor import Cursor

logger = structlog.get_logger(__name__)


class _Envelope(msgspec.Struct, frozen=True):
    data: events.Event
    meta: dict[str, Any] | UnsetType = UNSET


# A member of an enumeration costs a look-up each time it is named.
_ACCEPTED: Final = Outcome.ACCEPTED
_ACCEPTED_LABEL: Final = Outcome.ACCEPTED.label

Answer = Callable[[events.Event], None]
Handle = Callable[["Session", Any, Answer], Coroutine[Any, Any, None]]

_encode = msgspec.json.Encoder().encode


class Namespace:
    """Fulfils the server's `MainNamespace` with the hub."""

    def __init__(  # noqa: PLR0913, PLR0917 - these are the parts that meet here
        self,
        settings: Settings,
        hub: Hub,
        lanes: Lanes,
        authenticator: Authenticator,
        lobby: Lobby,
        metrics: Metrics,
        offences: Offences,
    ) -> None:
        self._settings = settings
        self._hub = hub
        self._lanes = lanes
        self._authenticator = authenticator
        self._metrics = metrics
        self._offences = offences
        self._lobby = lobby
        self._handlers: dict[type[events.Event], Callable[[Session, Any, bytes], None]] = {
            events.BikeUpdate: self._update,
            events.Publish: self._publish,
            events.JoinRoom: self._posted(self._join),
            events.LeaveRoom: self._posted(self._leave),
            events.Presence: self._posted(self._presence),
            events.Authenticate: self._posted(self._authenticate),
        }

    # ---- from the server

    def is_connected(self, connection: Connection) -> bool:
        """Whether the connection was let in."""
        return connection.peer is not None

    def heard_message(self, connection: Connection, message: bytes) -> bool:
        """Handle an event, unless the client says more than it may: then it is not even read."""
        session: Session | None = connection.peer
        if session is None:
            return False
        pace = session.pace
        if not pace.is_free:
            now_seconds = time.monotonic()
            if wait_seconds := pace.take_message(len(message), now_seconds):
                self._hold_back(session, message, wait_seconds, now_seconds)
                return True
        event = packets.main_event_of(message)
        if event is None:
            return False
        self._heard_event(session, event)
        return True

    def _hold_back(
        self, session: Session, message: bytes, wait_seconds: float, now_seconds: float
    ) -> None:
        """Answer a message that came too early; whoever goes on like that has to go."""
        if self._is_forgiven(session, len(message), now_seconds):
            refused, binary = too_fast(wait_seconds), packets.binary_event_of(message)
            if binary is None:
                self._refuse(session, packets.ack_id_of(message), refused)
            else:  # what it announced is on its way
                self._await_attachments(session, binary, refused)

    def heard_noise(self, connection: Connection, size_bytes: int) -> None:
        """Count what says nothing like a message of that size: a flood of either is a flood."""
        session: Session = connection.peer
        now_seconds = time.monotonic()
        if session.pace.take_message(size_bytes, now_seconds):
            self._is_forgiven(session, size_bytes, now_seconds)

    def _is_forgiven(self, session: Session, size_bytes: int, now_seconds: float) -> bool:
        """Whether what is too much ends with a refusal; if not, the peer has been sent off."""
        pace = session.pace
        if pace.try_patience(size_bytes, now_seconds):
            return True
        self._lanes.dismiss(session, Goodbye.TOO_FAST, ms_of(pace.rest_seconds(now_seconds)))
        return False

    def _heard_event(self, session: Session, event: packets.Event) -> None:
        """Handle an event; what is wrong with it is said in its ack, if it wants one."""
        if session.binary is not None:
            raise PacketInvalid
        try:
            if event.fields is not None:
                # Nearly every event: an update that has been read already.
                update = codec.bike_update_read(event.arguments[0], event.fields)
                self._update(session, update, event.ack_id)
            else:
                decoded = codec.decode(event.name, event.arguments)
                self._handlers[type(decoded)](session, decoded, event.ack_id)
        except Refused as refused:
            self._refuse(session, event.ack_id, refused)
        except Exception:
            logger.exception("! event failed", peer=session.id, event_name=event.name)
            self._refuse(session, event.ack_id, Refused(Refusal.INTERNAL))

    def refuse(self, connection: Connection, ack_id: bytes, refused: Refused) -> None:
        """Say no to an event that cannot be read, though it is one."""
        session: Session | None = connection.peer
        if session is None or session.binary is not None:
            raise PacketInvalid
        self._refuse(session, ack_id, refused)

    def heard(self, connection: Connection, packet: packets.Packet) -> None:
        """Handle any packet but that."""
        session: Session | None = connection.peer
        if packet.kind == packets.CONNECT:
            self._lobby.entrance.enter(connection, packet.data)
        elif session is None or session.binary is not None:
            raise PacketInvalid
        elif packet.kind == packets.EVENT:  # with the namespace spelled out
            event = packets.main_event_of(b"2" + (packet.ack_id or b"") + packet.data)
            assert event is not None, "the grammar asks for an array"
            self._heard_event(session, event)
        elif packet.kind == packets.DISCONNECT:
            session.may_return = False
            self._lobby.leave(connection)
        elif packet.kind == packets.BINARY_EVENT:
            self._await_attachments(session, packet)
        # An ack answers nothing: the gateway asks its peers no questions.

    def heard_binary(self, connection: Connection, data: bytes) -> bool:
        """Take an attachment of the event before."""
        session: Session | None = connection.peer
        if session is None or session.binary is None:
            return False
        now_seconds = time.monotonic()
        wait_seconds = session.pace.take_message(len(data), now_seconds)
        if not wait_seconds or self._is_forgiven(session, len(data), now_seconds):
            session.binary.add(data, too_fast(wait_seconds) if wait_seconds else None)
            self._heard_attachment(session)
        return True

    def _await_attachments(
        self, session: Session, packet: packets.Packet, refused: Refused | None = None
    ) -> None:
        if session.binary is not None:
            raise PacketInvalid
        binary = BinaryEvent(packet, refused)

        def give_up(_: float) -> None:
            if session.binary is binary:
                session.connection.fail("attachments")

        session.binary = binary
        self._heard_attachment(session)
        if session.binary is not None:
            due = asyncio.get_running_loop().time() + INCOMPLETE_LIMIT_SECONDS
            session.connection.engine.wheel.at(due, give_up)

    def _heard_attachment(self, session: Session) -> None:
        binary = session.binary
        if binary is None or not binary.is_whole:
            return
        session.binary = None
        try:
            self._publish_binary(session, binary)
        except Refused as refused:
            self._refuse(session, binary.ack_id, refused)

    def _publish_binary(self, session: Session, binary: BinaryEvent) -> None:
        event = binary.event()
        attachments = tuple(binary.attachments)
        settle = self._settle(session, event.room_id, binary.ack_id)
        if isinstance(event, events.BikeUpdate):
            self._hub.publish_update(session.identity, event, session.id, settle, attachments)
        else:
            self._hub.publish_event(session.identity, event, session.id, settle, attachments)

    def upgraded(self, connection: Connection) -> None:
        """The client may be fit for another lane."""
        if connection.peer is not None:
            self._lanes.choose(connection.peer)

    paused = resumed = upgraded

    def polled(self, connection: Connection) -> None:
        """The client fetches what is waiting."""
        if connection.peer is not None:
            self._lanes.drain(connection.peer)

    def closed(self, connection: Connection) -> None:
        """The peer is gone; nothing of it stays behind."""
        self._lobby.leave(connection)

    def offended(self, connection: Connection, what: str) -> None:
        """The client broke the protocol."""
        self._offences.note("protocol broken", connection.handshake.address, what=what)

    # ---- events

    def _update(self, session: Session, update: events.BikeUpdate, ack_id: bytes) -> None:
        settle = self._settle(session, update.room_id, ack_id)
        self._hub.publish_update(session.identity, update, session.id, settle)

    def _publish(self, session: Session, event: events.Publish, ack_id: bytes) -> None:
        settle = self._settle(session, event.room_id, ack_id)
        self._hub.publish_event(session.identity, event, session.id, settle)

    def _settle(self, session: Session, room: str, ack_id: bytes) -> Settle:
        publications = self._metrics.publications

        def settle(receipt: Receipt | BrokerUnavailable) -> None:
            if isinstance(receipt, BrokerUnavailable):
                publications.add("unavailable")
                self._refuse(session, ack_id, _not_now(receipt))
                return
            outcome = receipt.outcome
            label = _ACCEPTED_LABEL if outcome is _ACCEPTED else outcome.label
            publications[label] += 1
            if not ack_id:
                return
            if outcome is _ACCEPTED and session.outbox is None:
                session.connection.send_message(_published_packet(ack_id, room, receipt.cursor))
            else:
                meta = UNSET if outcome is _ACCEPTED else {"outcome": label}
                self._answer(session, ack_id, events.Published(room, str(receipt.cursor)), meta)

        return settle

    def _posted(self, handle: Handle) -> Callable[[Session, Any, bytes], None]:
        """An event whose handling awaits: after those that came before it, and answered then."""

        def post(session: Session, event: events.Event, ack_id: bytes) -> None:
            if not session.connection.post(self._work_off(handle, session, event, ack_id)):
                raise Refused(Refusal.TOO_FAST, retry_after_ms=1000)

        return post

    async def _work_off(
        self, handle: Handle, session: Session, event: events.Event, ack_id: bytes
    ) -> None:
        try:
            await handle(session, event, lambda answer: self._answer(session, ack_id, answer))
        except Refused as refused:
            self._refuse(session, ack_id, refused)
        except BrokerUnavailable as unavailable:
            self._refuse(session, ack_id, _not_now(unavailable))
        except Exception:
            logger.exception("! event failed", peer=session.id, event_class=type(event).__name__)
            self._refuse(session, ack_id, Refused(Refusal.INTERNAL))

    async def _join(self, session: Session, request: events.JoinRoom, answer: Answer) -> None:
        if wait_seconds := session.pace.take_join(time.monotonic()):
            raise too_fast(wait_seconds)

        def answer_joined(joined: events.Joined) -> None:
            self._metrics.note_joined(joined.recovered)
            answer(joined)

        try:
            await self._hub.join(session, request, answer_joined)
        except (Refused, BrokerUnavailable) as error:
            self._metrics.note_join("refused" if isinstance(error, Refused) else "failed")
            raise
        logger.debug("< join", peer=session.id, room=request.room_id)

    async def _leave(self, session: Session, request: events.LeaveRoom, answer: Answer) -> None:
        self._hub.leave(session, request.room_id)
        if session.ticket is not None:
            with contextlib.suppress(BrokerUnavailable):  # it has left all the same
                await session.ticket.kept()
        answer(events.Left(request.room_id))

    async def _presence(self, session: Session, request: events.Presence, answer: Answer) -> None:
        members = await self._hub.members(session.identity, request.room_id)
        answer(events.Members(request.room_id, members))

    async def _authenticate(
        self, session: Session, request: events.Authenticate, answer: Answer
    ) -> None:
        identity = await self._authenticator.identify(request.token)
        if identity.subject != session.identity.subject:
            raise Refused(Refusal.FORBIDDEN, "The new token must be of the same subject.")
        before = session.identity.expires_at_seconds
        for room in self._hub.reauthenticate(session, identity):
            session.connection.send_message(reset_of(room, "forbidden").packet)
        # An end is told once: a client that answers with what it has would be warned again at once.
        session.is_warned = session.is_warned and identity.expires_at_seconds == before
        self._lobby.watch.watch(session)
        expires = identity.expires_at_seconds
        answer(
            events.Authenticated(
                identity.subject,
                identity.role.value,
                None if expires is None else int(expires * 1000),
            )
        )

    # ---- answers

    def _answer(
        self,
        session: Session,
        ack_id: bytes,
        data: events.Event,
        meta: dict[str, Any] | UnsetType = UNSET,
    ) -> None:
        if ack_id:
            packet = packets.ack_packet(ack_id, _encode(_Envelope(data, meta)))
            if session.outbox is None:
                session.connection.send_message(packet)
            else:
                self._lanes.answer(session, packet, is_place=isinstance(data, events.Joined))

    def _refuse(self, session: Session, ack_id: bytes, refused: Refused) -> None:
        self._metrics.note_refusal(refused.refusal)
        address = session.connection.handshake.address
        self._offences.note(
            "refused", address, peer=session.id, code=refused.refusal.code, why=refused.message
        )
        if ack_id:
            body = _encode({"error": refused.body()})
            self._lanes.answer(session, packets.ack_packet(ack_id, body))


def _published_packet(ack_id: bytes, room: str, cursor: Cursor) -> bytes:
    """What `_answer` makes of `Published`, by hand: nearly every answer is this one."""
    # In one go: to make the cursor's text first, and join the parts, would cost twice as much.
    return b'3%b[{"data":{"roomId":%b,"cursor":"%b.%d.%08x"}}]' % (
        ack_id,
        _encode(room),
        cursor.epoch.encode(),
        cursor.offset,
        cursor.proof,
    )


def _not_now(unavailable: BrokerUnavailable) -> Refused:
    return Refused(Refusal.UNAVAILABLE, retry_after_ms=unavailable.retry_after_ms)
