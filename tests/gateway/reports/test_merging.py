"""One overview of several workers."""

from __future__ import annotations

import pytest

from gateway.reports.merging import SILENT_SECONDS, Received, overview_of
from gateway.reports.report import Delays, Report
from protocol.reports import BrokerPulse, GoodbyeLine, Overview, RoomLine, State
from tests.gateway.reports.reported import WELL, report

NOW = 500.0
AWAY = BrokerPulse(kind="redis", is_well=False)


def overview(*received: Received) -> Overview:
    return overview_of("aaaaaa", received, NOW, 1_000)


def just_now(told: Report) -> Received:
    return Received(told, NOW - 0.1)


def silent(told: Report) -> Received:
    return Received(told, NOW - SILENT_SECONDS - 0.01)


def room(name: str, members: int, per_second: float) -> RoomLine:
    return RoomLine(room_id=name, members=members, per_second=per_second)


@pytest.mark.parametrize(
    ("last", "broker", "shown"),
    [
        ("accepting", WELL, "gone"),
        ("draining", WELL, "left"),
        ("accepting", AWAY, "unheard"),
        ("left", WELL, "left"),
    ],
)
def test_a_worker_that_fell_silent_is_shown_for_what_it_is(
    last: State, broker: BrokerPulse, shown: State
) -> None:
    told = overview(just_now(report(broker=broker)), silent(report("bbbbbb", slot=1, state=last)))

    assert [line.state for line in told.workers] == ["accepting", shown]
    assert told.workers[1].connections == 0
    assert told.workers[1].fast_per_second == 0.0
    assert told.workers[1].heard_ms_ago == 3010


def test_a_worker_that_says_that_it_left_is_believed_at_once() -> None:
    told = overview(just_now(report(state="left", rooms=[room("r", 5, 1.0)])))

    assert (told.workers[0].state, told.workers[0].peers, told.rooms) == ("left", 0, [])


def test_members_of_a_room_are_added_up_and_its_rate_is_not() -> None:
    told = overview(
        just_now(report(rooms=[room("r", 10, 5.0), room("s", 1, 0.0)])),
        just_now(report("bbbbbb", rooms=[room("r", 20, 4.0)])),
        silent(report("cccccc", rooms=[room("r", 500, 9.0)])),
    )

    assert told.rooms == [room("r", 30, 5.0), room("s", 1, 0.0)]


def test_what_was_counted_once_is_not_counted_again() -> None:
    told = overview(
        just_now(report(refusals={"FORBIDDEN": 2}, turned_away={"full": 1})),
        just_now(report("bbbbbb", refusals={"FORBIDDEN": 3, "TOO_FAST": 1})),
        Received(report("cccccc", refusals={"FORBIDDEN": 50}), NOW - 1, is_counted=True),
    )

    assert told.refusals == {"FORBIDDEN": 5, "TOO_FAST": 1}
    assert told.turned_away == {"full": 1}


def test_percentiles_are_of_the_deliveries_of_all_workers() -> None:
    told = overview(
        just_now(report(delays=Delays((1000, 2000), (99, 0, 0)))),
        just_now(report("bbbbbb", delays=Delays((1000, 2000), (0, 99, 0)))),
        just_now(report("cccccc", delays=Delays((5, 10), (999, 0, 0)))),  # counts in other buckets
    )

    assert told.latency is not None
    assert told.latency.p50_ms == pytest.approx(1.0)
    assert told.latency.p99_ms == pytest.approx(1.98)
    assert overview(just_now(report())).latency is None


def test_the_newest_goodbyes_come_first() -> None:
    lines = [GoodbyeLine(at_ms=ms, code=3000, reason="", subject=str(ms)) for ms in range(150)]
    told = overview(
        just_now(report(goodbyes=lines[0::2])), just_now(report("bbbbbb", goodbyes=lines[1::2]))
    )

    assert [line.at_ms for line in told.goodbyes] == list(range(149, 49, -1))
