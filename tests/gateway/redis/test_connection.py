from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.redis.connection import CommandConnection, connect, pack
from gateway.redis.errors import RedisAway, RedisRefused
from gateway.settings.redis_url import Credentials, Endpoint, RedisAddress, address_of
from tests.gateway.redis.recording_transport import RecordingTransport
from tests.gateway.redis.silent_server import silent_server
from tests.toolbox import virtual_time
from tests.toolbox.redis_server import RedisServer

PING = pack(("PING",))


def connected(timeout_seconds: float = 1.0) -> tuple[CommandConnection, RecordingTransport]:
    connection, transport = CommandConnection(timeout_seconds), RecordingTransport()
    connection.connection_made(transport)
    return connection, transport


async def turn() -> None:
    """Let everything happen that is due."""
    await asyncio.sleep(0)


async def test_all_commands_of_a_turn_leave_in_one_write() -> None:
    connection, transport = connected()
    for _ in range(3):
        connection.send(PING, lambda _: None)
    assert transport.writes == []

    await turn()

    assert transport.writes == [PING * 3]
    connection.abort()


async def test_each_reply_goes_to_whoever_asked_whatever_way_they_come_apart() -> None:
    connection, _ = connected()
    replies: list[tuple[str, Any]] = []
    for name in "abc":
        connection.send(PING, lambda reply, name=name: replies.append((name, reply)))  # type: ignore[misc]

    for byte in b"+1\r\n:2\r\n*1\r\n$1\r\n3\r\n":
        connection.data_received(bytes([byte]))

    assert replies == [("a", b"1"), ("b", 2), ("c", [b"3"])]
    assert connection.waiting == 0
    connection.abort()


async def test_an_error_is_a_reply_and_raised_to_who_awaits_it() -> None:
    connection, _ = connected()
    calls = [asyncio.create_task(connection.call(word)) for word in ("GET", "SET", "INCR")]
    await turn()

    connection.data_received(
        b"-ERR wrong number of arguments\r\n-OOM command not allowed\r\n:1\r\n"
    )

    refused, away, number = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(refused, RedisRefused)
    assert isinstance(away, RedisAway)
    assert number == 1
    connection.abort()


async def test_who_has_no_answer_at_the_end_is_told_once() -> None:
    connection, transport = connected()
    replies: list[Any] = []
    for _ in range(3):
        connection.send(PING, replies.append)
    connection.data_received(b"+PONG\r\n")

    connection.abort()
    connection.connection_lost(None)
    await turn()

    assert transport.is_aborted
    assert connection.lost.is_set()
    assert [type(reply) for reply in replies] == [bytes, RedisAway, RedisAway]


async def test_who_asks_behind_the_end_is_told_and_nothing_is_sent() -> None:
    connection, transport = connected()
    connection.connection_lost(None)
    replies: list[Any] = []

    connection.send(PING, replies.append)
    await turn()

    assert [type(reply) for reply in replies] == [RedisAway]
    assert transport.writes == []


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n", b"+PONG\r\n+PONG\r\n"])
async def test_what_is_not_an_answer_ends_the_connection(nonsense: bytes) -> None:
    connection, transport = connected()
    replies: list[Any] = []
    connection.send(PING, replies.append)

    connection.data_received(nonsense)
    await turn()

    assert transport.is_aborted
    assert len(replies) == 1


async def test_one_who_cannot_use_a_reply_takes_nobody_elses() -> None:
    connection, transport = connected()
    replies: list[Any] = []

    def stumble(_reply: object) -> None:
        raise KeyError

    connection.send(PING, stumble)
    connection.send(PING, replies.append)

    connection.data_received(b"+1\r\n+2\r\n")

    assert replies == [b"2"]
    assert not transport.is_aborted
    connection.abort()


async def test_one_who_ends_the_connection_ends_it_for_replies_that_have_come_too() -> None:
    connection, _ = connected()
    replies: list[Any] = []
    connection.send(PING, lambda _: connection.abort())
    connection.send(PING, replies.append)

    connection.data_received(b"-READONLY\r\n+2\r\n")
    await turn()

    assert [type(reply) for reply in replies] == [RedisAway]


