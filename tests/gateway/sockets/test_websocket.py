from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gateway.sockets import frames
from gateway.sockets.internals import FrameQueue
from gateway.sockets.websocket import HandshakeInvalid, LinkLimits, WebSocketLink, accept
from tests.conformance.server import serving
from tests.gateway.sockets.recording_transport import RecordingTransport
from tests.toolbox.raw_client import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Ended,
    Frame,
    RawSocket,
    masked_frame,
    request,
)

LIMIT_BYTES = 1000


class Owner:
    """Writes down what a link tells."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.noise: list[int] = []
        self.link: WebSocketLink | None = None
        self.answers = False
        self.closes = False
        self.lets_go = True

    def hear_text(self, link: WebSocketLink, text: bytes) -> None:
        self.told.append(("text", text))
        if self.answers:
            link.write(b"\x81\x02" + text[:2])
        if self.closes:
            link.close()

    def hear_binary(self, _link: WebSocketLink, data: bytes) -> None:
        self.told.append(("binary", data))

    def hear_noise(self, _link: WebSocketLink, size_bytes: int) -> None:
        self.noise.append(size_bytes)

    def hear_fault(self, _link: WebSocketLink, code: int) -> None:
        self.told.append(("fault", code))

    def hear_end(self, _link: WebSocketLink, *, is_clean: bool) -> None:
        self.told.append(("end", is_clean))

    def hear_eof(self, link: WebSocketLink) -> None:
        self.told.append(("eof",))
        if self.lets_go:
            link.transport.close()

    def hear_pause(self, _link: WebSocketLink) -> None:
        self.told.append(("pause",))

    def hear_resume(self, _link: WebSocketLink) -> None:
        self.told.append(("resume",))


def link_of() -> tuple[WebSocketLink, RecordingTransport, Owner]:
    owner, transport = Owner(), RecordingTransport()
    link = WebSocketLink(transport, FrameQueue(), owner, LinkLimits(LIMIT_BYTES, 100))
    transport.set_protocol(link)
    return link, transport, owner


def test_messages_are_told_in_order_and_all_answers_leave_in_one_write() -> None:
    link, transport, owner = link_of()
    owner.answers = True
    data = b"".join(masked_frame(text) for text in ("aa", "bb", "ü"))
    link.data_received(data[:9])
    link.data_received(data[9:] + masked_frame(b"\x00\xff", BINARY))

    assert owner.told == [
        ("text", b"aa"),
        ("text", b"bb"),
        ("text", "ü".encode()),
        ("binary", b"\x00\xff"),
    ]
    assert len(transport.written) == 2
    assert transport.texts == ["aa", "bb", "ü"]


def test_fragments_are_one_message() -> None:
    link, _, owner = link_of()
    link.data_received(masked_frame("one ", is_final=False))
    link.data_received(masked_frame(b"", PING) + masked_frame("message", 0))

    assert owner.told == [("text", b"one message")]


def test_a_ping_is_answered_and_a_flood_of_them_only_in_part() -> None:
    link, transport, owner = link_of()
    link.data_received(masked_frame(b"here?", PING))
    assert transport.frames == [Frame(PONG, b"here?")]
    link.data_received(masked_frame(b"", PING) * 10_000)

    assert len(transport.frames) < 100
    assert owner.told == []
    assert owner.noise == [5] + [0] * 10_000


def test_a_read_that_brings_no_message_is_noise() -> None:
    link, _, owner = link_of()
    frame = masked_frame("message")
    link.data_received(frame[:10])
    link.data_received(frame[10:])
    link.data_received(masked_frame("", is_final=False) + masked_frame("", 0, is_final=False) * 99)

    assert owner.told == [("text", b"message")]
    assert owner.noise == [10, 600]


def test_a_ping_behind_the_message_that_was_the_end_is_not_answered() -> None:
    link, transport, owner = link_of()
    owner.closes = True
    link.data_received(masked_frame("1") + masked_frame(b"here?", PING))

    assert owner.told == [("text", b"1")]
    assert [frame.opcode for frame in transport.frames] == [CLOSE]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(masked_frame(bytes(LIMIT_BYTES + 1)), 1009, id="too large"),
        pytest.param(b"\x81\xff" + (2**62).to_bytes(8, "big") + b"keys", 1009, id="endless"),
        pytest.param(
            masked_frame(bytes(LIMIT_BYTES), is_final=False) + masked_frame(b"more", 0),
            1009,
            id="too large in fragments",
        ),
        pytest.param(masked_frame(b"\xff"), 1007, id="no UTF-8"),
        pytest.param(masked_frame("\ud800".encode(errors="surrogatepass")), 1007, id="surrogate"),
        pytest.param(masked_frame(b"", 3), 1002, id="unknown opcode"),
        pytest.param(masked_frame(b"", 11), 1002, id="unknown control opcode"),
        pytest.param(masked_frame(bytes(126), PING), 1002, id="long ping"),
        pytest.param(masked_frame(b"", PING, is_final=False), 1002, id="fragmented ping"),
        pytest.param(b"\xc1\x80keys", 1002, id="compressed though nothing was negotiated"),
        pytest.param(masked_frame(b"x", 0), 1002, id="continuation of nothing"),
        pytest.param(
            masked_frame("a", is_final=False) + masked_frame("b"), 1002, id="text amid text"
        ),
        pytest.param(masked_frame(b"\x03", CLOSE), 1002, id="close of one byte"),
        pytest.param(b"\x81\x04mask", 1002, id="not masked"),
        pytest.param(b"\x89\x00", 1002, id="ping that is not masked"),
    ],
)
def test_breaking_the_rules_ends_it_with_the_code_that_says_which(data: bytes, code: int) -> None:
    link, transport, owner = link_of()
    link.data_received(data + masked_frame("too late"))

    assert owner.told == [("fault", code), ("end", False)]
    assert transport.frames[-1] == Frame(CLOSE, code.to_bytes(2, "big"))
    assert transport.is_closing()


@pytest.mark.parametrize("length", [1, 2, 7, 100])
def test_a_frame_that_is_not_masked_is_the_end_and_those_before_it_count(length: int) -> None:
    link, transport, owner = link_of()
    stream = masked_frame("one") + masked_frame("x" * 200) + b"\x81\x03two" + masked_frame("three")
    for start in range(0, len(stream), length):
        if not transport.is_closing():
            link.data_received(stream[start : start + length])

    assert owner.told == [
        ("text", b"one"),
        ("text", b"x" * 200),
        ("fault", 1002),
        ("end", False),
    ]


def test_of_two_faults_in_one_read_the_first_is_the_one_that_is_told() -> None:
    link, _, owner = link_of()
    link.data_received(masked_frame(bytes(LIMIT_BYTES + 1)) + b"\x81\x03two")

    assert owner.told == [("fault", 1009), ("end", False)]


def test_a_close_frame_is_answered_with_its_code() -> None:
    link, transport, owner = link_of()
    link.data_received(masked_frame((1001).to_bytes(2, "big") + b"going", CLOSE))
    link.connection_lost(None)

    assert transport.frames == [Frame(CLOSE, (1001).to_bytes(2, "big"))]
    assert owner.told == [("end", True)]


def test_a_close_frame_without_a_code_is_answered() -> None:
    link, transport, owner = link_of()
    link.data_received(masked_frame(b"", CLOSE))

    assert transport.frames == [Frame(CLOSE, (1000).to_bytes(2, "big"))]
    assert owner.told == [("end", True)]


def test_a_lost_connection_is_told_once() -> None:
    link, _, owner = link_of()
    link.connection_lost(ConnectionResetError())
    link.connection_lost(None)

    assert owner.told == [("end", False)]


def test_a_peer_that_does_not_read_is_not_read_either() -> None:
    link, transport, owner = link_of()
    transport.is_stuck = True
    link.write(bytes(101))
    assert link.is_paused
    assert not transport.reads
    transport.release()

    assert not link.is_paused
    assert transport.reads
    assert owner.told == [("pause",), ("resume",)]


def test_closing_twice_sends_one_close_frame() -> None:
    link, transport, _ = link_of()
    link.close(1001)
    link.close(1000)

    assert transport.frames == [Frame(CLOSE, (1001).to_bytes(2, "big"))]


def test_hanging_up_sends_no_close_frame_and_what_was_written() -> None:
    link, transport, _ = link_of()
    link.write(frames.text_frame(b"last"))
    link.hang_up()
    link.hang_up()

    assert transport.is_closing()
    assert transport.frames == [Frame(TEXT, b"last")]


def test_what_came_together_with_the_request_is_heard_at_the_start() -> None:
    owner, transport = Owner(), RecordingTransport()
    link = WebSocketLink(
        transport, FrameQueue(), owner, LinkLimits(1000, 100), masked_frame("early")
    )
    assert owner.told == []
    link.start()
    link.start()

    assert owner.told == [("text", b"early")]


# ---- on a real connection


@pytest.fixture
async def port() -> AsyncIterator[int]:
    queue, limits = FrameQueue(), LinkLimits(LIMIT_BYTES, 65_536)

    async def handle(asked: web.Request) -> web.Response:
        owner = Owner()
        owner.answers = True
        try:
            link, response = accept(asked, queue, owner, limits)
        except HandshakeInvalid:
            return web.Response(status=400)
        link.start()
        return response

    def attach(app: web.Application) -> None:
        app.router.add_get("/", handle)

    async with serving(attach) as port:
        yield port


async def test_the_transport_is_taken_over_with_what_was_already_sent(port: int) -> None:
    peer = await RawSocket.open(port, "/")
    peer.say("aa", "bb")

    assert await peer.frame() == Frame(TEXT, b"aa")
    assert await peer.frame() == Frame(TEXT, b"bb")
    peer.write(masked_frame(b"", CLOSE))
    with pytest.raises(Ended):
        await peer.frame()
    peer.close()


async def test_no_extension_is_negotiated(port: int) -> None:
    reader = {
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
    }
    answer = await request(port, "GET", "/", headers=reader | {"Content-Length": "0"})

    assert answer.status == 101
    assert "sec-websocket-extensions" not in answer.headers
    # the example of RFC 6455, section 1.3
    assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


GOOD = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"Upgrade": "h2c"},
        {"Connection": "close"},
        {"Sec-WebSocket-Version": "8"},
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAAA="},
        {"Sec-WebSocket-Key": "!!!!!!!!!!!!!!!!!!!!!!=="},
        {"Sec-WebSocket-Key": "üdGhlIHNhbXBsZSBub25jZQ=="},
        {"Sec-WebSocket-Key": "\udcffdGhlIHNhbXBsZSBub25jZQ=="},
    ],
)
async def test_a_request_that_asks_for_no_websocket_gets_none(
    port: int, wrong: dict[str, str]
) -> None:
    answer = await request(port, "GET", "/", headers=GOOD | wrong)

    assert answer.status == 400


def test_the_owner_chooses_when_to_close_for_a_peer_that_has_gone() -> None:
    link, transport, owner = link_of()
    owner.lets_go = False
    assert link.eof_received(), "the transport stays open until then"
    assert owner.told == [("eof",)]
    assert not transport.is_closing()


def test_a_link_that_has_ended_keeps_no_transport_open() -> None:
    link, _, owner = link_of()
    link.connection_lost(None)
    assert not link.eof_received()
    assert owner.told == [("end", False)]
