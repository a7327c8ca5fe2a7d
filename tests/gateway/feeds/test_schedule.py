import itertools

import pytest

from gateway.feeds.schedule import backoff_seconds, pause_seconds, retry_after_seconds

NOW = 1_445_412_420.0  # Wed, 21 Oct 2015 07:27:00 GMT


@pytest.mark.parametrize(
    ("ttl", "pause"), [(0, 5), (5, 5), (60, 60), (300, 300), (86_400, 300), (None, 60)]
)
def test_a_feed_sets_the_pace_within_bounds(ttl: float | None, pause: float) -> None:
    assert pause_seconds(ttl) == pause


@pytest.mark.parametrize("interval", [0.5, 1000.0])
def test_the_operators_interval_overrides_the_feed_and_its_bounds(interval: float) -> None:
    assert pause_seconds(60, interval) == interval


def test_waiting_doubles_with_every_failure_up_to_a_limit() -> None:
    waits = [backoff_seconds(failures, 0.0) for failures in range(1, 9)]

    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    assert backoff_seconds(10**9, 0.0) == 300


def test_jitter_takes_away_up_to_half() -> None:
    waits = [backoff_seconds(1, fraction) for fraction in (0.0, 0.5, 0.999)]

    assert waits[0] == 5
    assert all(later < earlier for earlier, later in itertools.pairwise(waits))
    assert waits[-1] > 2.5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        (" 7 ", 7),
        ("99999999999999999999", 3600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 60),
        ("Wed, 21 Oct 2015 07:26:00 GMT", 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 3600),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("٣", None),
        (None, None),
    ],
)
def test_a_wish_to_wait_is_read_in_both_its_forms(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(header, NOW) == seconds