def test_without_any_progress_for_its_time_it_ends() -> None:
    async def wait() -> float:
        connection, transport = connected(timeout_seconds=1.0)
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        connection.send(PING, lambda _: None)
        await connection.lost.wait()
        assert transport.is_aborted
        return loop.time() - began_at

    assert virtual_time.run(wait()) == pytest.approx(1.1)  # the last chance included


def test_a_command_has_its_whole_time_however_long_nothing_was_asked_before() -> None:
    async def wait() -> tuple[list[Any], bool]:
        connection, transport = connected(timeout_seconds=1.0)
        replies: list[Any] = []
        connection.send(PING, replies.append)
        connection.data_received(b"+1\r\n")
        await asyncio.sleep(0.95)
        connection.send(PING, replies.append)
        await asyncio.sleep(0.5)  # a pause of the server's, well within its time
        connection.data_received(b"+2\r\n")
        return replies, transport.is_aborted

    assert virtual_time.run(wait()) == ([b"1", b"2"], False)


def test_a_slow_server_that_goes_on_answering_is_borne() -> None:
    async def wait() -> int:
        connection, transport = connected(timeout_seconds=1.0)
        replies: list[Any] = []
        for _ in range(20):
            connection.send(PING, replies.append)
        for _ in range(20):
            await asyncio.sleep(0.9)
            connection.data_received(b"+PONG\r\n")
        await asyncio.sleep(5.0)  # nobody waits for anything any more
        assert not transport.is_aborted
        return len(replies)

    assert virtual_time.run(wait()) == 20


def test_replies_that_came_while_the_worker_was_held_up_count() -> None:
    async def wait() -> bool:
        connection, transport = connected(timeout_seconds=1.0)
        replies: list[Any] = []
        connection.send(PING, replies.append)
        loop = asyncio.get_running_loop()
        # what a loop does that was held up: timers first, then what has arrived
        loop.call_later(1.05, connection.data_received, b"+PONG\r\n")
        await asyncio.sleep(5.0)
        return not transport.is_aborted and replies == [b"PONG"]

    assert virtual_time.run(wait())


async def test_it_logs_in_and_chooses_its_database(redis_server: RedisServer) -> None:
    redis_server.command("ACL", "SETUSER", "rider", "on", ">pass word", "+@all", "~*", "&*")
    url = f"redis://rider:pass%20word@127.0.0.1:{redis_server.port}/3"
    address = address_of(url)

    connection = await connect(lambda: CommandConnection(1.0), address.endpoints[0], address)

    assert await connection.call("ACL", "WHOAMI") == b"rider"
    assert b"db=3" in await connection.call("CLIENT", "INFO")
    connection.abort()


async def test_wrong_credentials_are_a_mistake(redis_server: RedisServer) -> None:
    address = RedisAddress(
        "single", (Endpoint("127.0.0.1", redis_server.port),), Credentials("rider", "secret")
    )

    with pytest.raises(RedisRefused, match="WRONGPASS") as refused:
        await connect(lambda: CommandConnection(1.0), address.endpoints[0], address)

    assert "secret" not in str(refused.value)


async def test_a_server_that_accepts_and_says_nothing_is_away() -> None:
    async with silent_server() as port:
        address = address_of(f"redis://127.0.0.1:{port}")
        with pytest.raises(RedisAway):
            await connect(lambda: CommandConnection(0.2), address.endpoints[0], address)


async def test_a_burst_of_one_turn_is_no_sign_of_a_full_line(redis_url: str) -> None:
    address = address_of(redis_url)
    connection = await connect(lambda: CommandConnection(5.0), address.endpoints[0], address)
    command = pack(("ECHO", "x" * 1000))
    answered = asyncio.Event()

    for _ in range(5000):
        connection.send(command, lambda _: None)
    connection.send(PING, lambda _: answered.set())
    await turn()

    assert not connection.is_full
    await answered.wait()
    connection.abort()
