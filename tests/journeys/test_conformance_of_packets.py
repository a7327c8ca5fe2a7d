"""What the Socket.IO document asks for; see `test_conformance.py` for how it is examined."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from tests.conformance.examination import (
    Subject,
    ask,
    both_pass,
    both_running,
    connected,
    opened,
    stock_fails,
)
from tests.conformance.subject import CONNECT_TIMEOUT_SECONDS
from tests.toolbox.raw_client import BINARY, OPENING, RawPoller, RawSocket, masked_frame

pytestmark = pytest.mark.journey

# 60 MB for a client that reads nothing; the kernel takes four of them or so.
POURS, POUR_LENGTH = 60, 100


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Subject]]:
    with both_running(tmp_path_factory.mktemp("conformance")) as subjects:
        yield subjects


@pytest.fixture
def subject(subjects: dict[str, Subject], request: pytest.FixtureRequest) -> Subject:
    flavour: str = request.param
    return subjects[flavour]


# ---- Socket.IO: connection


@stock_fails("its payload is a text, which JavaScript makes no message of")
async def test_an_unknown_namespace_is_refused_with_an_object(subject: Subject) -> None:
    async with opened(subject) as peer:
        peer.say("40/nowhere,")

        assert await peer.hear(subject.soon_seconds) == '44/nowhere,{"message":"Invalid namespace"}'


@stock_fails("what a connect handler emits overtakes the CONNECT packet")
async def test_the_first_packet_in_a_namespace_is_its_acceptance(subject: Subject) -> None:
    async with opened(subject) as peer:
        peer.say('40{"token":"abc"}')
        first, second = await peer.hear(subject.soon_seconds), await peer.hear(subject.soon_seconds)

        assert first[:2] == "40", first
        assert set(json.loads(first[2:])) == {"sid"}
        assert second == '42["welcome",{"token":"abc"}]'


@stock_fails("it has no such timeout")
@pytest.mark.parametrize("said", [(), ("40/nowhere,",), ("40/nowhere,", "40/elsewhere,")])
async def test_who_connects_to_no_namespace_is_closed(
    subject: Subject, said: tuple[str, ...]
) -> None:
    async with opened(subject) as peer:
        peer.say(*said)
        await peer.end(CONNECT_TIMEOUT_SECONDS + subject.soon_seconds)


@stock_fails("a broadcast reaches who is still being looked at")
async def test_nobody_hears_a_broadcast_before_being_let_in(subject: Subject) -> None:
    async with connected(subject) as inside, opened(subject) as outside:
        outside.say('40/slow,{"waitSeconds":0.5,"isRefused":true}')
        await asyncio.sleep(0.1)
        inside.say('42["broadcast","/slow","secret"]')
        heard = await outside.hear(subject.soon_seconds)

        assert heard[:2] == "44", heard


@stock_fails("the application's connect handler runs, with what the client made up")
@pytest.mark.parametrize(
    "event", ['["connect",{"REMOTE_ADDR":"evil"},{"token":"evil"}]', '["disconnect","x"]']
)
async def test_events_that_only_the_server_has_cannot_be_called(
    subject: Subject, event: str
) -> None:
    async with connected(subject) as peer:
        peer.say(f"42{event}")

        assert await ask(subject, peer, "count", peer.sid) == [[1, 0]]


# ---- Socket.IO: packets


MALFORMED = [
    "4abc",
    "4",
    "49",
    "4²",
    "42",
    "42{}",
    "42[]",
    "42[[1]]",
    "42[{}]",
    '42"text"',
    '42abc["event"]',
    '42["event",NaN]',
    '42["event"',
    "43[]",
    "431{}",
    '44{"message":"only a server says this"}',
    "41{}",
    "42" + "[" * 30_000,
    "45-[]",
    '45["no count"]',
    '45999999999-["event"]',
    '4511-["one more than ten"]',
]


@stock_fails("it logs a traceback and goes on")
@pytest.mark.parametrize("packet", MALFORMED, ids=lambda packet: packet[:20])
async def test_a_packet_that_is_none_closes_the_connection_at_once(
    subject: Subject, packet: str
) -> None:
    async with connected(subject) as peer:
        peer.say(packet)
        await peer.end(subject.soon_seconds)


@stock_fails("it swallows them")
@pytest.mark.parametrize("packet", ["0", "2", "2probe", "5", "6", "7", "9"])
async def test_an_engine_packet_that_no_client_sends_closes_the_connection(
    subject: Subject, packet: str
) -> None:
    async with connected(subject) as peer:
        peer.say(packet)
        await peer.end(subject.soon_seconds)


@stock_fails("the members stay until the ping timeout")
@pytest.mark.parametrize("frame", ["abc", "", "²"])
async def test_a_frame_that_is_no_packet_leaves_no_ghost(subject: Subject, frame: str) -> None:
    async with connected(subject) as witness:
        async with connected(subject) as peer:
            peer.say(frame)
            await peer.end(subject.soon_seconds)

        assert await ask(subject, witness, "count", peer.sid) == [[1, 1]]


PLACEHOLDER = '45{count}-7["echo",{{"_placeholder":true,"num":{number}}}]'


@both_pass
async def test_attachments_come_back_as_they_were_sent(subject: Subject) -> None:
    async with connected(subject) as peer:
        peer.say(PLACEHOLDER.format(count=1, number=0))
        peer.write(masked_frame(b"\x00\xff", BINARY))

        assert await peer.hear(subject.soon_seconds) == '461-7[{"_placeholder":true,"num":0}]'
        assert (await peer.frame(subject.soon_seconds)).payload == b"\x00\xff"


@stock_fails("it takes text for an attachment, or is stuck for ever")
@pytest.mark.parametrize(
    ("number", "attachment"),
    [
        pytest.param(0, masked_frame("4text"), id="text"),
        pytest.param(0, masked_frame('42["another event"]'), id="another event"),
        pytest.param(99, masked_frame(b"data", BINARY), id="out of range"),
        pytest.param(-1, masked_frame(b"data", BINARY), id="negative"),
        pytest.param('"toString"', masked_frame(b"data", BINARY), id="a name"),
    ],
)
async def test_an_attachment_that_is_none_closes_the_connection(
    subject: Subject, number: object, attachment: bytes
) -> None:
    async with connected(subject) as peer:
        peer.say(PLACEHOLDER.format(count=1, number=number))
        peer.write(attachment)
        await peer.end(subject.soon_seconds)


@stock_fails("it is ignored")
async def test_an_attachment_that_nobody_announced_closes_the_connection(subject: Subject) -> None:
    async with connected(subject) as peer:
        peer.write(masked_frame(b"data", BINARY))
        await peer.end(subject.soon_seconds)


@stock_fails("its counter is lost, and the next call raises KeyError")
async def test_an_ack_that_nobody_asked_for_changes_nothing(subject: Subject) -> None:
    async with connected(subject) as peer:
        for times in range(2):
            peer.say('42["ask-back"]')
            question = await peer.hear(subject.soon_seconds)
            assert question.endswith('["question"]')
            ack_id = question[2 : question.index("[")]
            peer.say("430[]", "43999[]", f"43{ack_id}[{times}]", "430[]")

            assert await peer.hear(subject.soon_seconds) == f'42["answered",{times}]'


@stock_fails("the poll is answered with 500, and the packet is lost")
async def test_one_room_may_hold_both_transports_and_binary_reaches_both(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)
    await poller.post(b"40")
    while b"welcome" not in (await poller.get()).body:
        pass
    async with connected(subject) as peer:
        peer.say('42["broadcast-binary"]')
        text, data = await peer.frame(subject.soon_seconds), await peer.frame(subject.soon_seconds)
        polled = [await poller.get()]
        while polled[-1].status == 200 and b"bAQID" not in polled[-1].body:
            polled.append(await poller.get())

        assert text.payload == b'451-["picture",{"_placeholder":true,"num":0}]'
        assert (data.opcode, data.payload) == (BINARY, b"\x01\x02\x03")
        assert [answer.status for answer in polled] == [200] * len(polled)


@stock_fails("its queue for a client has no end, and an unasked pong keeps the client alive")
async def test_who_reads_nothing_costs_a_bounded_memory_and_is_let_go(subject: Subject) -> None:
    # Its reader takes a few thousand bytes, and whoever stops to ask for them is stuck.
    reader, writer = await asyncio.open_connection("127.0.0.1", subject.port, limit=1000)
    writer.write(OPENING)
    await reader.readuntil(b"\r\n\r\n")
    stuck = RawSocket(reader, writer)
    await stuck.hear()
    stuck.say("40")
    acceptance, _ = sorted([await stuck.hear(), await stuck.hear()])
    sid = json.loads(acceptance[2:])["sid"]
    async with connected(subject) as peer:
        before_bytes = subject.memory_bytes
        for _ in range(POURS):
            await ask(subject, peer, "pour", sid, POUR_LENGTH, 10_000)
            stuck.say("3")
        grown_bytes = subject.memory_bytes - before_bytes

        assert grown_bytes < POURS * POUR_LENGTH * 10_000 / 2
        assert await ask(subject, peer, "count", sid) == [[1, 1]]
    stuck.close()


async def test_whatever_was_sent_here_left_no_traceback_in_our_log(
    subjects: dict[str, Subject],
) -> None:
    """The last one: it looks back on all the others."""
    assert "Traceback" not in subjects["ours"].log
