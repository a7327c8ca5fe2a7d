import pytest

from paceline_publisher.patience import told_seconds_of, wait_seconds

NOW = 1_700_000_000.0


def test_a_pause_doubles_up_to_an_end_and_jitter_takes_away_half_of_it() -> None:
    assert [wait_seconds(attempt, 0.0, None) for attempt in (1, 2, 3, 50)] == [0.25, 0.5, 1, 10]
    assert wait_seconds(3, 0.999, None) == pytest.approx(0.5, abs=0.001)


def test_what_the_gateway_has_told_is_kept_to() -> None:
    assert wait_seconds(1, 0.5, 7.0) == 7
    assert wait_seconds(50, 0.5, 0.5) == 0.5


def test_whoever_is_told_to_come_back_at_once_makes_a_pause_as_well() -> None:
    assert [wait_seconds(attempt, 0.0, 0.0) for attempt in (1, 50)] == [0.25, 0.25]
    assert wait_seconds(50, 0.999, 0.0) == pytest.approx(0.125, abs=0.001)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        (" 0 ", 0.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert told_seconds_of(header, NOW) == seconds
