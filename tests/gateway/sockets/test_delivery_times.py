"""How long a publication was on its way is counted when it is written, once for each who has it."""

import time

import pytest

from gateway.rooms.publication import Publication
from gateway.sockets import lanes, rounds
from protocol import codec
from tests.gateway.sockets.recorded_door import HIGH_WATER_BYTES, Door
from tests.gateway.sockets.test_lanes import polled


@pytest.fixture
def door() -> Door:
    return Door()


def seconds_ago(seconds: float) -> int:
    """When that was, as a publication says it. The bounds around it leave room for a slow test."""
    return time.time_ns() // 1000 - round(seconds * 1e6)


def times_of(door: Door, lane: str) -> dict[float, int]:
    """How many were on their way for how long: by the upper bound, where there are any."""
    histogram = door.metrics.delivery_seconds[lane]
    bounds = [bound_us / 1e6 for bound_us in histogram.bounds_us]
    counts = zip([*bounds, float("inf")], histogram.counts, strict=True)
    return {bound: count for bound, count in counts if count}


async def test_each_peer_of_each_audience_counts_and_the_author_does_not(door: Door) -> None:
    for name in ("one", "two", "three"):
        door.enter(name, "r")
    door.enter("four", "r", "s")
    door.publish("r", 1, author="one", accepted_us=seconds_ago(20))
    door.lanes.flush()
    assert times_of(door, "fast") == {30.0: 3}

    door.publish("r", 2, author="one", accepted_us=seconds_ago(20))
    door.publish("r", 3, accepted_us=seconds_ago(1000))
    door.lanes.flush()
    assert times_of(door, "fast") == {30.0: 6, float("inf"): 4}
    assert sum(door.metrics.delivery_seconds["fast"].counts) == door.metrics.deliveries_fast
    assert times_of(door, "slow") == {}


async def test_what_the_gateway_says_of_itself_has_no_time(door: Door) -> None:
    door.enter("one", "r")
    door.publish("r", 1)
    door.lanes.flush()

    assert door.metrics.deliveries_fast == 1
    assert times_of(door, "fast") == {}


async def test_a_crowd_counts_when_it_is_written_to(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "PEERS_PER_TURN", 0)
    monkeypatch.setattr(rounds, "PEERS_PER_TURN", 4)
    for number in range(10):
        door.enter(f"peer {number}", "r")
    door.publish("r", 1, author="peer 0", accepted_us=seconds_ago(20))
    door.publish("r", 2, accepted_us=seconds_ago(20))
    door.lanes.flush()
    counted = [door.metrics.deliveries_fast]
    while door.lanes._rounds:  # noqa: SLF001 - turn by turn
        door.lanes._rounds._go_on()  # noqa: SLF001
        counted.append(door.metrics.deliveries_fast)
        assert times_of(door, "fast") == {30.0: counted[-1]}

    assert counted == [1, 9, 17, 19]


async def test_in_the_slow_lane_waiting_is_part_of_it(door: Door) -> None:
    _, transport = door.enter("slow", "r")
    transport.is_stuck = True
    door.publish("r", "x" * HIGH_WATER_BYTES, accepted_us=seconds_ago(20))
    door.lanes.flush()
    assert times_of(door, "fast") == {30.0: 1}
    for number in range(3):
        door.publish("r", number, key="bike", accepted_us=seconds_ago((1000, 900, 20)[number]))
    door.publish("r", 3, accepted_us=seconds_ago(1000))
    door.lanes.flush()
    assert times_of(door, "slow") == {}, "nothing is written yet"
    transport.release()

    # Of the bike only what is delivered counts, as old as it is.
    assert times_of(door, "slow") == {30.0: 1, float("inf"): 1}
    assert times_of(door, "fast") == {30.0: 1}


async def test_what_is_polled_counts_when_it_is_fetched(door: Door) -> None:
    session = door.enter_polling("poller", "r")
    door.publish("r", 1, accepted_us=seconds_ago(20))
    door.lanes.flush()
    assert times_of(door, "slow") == {}
    door.lanes.drain(session)

    assert times_of(door, "slow") == {30.0: 1}
    assert len(polled(session)) == 1


async def test_history_that_a_peer_has_missed_is_not_late(door: Door) -> None:
    (one, _), poller = door.enter("one", "r"), door.enter_polling("poller", "r")
    packet = codec.packet_of("own-event", b'{"number":1}')
    missed = Publication("r", "e", 1, 0, "own-event", packet, accepted_us=seconds_ago(1000))
    for session in (one, poller):
        door.lanes.send(session, missed)
    door.lanes.drain(poller)

    assert times_of(door, "fast") == times_of(door, "slow") == {}
