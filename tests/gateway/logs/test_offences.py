import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from gateway.logs import Offences
from tests.toolbox.clock import Clock


@pytest.fixture
def clock() -> Clock:
    structlog.reset_defaults()
    return Clock()


def lines_of(lines: list[EventDict], event: str) -> list[EventDict]:
    return [line for line in lines if line["event"] == event]


def test_one_kind_from_one_address_is_written_a_few_times_a_minute(clock: Clock) -> None:
    offences = Offences(lines_per_address=5, clock=clock)
    with capture_logs() as lines:
        for _ in range(1000):
            offences.note("malformed", "192.0.2.1", peer="p1", code="MALFORMED")
        clock.now_seconds += 60
        offences.note("malformed", "192.0.2.1")
    assert len(lines_of(lines, "malformed")) == 6
    assert lines[0] == {
        "event": "malformed",
        "address": "192.0.2.1",
        "peer": "p1",
        "code": "MALFORMED",
        "log_level": "warning",
    }
    assert lines_of(lines, "offences_suppressed") == [
        {
            "event": "offences_suppressed",
            "kind": "malformed",
            "suppressed": 995,
            "log_level": "warning",
        }
    ]


def test_kinds_and_addresses_have_their_lines_each(clock: Clock) -> None:
    offences = Offences(lines_per_address=1, clock=clock)
    with capture_logs() as lines:
        for _ in range(3):
            offences.note("malformed", "192.0.2.1")
            offences.note("malformed", "192.0.2.2")
            offences.note("too fast", "192.0.2.1")
    assert len(lines) == 3


def test_a_flood_from_everywhere_is_bounded_in_lines_and_in_memory(clock: Clock) -> None:
    offences = Offences(lines_per_kind=100, windows_limit=1000, clock=clock)
    with capture_logs() as lines:
        for number in range(50_000):
            offences.note("malformed", f"2001:db8::{number:x}")
        assert len(offences._windows) <= 1000  # noqa: SLF001 - the bound itself
        clock.now_seconds += 61
        offences.flush()
    assert len(lines_of(lines, "malformed")) == 100
    assert lines_of(lines, "offences_suppressed")[0]["suppressed"] == 49_900
    assert len(lines) == 101


def test_a_full_table_still_writes_for_new_addresses(clock: Clock) -> None:
    offences = Offences(windows_limit=2, clock=clock)
    with capture_logs() as lines:
        for number in range(10):
            offences.note("malformed", f"192.0.2.{number}")
    assert len(lines) == 10


def test_nothing_is_told_of_what_was_not_left_out(clock: Clock) -> None:
    offences = Offences(clock=clock)
    with capture_logs() as lines:
        offences.note("malformed", "192.0.2.1")
        offences.flush()
        offences.flush()
    assert len(lines) == 1
