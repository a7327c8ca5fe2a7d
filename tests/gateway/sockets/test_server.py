import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from gateway.sockets.engine import EngineLimits
from gateway.sockets.server import Server
from tests.conformance.server import serving
from tests.toolbox.raw_client import BINARY, RawSocket, masked_frame

PLACEHOLDER = '{"_placeholder":true,"num":0}'


@pytest.fixture
def server() -> Server:
    limits = EngineLimits(connect_timeout_seconds=0.3)
    return Server(ping_interval=20, ping_timeout=10, limits=limits)


@pytest.fixture
async def port(server: Server) -> AsyncIterator[int]:
    async with serving(server.attach) as port:
        yield port
        RawSocket.close_all()
        await server.shutdown()


async def opened(port: int, *texts: str) -> RawSocket:
    peer = await RawSocket.open(port)
    await peer.hear()
    peer.say(*texts)
    return peer


async def test_events_of_one_peer_are_handled_one_after_the_other(
    server: Server, port: int
) -> None:
    order: list[object] = []

    async def connect(_sid: str, _environ: object) -> None:
        order.append("connect")

    async def event(_sid: str, number: int) -> int:
        order.append(number)
        await asyncio.sleep(0.01 if number == 0 else 0)
        order.append(number)
        return number

    server.on("connect", connect, namespace="/ops")
    server.on("event", event, namespace="/ops")
    peer = await opened(port, "40/ops,")
    await peer.hear()
    peer.say(*(f'42/ops,{number}["event",{number}]' for number in range(3)))

    assert [await peer.hear() for _ in range(3)] == [f"43/ops,{n}[{n}]" for n in range(3)]
    assert order == ["connect", 0, 0, 1, 1, 2, 2]


async def test_what_a_connect_handler_emits_follows_the_acceptance(
    server: Server, port: int
) -> None:
    async def connect(sid: str, _environ: object) -> None:
        await server.emit("one", to=sid, namespace="/ops")
        await server.emit("two", b"data", to=sid, namespace="/ops")

    server.on("connect", connect, namespace="/ops")
    peer = await opened(port, "40/ops,")
    heard = [(await peer.frame()).payload for _ in range(4)]

    assert heard[0].startswith(b'40/ops,{"sid":')
    assert heard[1:] == [
        b'42/ops,["one"]',
        f'451-/ops,["two",{PLACEHOLDER}]'.encode(),
        b"data",
    ]


async def test_whoever_is_refused_hears_nothing_but_the_refusal(server: Server, port: int) -> None:
    async def connect(sid: str, _environ: object) -> bool:
        await server.emit("secret", to=sid, namespace="/ops")
        return False

    server.on("connect", connect, namespace="/ops")
    peer = await opened(port, "40/ops,")
    heard = await peer.hear_all(0.1)

    assert [text[:2] for text in heard] == ["44"]


async def test_a_connect_handler_that_fails_leaves_nothing_stuck(
    server: Server, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_sid: str, _environ: object) -> None:
        raise ValueError

    async def connect(_sid: str, _environ: object) -> None:
        """Everybody may."""

    async def echo(sid: str, text: str) -> None:
        await server.emit("echo", text, to=sid, namespace="/fine")

    server.on("connect", fail, namespace="/broken")
    server.on("connect", connect, namespace="/fine")
    server.on("echo", echo, namespace="/fine")
    with caplog.at_level(logging.CRITICAL):
        peer = await opened(port, "40/fine,", "40/broken,")
        acceptance = await peer.hear()
        peer.say('42/fine,["echo","x"]')

        assert acceptance.startswith("40/fine,")
        assert await peer.hear() == '42/fine,["echo","x"]'


async def test_attachments_reach_the_handler_in_their_places(server: Server, port: int) -> None:
    async def connect(_sid: str, _environ: object) -> None:
        """Everybody may."""

    async def event(_sid: str, value: dict[str, bytes]) -> int:
        return len(value["data"])

    server.on("connect", connect, namespace="/ops")
    server.on("event", event, namespace="/ops")
    peer = await opened(port, "40/ops,")
    await peer.hear()
    peer.say(f'451-/ops,7["event",{{"data":{PLACEHOLDER}}}]')
    peer.write(masked_frame(b"12345", BINARY))

    assert await peer.hear() == "43/ops,7[5]"


@pytest.mark.parametrize(
    "texts",
    [(), ("40/nowhere,",), ("40/no,",)],
    ids=["silent", "nowhere", "refused"],
)
async def test_who_is_in_no_namespace_in_time_is_closed(
    server: Server, port: int, texts: tuple[str, ...]
) -> None:
    async def refuse(_sid: str, _environ: object) -> bool:
        return False

    server.on("connect", refuse, namespace="/no")
    peer = await opened(port, *texts)
    await peer.end(2)

    assert server.engine.sockets == {}


async def test_who_is_in_a_namespace_stays_and_its_leaving_is_told_once(
    server: Server, port: int
) -> None:
    left: list[str] = []

    async def connect(_sid: str, _environ: object) -> None:
        """Everybody may."""

    async def disconnect(_sid: str, reason: str) -> None:
        left.append(reason)

    server.on("connect", connect, namespace="/ops")
    server.on("disconnect", disconnect, namespace="/ops")
    peer, other = await opened(port, "40/ops,"), await opened(port, "40/ops,")
    for socket in (peer, other):
        await socket.hear()
    assert await peer.hear_all(0.6) == []
    peer.say("41/ops,")
    other.close()
    async with asyncio.timeout(5):
        while len(left) < 2:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)

    assert sorted(left) == ["client disconnect", "transport error"]
    assert server.manager.rooms == {}
    assert len(server.environ) == 1
