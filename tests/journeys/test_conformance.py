"""What the two protocol documents ask for, and what the stock Python server is known to do instead.

Each test runs against our server and against the stock one. Where the stock one is expected to fail
it must: if it no longer does, a reason for our own engine is gone, and that is worth knowing.
Heartbeats are long, so that "is closed" never means "did not answer a ping".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.subject import CONNECT_TIMEOUT_SECONDS, PING_INTERVAL_SECONDS
from tests.toolbox.ports import free_port, wait_until_listening
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.raw_client import (
    BINARY,
    Ended,
    RawPoller,
    RawSocket,
    masked_frame,
    request,
)

pytestmark = pytest.mark.journey

# What happens happens at once, long before the first ping: ours may be slow on a busy machine, and
# for what the stock server does not do there is no point in waiting long.
SOON_SECONDS = {"ours": 5.0, "stock": 0.5}
PATH = "/socket.io/"


class Subject:
    """A server under examination."""

    def __init__(self, flavour: str, port: int, log_path: Path) -> None:
        self.flavour, self.port, self._log_path = flavour, port, log_path

    @property
    def soon_seconds(self) -> float:
        return SOON_SECONDS[self.flavour]

    @property
    def log(self) -> str:
        return self._log_path.read_text()


@contextlib.contextmanager
def running(flavour: str, folder: Path) -> Iterator[Subject]:
    port, log_path = free_port(), folder / f"{flavour}.log"
    command = [sys.executable, "-m", "tests.conformance.subject", flavour, str(port)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log)
    try:
        assert wait_until_listening(port, 20), log_path.read_text()
        yield Subject(flavour, port, log_path)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Subject]]:
    folder = tmp_path_factory.mktemp("conformance")
    with running("ours", folder) as ours, running("stock", folder) as stock:
        yield {"ours": ours, "stock": stock}


@pytest.fixture
def subject(subjects: dict[str, Subject], request: pytest.FixtureRequest) -> Subject:
    flavour: str = request.param
    return subjects[flavour]


def stock_fails(why: str) -> pytest.MarkDecorator:
    """Run against both; the stock server must not pass."""
    fails = pytest.mark.xfail(
        strict=True,
        reason=why,
        raises=(AssertionError, Ended, TimeoutError, asyncio.IncompleteReadError),
    )
    return pytest.mark.parametrize(
        "subject", ["ours", pytest.param("stock", marks=fails)], indirect=True
    )


def both_pass(function: Any) -> Any:  # noqa: ANN401 - a decorator of any test
    return pytest.mark.parametrize("subject", ["ours", "stock"], indirect=True)(function)


@contextlib.asynccontextmanager
async def opened(subject: Subject, query: str = "") -> AsyncIterator[RawSocket]:
    """An Engine.IO session on a WebSocket."""
    peer = await RawSocket.open(subject.port, PATH, query)
    try:
        if not query:
            await peer.hear()
        yield peer
    finally:
        peer.close()


@contextlib.asynccontextmanager
async def connected(subject: Subject) -> AsyncIterator[RawSocket]:
    """A peer in the main namespace, which has heard what it hears at the start."""
    async with opened(subject) as peer:
        peer.say("40")
        acceptance, _ = sorted([await peer.hear(), await peer.hear()])
        peer.sid = json.loads(acceptance[2:])["sid"]
        yield peer


async def ask(subject: Subject, peer: RawSocket, name: str, *arguments: object) -> Any:  # noqa: ANN401 - any JSON
    """Emit with an acknowledgement, and return the answer."""
    peer.say("427" + json.dumps([name, *arguments]))
    while not (answer := await peer.hear(subject.soon_seconds)).startswith("437"):
        pass
    return json.loads(answer[3:])


# ---- Engine.IO: handshake


@both_pass
async def test_the_handshake_says_who_one_is_and_what_one_may(subject: Subject) -> None:
    answer = await request(subject.port, "GET", f"{PATH}?EIO=4&transport=polling")
    opening = json.loads(answer.body[1:])

    assert (answer.status, answer.body[:1]) == (200, b"0")
    assert set(opening) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert opening["upgrades"] == ["websocket"]


@stock_fails("it cuts the interval to whole seconds")
async def test_the_handshake_tells_the_ping_interval_as_it_is(subject: Subject) -> None:
    answer = await request(subject.port, "GET", f"{PATH}?EIO=4&transport=polling")

    assert json.loads(answer.body[1:])["pingInterval"] == PING_INTERVAL_SECONDS * 1000


@stock_fails("it takes polling for granted")
async def test_a_request_must_name_its_transport(subject: Subject) -> None:
    assert (await request(subject.port, "GET", f"{PATH}?EIO=4")).status == 400


@stock_fails("aiohttp answers for it, with 405")
async def test_a_method_that_is_not_of_the_protocol_is_a_bad_request(subject: Subject) -> None:
    assert (await request(subject.port, "PUT", f"{PATH}?EIO=4&transport=polling")).status == 400


@both_pass
@pytest.mark.parametrize("query", ["EIO=abc&transport=polling", "EIO=4&transport=abc"])
async def test_an_unknown_version_or_transport_is_a_bad_request(
    subject: Subject, query: str
) -> None:
    assert (await request(subject.port, "GET", f"{PATH}?{query}")).status == 400


# ---- Engine.IO: HTTP long-polling


@stock_fails("it answers OK")
async def test_a_post_is_answered_ok(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)
    answer = await poller.post(b"40")

    assert (answer.status, answer.body) == (200, b"ok")


@stock_fails("it answers 200, and the session lives on")
async def test_a_payload_that_cannot_be_read_ends_the_session(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)

    assert (await poller.post(b"abc")).status == 400
    assert (await poller.get()).status == 400


@stock_fails("it lets both wait")
async def test_a_second_poll_ends_the_session_and_the_first_hears_of_it(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)
    async with asyncio.timeout(subject.soon_seconds), asyncio.TaskGroup() as group:
        first = group.create_task(poller.get())
        await asyncio.sleep(0.1)
        second = await poller.get()

    assert second.status == 400
    assert (first.result().status, first.result().body) == (200, b"1")


@stock_fails("it answers the poll with 400")
async def test_a_close_packet_ends_the_poll_that_waits_with_a_noop(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)
    async with asyncio.timeout(subject.soon_seconds), asyncio.TaskGroup() as group:
        poll = group.create_task(poller.get())
        await asyncio.sleep(0.1)
        closing = await poller.post(b"1")

    assert closing.status == 200
    assert (poll.result().status, poll.result().body) == (200, b"6")
    assert (await poller.get()).status == 400


# ---- Engine.IO: WebSocket and upgrade


@stock_fails("it waits for the client to hang up")
async def test_a_close_packet_ends_the_websocket(subject: Subject) -> None:
    async with opened(subject) as peer:
        peer.say("1")
        await peer.end(subject.soon_seconds)


async def upgraded(subject: Subject) -> tuple[RawPoller, RawSocket]:
    poller = await RawPoller.open(subject.port)
    poll = asyncio.create_task(poller.get())
    peer = await RawSocket.open(subject.port, PATH, f"&sid={poller.sid}")
    peer.say("2probe")
    assert await peer.hear(subject.soon_seconds) == "3probe"
    assert (await poll).body == b"6"
    peer.say("5")
    return poller, peer


@stock_fails("the noop that ends the poll comes over the WebSocket once more")
async def test_after_an_upgrade_the_first_packet_is_the_one_that_was_meant(
    subject: Subject,
) -> None:
    _, peer = await upgraded(subject)
    peer.say("40")
    first = await peer.hear(subject.soon_seconds)
    peer.close()

    assert first[:2] == "40", first


@both_pass
async def test_after_an_upgrade_polling_is_over(subject: Subject) -> None:
    poller, peer = await upgraded(subject)
    await asyncio.sleep(0.1)
    answer = await poller.get()
    peer.close()

    assert answer.status == 400


@stock_fails("it refuses the request instead of accepting and closing")
async def test_a_second_websocket_for_a_session_is_closed_and_the_first_lives(
    subject: Subject,
) -> None:
    poller, first = await upgraded(subject)
    try:
        second = await RawSocket.open(subject.port, PATH, f"&sid={poller.sid}")
    except ConnectionRefusedError as refused:
        raise AssertionError(refused) from None
    await second.end(subject.soon_seconds)
    first.say("40")
    answer = await first.hear(subject.soon_seconds)
    first.close()
    second.close()

    assert answer[:2] == "40"


@both_pass
async def test_what_is_sent_during_an_upgrade_arrives_once_and_in_order(subject: Subject) -> None:
    poller = await RawPoller.open(subject.port)
    await poller.post(b"40")
    while b"welcome" not in (await poller.get()).body:
        pass
    peer = await RawSocket.open(subject.port, PATH, f"&sid={poller.sid}")
    poll = asyncio.create_task(poller.get())
    peer.say("2probe")
    assert await peer.hear(subject.soon_seconds) == "3probe"
    fetched = (await poll).body
    assert fetched == b"6"
    posted = [poller.post(f'42{number}["echo",{number}]'.encode()) for number in range(3)]
    for post in posted:
        await post
    peer.say("5", '429["echo",9]')
    heard = [await peer.hear(subject.soon_seconds) for _ in range(4)]
    peer.close()

    answers = [text for text in heard if text != "6"]
    assert answers[:3] == ["430[0]", "431[1]", "432[2]"]


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


async def test_whatever_was_sent_here_left_no_traceback_in_our_log(
    subjects: dict[str, Subject],
) -> None:
    """The last one: it looks back on all the others."""
    assert "Traceback" not in subjects["ours"].log
