"""Who was sent off lately."""

from __future__ import annotations

from gateway.reports.goodbyes import KEPT, RecentGoodbyes
from protocol.refusals import Goodbye


def test_the_last_ones_are_kept_with_when_why_and_who() -> None:
    goodbyes = RecentGoodbyes(lambda: 12.5)
    for number in range(KEPT + 5):
        goodbyes.note(Goodbye.TOO_SLOW, f"rider {number}")

    lines = goodbyes.lines()

    assert len(lines) == KEPT
    assert (lines[0].subject, lines[-1].subject) == ("rider 5", f"rider {KEPT + 4}")
    assert (lines[0].at_ms, lines[0].code, lines[0].reason) == (12_500, 3001, lines[0].reason)
    assert lines[0].reason == Goodbye.TOO_SLOW.reason
