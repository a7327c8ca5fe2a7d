from __future__ import annotations

import asyncio

import pytest

from gateway.redis.connection import pack
from gateway.redis.errors import RedisAway, RedisRefused
from gateway.redis.subscriber import Message, SubscriberConnection
from tests.gateway.redis.recording_transport import RecordingTransport


class Subscriber:
    """A connection, and what it tells."""

    def __init__(self) -> None:
        self.batches: list[list[Message]] = []
        self.dropped: list[bytes] = []
        self.connection = SubscriberConnection(
            1.0, lambda messages: self.batches.append(list(messages)), self.dropped.append
        )
        self.transport = RecordingTransport()
        self.connection.connection_made(self.transport)

    def say(self, *pushes: tuple[str | int, ...]) -> None:
        self.connection.data_received(b"".join(map(push_of, pushes)))


def push_of(words: tuple[str | int, ...]) -> bytes:
    parts = (
        f":{word}\r\n" if isinstance(word, int) else f"${len(word)}\r\n{word}\r\n" for word in words
    )
    return f"*{len(words)}\r\n{''.join(parts)}".encode()


@pytest.fixture
async def subscriber() -> Subscriber:  # async, because a connection belongs to its loop
    return Subscriber()


async def test_a_channel_is_subscribed_to_when_the_server_says_so(subscriber: Subscriber) -> None:
    asked = [subscriber.connection.subscribe(channel) for channel in (b"a", b"b")]
    await asyncio.sleep(0)
    assert subscriber.transport.writes == [
        pack((b"SSUBSCRIBE", b"a")) + pack((b"SSUBSCRIBE", b"b"))
    ]

    subscriber.say(("ssubscribe", "a", 1))
    assert [done.done() for done in asked] == [True, False]
    subscriber.say(("ssubscribe", "b", 2))
    assert asked[1].result() is None


async def test_what_the_server_says_against_a_channel_is_told_to_who_asked_for_it(
    subscriber: Subscriber,
) -> None:
    asked = [subscriber.connection.subscribe(channel) for channel in (b"a", b"b", b"c")]

    subscriber.connection.data_received(
        push_of(("ssubscribe", "a", 1))
        + b"-MOVED 1 127.0.0.1:7001\r\n-NOPERM this user has no permissions\r\n"
    )

    assert asked[0].exception() is None
    assert isinstance(asked[1].exception(), RedisAway)
    assert isinstance(asked[2].exception(), RedisRefused)


async def test_messages_that_came_together_are_handed_over_together(
    subscriber: Subscriber,
) -> None:
    subscriber.say(("smessage", "a", "1"), ("smessage", "b", "2"))
    subscriber.say(("smessage", "a", "3"))

    assert subscriber.batches == [[(b"a", b"1"), (b"b", b"2")], [(b"a", b"3")]]


async def test_messages_and_confirmations_keep_apart(subscriber: Subscriber) -> None:
    asked = subscriber.connection.subscribe(b"b")

    subscriber.say(("smessage", "a", "1"), ("ssubscribe", "b", 2), ("smessage", "b", "2"))

    assert asked.done()
    assert subscriber.batches == [[(b"a", b"1"), (b"b", b"2")]]


async def test_a_channel_that_the_server_ends_is_dropped_and_one_that_we_end_is_not(
    subscriber: Subscriber,
) -> None:
    subscriber.connection.unsubscribe(b"ours")
    subscriber.say(("sunsubscribe", "theirs", 1), ("sunsubscribe", "ours", 0))

    assert subscriber.dropped == [b"theirs"]


async def test_a_drop_is_not_taken_for_the_answer_to_another_question(
    subscriber: Subscriber,
) -> None:
    asked = subscriber.connection.subscribe(b"a")

    subscriber.say(("sunsubscribe", "a", 0))
    assert subscriber.dropped == [b"a"]
    assert not asked.done()
    subscriber.say(("ssubscribe", "a", 1))
    assert asked.done()


async def test_at_the_end_nobody_is_left_waiting(subscriber: Subscriber) -> None:
    asked = subscriber.connection.subscribe(b"a")

    subscriber.connection.connection_lost(None)

    assert isinstance(asked.exception(), RedisAway)
    assert isinstance(subscriber.connection.subscribe(b"b").exception(), RedisAway)


async def test_who_gave_up_waiting_does_not_disturb_the_order(subscriber: Subscriber) -> None:
    subscriber.connection.subscribe(b"a").cancel()
    asked = subscriber.connection.subscribe(b"b")

    subscriber.say(("ssubscribe", "a", 1), ("ssubscribe", "b", 2))

    assert asked.result() is None


async def test_messages_that_cannot_be_used_do_not_end_the_connection() -> None:
    def stumble(_messages: object) -> None:
        raise KeyError

    connection = SubscriberConnection(1.0, stumble, lambda _: None)
    transport = RecordingTransport()
    connection.connection_made(transport)

    connection.data_received(push_of(("smessage", "a", "1")))

    assert not transport.is_aborted
