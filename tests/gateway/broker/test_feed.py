from __future__ import annotations

import pytest

from gateway.broker.feed import Feed, Verdict
from protocol.cursor import Cursor
from tests.gateway.rooms.drafts import event, publication_of


@pytest.mark.parametrize(
    ("epoch", "offset", "proof_before", "verdict"),
    [
        ("e", 6, 55, Verdict.NEXT),
        ("e", 6, 56, Verdict.FORK),
        ("e", 5, 55, Verdict.OLD),
        ("e", 1, 0, Verdict.OLD),
        ("e", 7, 55, Verdict.HOLE),
        ("f", 6, 55, Verdict.TURN),
        ("f", 1, 0, Verdict.TURN),
    ],
)
def test_what_arrives_is_judged_by_epoch_offset_and_proof(
    epoch: str, offset: int, proof_before: int, verdict: Verdict
) -> None:
    feed = Feed(Cursor("e", 5, 55))
    arriving = publication_of(event(), offset, epoch, proof=77)
    assert feed.take(arriving, proof_before) is verdict
    stands_at = Cursor("e", 6, 77) if verdict is Verdict.NEXT else Cursor("e", 5, 55)
    assert feed.place == stands_at


def test_what_was_taken_is_old_the_second_time() -> None:
    feed = Feed(Cursor("e", 0, 0))
    first = publication_of(event(), 1, "e", proof=9)
    assert [feed.take(first, 0), feed.take(first, 0)] == [Verdict.NEXT, Verdict.OLD]


def test_it_goes_on_from_where_it_is_told_to_stand() -> None:
    feed = Feed(Cursor("e", 5, 55))
    feed.stand_at(Cursor("f", 8, 88))
    assert feed.take(publication_of(event(), 9, "f", proof=99), 88) is Verdict.NEXT
