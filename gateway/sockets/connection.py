"""This module owns one Engine.IO session (protocol 4), whatever carries it.

That is polling, a WebSocket, or both for the moment of an upgrade.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from engineio.base_socket import BaseSocket

from gateway.sockets import frames
from gateway.sockets.mailbox import Farewell, Mailbox
from gateway.sockets.polling import Pollbox

if TYPE_CHECKING:
    from gateway.sockets.engine import Engine
    from gateway.sockets.handshake import Handshake
    from gateway.sockets.websocket import WebSocketLink

CLOSE: Final = b"1"
PING: Final = b"2"
NOOP: Final = b"6"
_PROBE: Final = b"2probe"
_PROBED: Final = b"3probe"
_UPGRADE: Final = b"5"
_MESSAGE: Final = ord("4")
_PONG: Final = b"3"

CLIENT_LEFT: Final = "client disconnect"
TRANSPORT_CLOSED: Final = "transport close"
TRANSPORT_FAILED: Final = "transport error"
PING_TIMEOUT: Final = "ping timeout"
PARSE_ERROR: Final = "parse error"
SERVER_LEFT: Final = "server disconnect"
# python-engineio's clients never come back to a server that says "close" on polling. After all
# that is nobody's fault they are to: the next poll is answered 400, which every client retries.
_FOR_GOOD: Final = frozenset({PARSE_ERROR, TRANSPORT_CLOSED, TRANSPORT_FAILED})


class Connection(BaseSocket):  # type: ignore[misc] # python-engineio has no types
    """An Engine.IO session. What it hears goes to `engine`, synchronously and in order."""

    __slots__ = (
        "_awaits_pong",
        "_next_ping_seconds",
        "_pinged_seconds",
        "_probe",
        "closed",
        "engine",
        "entries",
        "handshake",
        "is_at_fault",
        "link",
        "mailbox",
        "noise",
        "peer",
        "pollbox",
        "proved_seconds",
        "session",
        "sid",
    )

    def __init__(self, engine: Engine, sid: str, handshake: Handshake) -> None:
        # The library's own is not called: it makes a queue that nothing here would use.
        self.engine = engine
        self.sid = sid
        self.handshake = handshake
        self.link: WebSocketLink | None = None
        self.pollbox: Pollbox | None = None
        self.mailbox: Mailbox | None = None
        self.peer: Any = None  # what the Socket.IO layer keeps of its main namespace
        self.session: dict[str, Any] | None = None  # what python-socketio's sessions keep
        self.closed = False
        self.is_at_fault = False
        self.entries = 0  # how often it asked to be let into the main namespace
        self.noise = 0  # how much that says nothing it sent before it was in any namespace
        self._probe: WebSocketLink | None = None
        self._awaits_pong = False
        self._next_ping_seconds = 0.0
        self._pinged_seconds = 0.0
        # When the last ping was sent that was answered: what was written before it has arrived.
        self.proved_seconds = 0.0

    # ---- life

    def open(self, link: WebSocketLink | None) -> None:
        """Begin, on a WebSocket or without one on polling, and start the heartbeat."""
        if link is None:
            self.pollbox = Pollbox()
        self.link = link
        self.send_packet(self.engine.greeting(self.sid, can_upgrade=link is None))
        self._next_ping_seconds = asyncio.get_running_loop().time() + self.engine.ping_interval
        self.engine.wheel.at(self._next_ping_seconds, self._beat)

    def close(self, reason: str = SERVER_LEFT, code: int = 1000) -> None:
        """End the session, tell the layer above once, and close what carries it."""
        if self.closed:
            return
        self.closed = True
        self.engine.bury(self, reason)
        if self._probe is not None:
            self._probe.hang_up()
        # The timer of the heartbeat holds the session for a while; what is large is let go now.
        link, pollbox = self.link, self.pollbox
        self.link = self.pollbox = self._probe = None
        if link is not None:
            link.close(code)
            self.engine.see_off(link)
        elif pollbox is not None:
            if reason is SERVER_LEFT and not pollbox.is_polled:
                self.engine.keep_last_words(self.sid, pollbox)
            pollbox.close(CLOSE if reason in _FOR_GOOD else NOOP)

    def finish(self, last: Farewell) -> None:
        """Nobody knows the session any more; `last` is what still has to be done for it."""
        if self.mailbox is not None or last is not None:
            self.mailbox = self.mailbox or Mailbox()
            self.mailbox.close(last)

    def post(self, work: Any) -> bool:  # noqa: ANN401 - a coroutine of anything
        """Do work that awaits, in the order of posting; False when too much is waiting."""
        if self.mailbox is None:
            self.mailbox = Mailbox()
        return self.mailbox.post(work)

    # ---- to the client

    def send_packet(self, packet: bytes) -> None:
        """Send an Engine.IO packet."""
        if self.closed:
            return
        if self.link is not None:
            self.link.write(frames.text_frame(packet))
        elif self.pollbox is not None:
            self.pollbox.put(packet)
            self._close_if_left_waiting()

    def send_message(self, packet: bytes) -> None:
        """Send a Socket.IO packet."""
        if self.closed:  # an answer may come after who asked has gone
            return
        if self.link is not None:
            self.link.write(frames.message_frame(packet))
        elif self.pollbox is not None:
            self.pollbox.put(b"4" + packet)
            self._close_if_left_waiting()

    def send_event(self, packet: bytes, attachments: tuple[bytes, ...]) -> None:
        """Send a Socket.IO packet and what its placeholders stand for."""
        self.send_message(packet)
        for attachment in attachments:
            self.send_binary(attachment)

    def send_binary(self, data: bytes) -> None:
        """Send a binary attachment."""
        if self.closed:
            return
        if self.link is not None:
            self.link.write(frames.binary_frame(data))
        elif self.pollbox is not None:
            self.pollbox.put_binary(data)
            self._close_if_left_waiting()

    def _close_if_left_waiting(self) -> None:
        """A client that asks and asks, and never fetches the answers, is let go."""
        if self.pollbox is not None and self.pollbox.is_full:
            self.close(TRANSPORT_FAILED)

    def close_if_left_unread(self) -> None:
        """A client that reads next to nothing of what handlers send is let go.

        Peers of the main namespace have an outbox, where less waits and more of it is of use.
        """
        link = self.link
        if link is None or not link.is_paused:
            return
        if link.transport.get_write_buffer_size() > self.engine.limits.unread_bytes:
            self.close(TRANSPORT_FAILED)
            link.abort()

    # ---- from the client

    def hear_packet(self, packet: bytes) -> None:
        """Handle one Engine.IO packet; anything that a client has no reason to send ends it."""
        if self.closed:
            return
        if packet[:1] == b"4":
            self.engine.hear_message(self, packet[1:])
        elif packet == _PONG:
            self._hear_pong()
        elif packet == CLOSE:
            self.close(CLIENT_LEFT)
        else:
            self.fail("packet")

    def fail(self, what: str) -> None:
        """Close a connection that does not keep to the protocol."""
        if not self.closed:
            self.is_at_fault = True
            self.engine.note_offence(self, what)
            self.close(PARSE_ERROR)

    def hear_text(self, link: WebSocketLink, text: bytes) -> None:
        """A WebSocket text message: a packet, or a step of the upgrade."""
        if link is self.link:
            # Nearly every packet is a message. One read may hold more of them behind the last one.
            if text and text[0] == _MESSAGE and not self.closed:
                self.engine.sink.heard(self, text[1:])
            else:
                self.hear_packet(text)
        elif link is not self._probe:
            link.hang_up()  # an upgrade that was given up
        elif text == _PROBE:
            link.write(frames.text_frame(_PROBED))
            assert self.pollbox is not None
            self.pollbox.pause(NOOP)
        elif text == _UPGRADE:
            self._upgrade(link)
        else:
            self._forget_probe(link)
            link.close()

    def hear_binary(self, link: WebSocketLink, data: bytes) -> None:
        """A WebSocket binary message."""
        if link is self.link:
            if not self.closed:
                self.engine.hear_binary(self, data)
        else:
            self._forget_probe(link)
            link.close()

    def hear_noise(self, link: WebSocketLink, size_bytes: int) -> None:
        """A WebSocket was used, and nothing was said with it."""
        if link is self.link and not self.closed:
            self.engine.sink.heard_noise(self, size_bytes)

    def hear_fault(self, link: WebSocketLink, code: int) -> None:
        """A WebSocket was used against its rules; it is about to end."""
        if link is self.link and not self.closed:
            self.is_at_fault = True
            self.engine.note_offence(self, f"frame {code}")

    def hear_end(self, link: WebSocketLink, *, is_clean: bool) -> None:
        """A WebSocket has ended."""
        if link is self.link:
            self.close(TRANSPORT_CLOSED if is_clean else TRANSPORT_FAILED)
        else:
            self._forget_probe(link)

    def hear_eof(self, link: WebSocketLink) -> None:
        """The peer has gone without a word."""
        self.engine.let_go(link)

    def hear_pause(self, link: WebSocketLink) -> None:
        """The peer has become slow."""
        if link is self.link and not self.closed:
            self.engine.hear_pause(self)

    def hear_resume(self, link: WebSocketLink) -> None:
        """The peer has caught up with what was written."""
        if link is self.link and not self.closed:
            self.engine.hear_resume(self)

    # ---- upgrade

    def probe(self, link: WebSocketLink) -> bool:
        """Begin an upgrade; False when there is nothing to upgrade or one is under way."""
        if self.closed or self.link is not None or self._probe is not None:
            return False
        self._probe = link
        timeout_seconds = self.engine.limits.upgrade_timeout_seconds
        due = asyncio.get_running_loop().time() + timeout_seconds
        self.engine.wheel.at(due, lambda _: self._give_up_probe(link))
        return True

    def _upgrade(self, link: WebSocketLink) -> None:
        pollbox = self.pollbox
        assert pollbox is not None
        self._probe, self.link = None, link
        for packet, is_binary in pollbox.hand_over(NOOP):
            link.write(frames.binary_frame(packet) if is_binary else frames.text_frame(packet))
        self.engine.hear_upgrade(self)

    def _give_up_probe(self, link: WebSocketLink) -> None:
        if self._probe is link:
            self._forget_probe(link)
            link.hang_up()

    def _forget_probe(self, link: WebSocketLink) -> None:
        if self._probe is link:
            self._probe = None
            if self.pollbox is not None:
                self.pollbox.resume()

    # ---- heartbeat

    def _beat(self, now: float) -> None:
        if self.closed:
            return
        engine = self.engine
        if self._awaits_pong and not self._is_stalled(now):
            self.close(PING_TIMEOUT)
        elif self._awaits_pong:
            engine.wheel.at(now + engine.ping_timeout, self._beat)
        elif now + engine.slot_seconds < self._next_ping_seconds:
            engine.wheel.at(self._next_ping_seconds, self._beat)
        else:
            self._awaits_pong = True
            self._pinged_seconds = now
            self.send_packet(PING)
            engine.wheel.at(now + engine.ping_timeout, self._beat)

    def _is_stalled(self, now: float) -> bool:
        """Whether the ping has probably not come through yet, behind all that is to be read."""
        if self.link is None or not self.link.is_paused:
            return False
        return now - self._next_ping_seconds < self.engine.limits.stall_seconds

    def _hear_pong(self) -> None:
        # An unasked pong proves nothing and moves nothing.
        if not self._awaits_pong:
            self.engine.sink.heard_noise(self, 1)
            return
        self._awaits_pong = False
        self.proved_seconds = self._pinged_seconds
        now = asyncio.get_running_loop().time()
        self._next_ping_seconds = now + self.engine.ping_interval
