"""All streams of a worker: how many there may be, and how they are sent off."""

from __future__ import annotations

import pytest

from gateway.identity import Identity, Role
from gateway.metrics import Metrics
from gateway.rest.streams import Streams
from gateway.settings import Settings
from protocol.refusals import Goodbye, Refusal, Refused

ANN, BEN = Identity("ann", Role.VIEWER), Identity("ben", Role.VIEWER)


def nothing() -> None:
    """There is no connection to cut."""


def test_a_network_of_ipv6_counts_as_one_address_and_its_places_come_free_again() -> None:
    streams = Streams(Settings(connections_per_address_limit=1), Metrics())
    first = streams.open(ANN, "2001:db8::1", nothing)
    with pytest.raises(Refused) as caught:
        streams.open(BEN, "2001:db8::2", nothing)
    assert caught.value.refusal is Refusal.TOO_FAST
    streams.open(BEN, "2001:db8:1::1", nothing)
    streams.close(first)
    streams.close(first)
    streams.open(BEN, "2001:db8::2", nothing)
    assert len(streams) == 2


async def test_everybody_is_seen_off_once_those_first_who_came_first() -> None:
    metrics = Metrics()
    streams = Streams(Settings(), metrics)
    first, second = (streams.open(ANN, "127.0.0.1", nothing) for _ in range(2))
    assert streams.staying() == [first, second]
    streams.see_off(first)
    streams.dismiss(first, Goodbye.DISABLED)
    assert streams.staying() == [second]
    written = first.take()
    assert written.startswith(b"retry: ")
    assert b'"code":3000' in written
    assert b"3501" not in written
    assert metrics.goodbyes["3000"] == 1
    streams.close(first)
    assert first.take() == b""


def test_nobody_is_taken_in_by_a_worker_that_is_about_to_go() -> None:
    streams = Streams(Settings(), Metrics())
    streams.is_accepting = False
    with pytest.raises(Refused) as caught:
        streams.open(ANN, "127.0.0.1", nothing)
    assert caught.value.refusal is Refusal.UNAVAILABLE
    assert caught.value.retry_after_ms
