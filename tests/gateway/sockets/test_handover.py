"""A request that came to the wrong worker is answered by the right one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.app import Gateway
from tests.gateway.workers.fleet import Worker, fleet, until
from tests.toolbox.raw_client import RawPoller, RawSocket, masked_frame, read_answer, request

POLLING = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[list[Worker]]:
    async with fleet(tmp_path, 3) as workers:
        yield workers
        RawSocket.close_all()


async def test_polling_goes_on_at_whatever_worker_it_comes_to(workers: list[Worker]) -> None:
    poller = await RawPoller.open(workers[0].port, "/socket.io/")
    poller.port = workers[1].port
    posted = await poller.post(b"40")
    poller.port = workers[2].port
    polled = await poller.get()

    assert (posted.status, posted.body) == (200, b"ok")
    assert polled.body.startswith(b'40{"sid":"')
    assert poller.sid.startswith(workers[0].gateway.worker_id)
    assert [worker.handovers for worker in workers] == [{"taken": 2}, {"given": 1}, {"given": 1}]


async def test_an_upgrade_goes_to_the_session_s_worker_and_costs_the_other_nothing_more(
    workers: list[Worker],
) -> None:
    poller = await RawPoller.open(workers[0].port, "/socket.io/")
    peer = await RawSocket.open(workers[1].port, query=f"&sid={poller.sid}")
    peer.say("2probe")
    assert await peer.hear() == "3probe"
    peer.say("5", "40")
    assert (await peer.hear()).startswith('40{"sid":"')

    assert len(workers[0].gateway.server.engine.sockets) == 1
    assert workers[1].gateway.server.engine.sockets == {}


async def test_what_came_right_behind_the_upgrade_is_handed_on_with_it(
    workers: list[Worker],
) -> None:
    poller = await RawPoller.open(workers[0].port, "/socket.io/")
    reader, writer = await asyncio.open_connection("127.0.0.1", workers[1].port)
    writer.write(
        f"GET /socket.io/?EIO=4&transport=websocket&sid={poller.sid} HTTP/1.1\r\nHost: x\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        + masked_frame("2probe")
    )
    head = await reader.readuntil(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 101 ")
    assert await reader.readexactly(8) == b"\x81\x063probe"
    writer.close()


async def test_one_kept_connection_serves_sessions_of_all_workers(workers: list[Worker]) -> None:
    """As it does behind a balancer that keeps connections and uses them for anybody."""
    pollers = [await RawPoller.open(worker.port, "/socket.io/") for worker in workers] * 3
    reader, writer = await asyncio.open_connection("127.0.0.1", workers[0].port)
    answers = []
    for number, poller in enumerate(pollers):
        body = b"40" if number < 3 else b'42["leave-room","r"]'
        head = f"POST {poller.target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answers.append(await read_answer(reader))
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    health = await read_answer(reader)
    writer.close()

    assert [(answer.status, answer.body) for answer in answers] == [(200, b"ok")] * 9
    assert health.status == 200


@pytest.mark.parametrize("size", [10, 60_000])
@pytest.mark.parametrize("encoding", ["sized", "chunked"])
async def test_a_body_arrives_whole_however_it_was_sent(
    workers: list[Worker], size: int, encoding: str
) -> None:
    poller = await RawPoller.open(workers[0].port, "/socket.io/")
    await poller.post(b"40")
    poller.port = workers[1].port
    event = b'421["leave-room","%b"]' % (b"r" * size)
    if encoding == "sized":
        answer = await poller.post(event)
    else:
        chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (5, event[:5], len(event) - 5, event[5:])
        answer = await poller.post(chunks, Transfer_Encoding="chunked")
    heard = (await poller.get()).body

    assert (answer.status, answer.body) == (200, b"ok")
    assert b'431[{"data":{"roomId":"rrr' in heard or b'431[{"error"' in heard


async def test_a_poll_that_is_given_up_ends_the_session_as_if_it_had_not_been_handed_on(
    workers: list[Worker],
) -> None:
    poller = await RawPoller.open(workers[0].port, "/socket.io/")
    _, writer = await asyncio.open_connection("127.0.0.1", workers[1].port)
    writer.write(f"GET {poller.target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await until(lambda: workers[0].handovers == {"taken": 1})
    assert workers[0].gateway.server.engine.sockets
    await asyncio.sleep(0.05)
    writer.transport.abort()
    await until(lambda: not workers[0].gateway.server.engine.sockets)


async def test_an_origin_that_is_not_allowed_gets_no_further(workers: list[Worker]) -> None:
    poller = await RawPoller.open(workers[0].port, "/socket.io/")
    poller.port = workers[1].port
    answer = await request(poller.port, "GET", poller.target, headers={"Origin": "https://evil"})

    assert answer.status == 403
    assert workers[1].handovers == {}


async def test_a_session_of_no_worker_is_unknown(workers: list[Worker]) -> None:
    for sid in ("nobody", "../../etc/passwd", "a" * 26, "%00%ff", workers[0].gateway.worker_id):
        answer = await request(workers[1].port, "GET", f"{POLLING}&sid={sid}")

        assert (answer.status, answer.body) == (400, b'{"code":1,"message":"Session ID unknown"}')


async def test_what_claims_to_be_handed_on_goes_no_further(workers: list[Worker]) -> None:
    poller = await RawPoller.open(workers[0].port, "/socket.io/")
    handed_on = {"X-Paceline-Handed-On": "worker"}
    answer = await request(workers[1].port, "GET", poller.target, headers=handed_on)

    assert (answer.status, answer.body) == (400, b'{"code":1,"message":"Session ID unknown"}')


async def test_two_requests_at_once_on_one_connection_are_refused(workers: list[Worker]) -> None:
    poller = await RawPoller.open(workers[0].port, "/socket.io/")
    reader, writer = await asyncio.open_connection("127.0.0.1", workers[1].port)
    poll = f"GET {poller.target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    writer.write(poll + poll)
    answer = await read_answer(reader)
    writer.close()

    assert answer.status == 400


async def test_a_worker_that_has_died_is_one_that_never_was(workers: list[Worker]) -> None:
    poller = await RawPoller.open(workers[0].port, "/socket.io/")
    _remove_socket(workers[0].gateway)
    poller.port = workers[1].port
    answer = await poller.get()

    assert (answer.status, answer.body) == (400, b'{"code":1,"message":"Session ID unknown"}')


async def test_a_worker_that_leaves_has_newcomers_answered_by_another(
    workers: list[Worker],
) -> None:
    leaving = workers[0].gateway
    assert leaving.neighbourhood is not None
    await leaving.neighbourhood.leave()
    leaving.server.engine.is_accepting = False
    pollers = [await RawPoller.open(workers[0].port, "/socket.io/") for _ in range(10)]
    peer = await RawSocket.open(workers[0].port)
    opening = await peer.hear()

    assert opening.startswith("0{")
    assert leaving.server.engine.sockets == {}
    assert all(not poller.sid.startswith(leaving.worker_id) for poller in pollers)


async def test_when_all_leave_a_newcomer_is_told_to_come_back(workers: list[Worker]) -> None:
    for worker in workers:
        worker.gateway.server.engine.is_accepting = False
    answer = await request(workers[0].port, "GET", POLLING)

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def _remove_socket(gateway: Gateway) -> None:
    assert gateway.settings.run_directory is not None
    run_directory = Path(gateway.settings.run_directory)
    (path,) = run_directory.rglob(f"{gateway.worker_id}.sock")
    path.unlink()
