"""The judge is judged: it finds nothing in good records, and each kind of lie in broken ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.ledger.readings import Reach
from tests.journeys.ledger.records import Record
from tests.journeys.ledger.verdict import KINDS, Verdict, judge
from tests.toolbox.programs import REPOSITORY

ROOM = "city:paris"


def _cursor(offset: int, epoch: str = "one", proof: int = 0) -> str:
    return f"{epoch}.{offset}.{proof or offset:08x}"


class Story:
    """Records in the order in which they are told, a tenth of a second apart."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def tell(self, who: str, kind: str, **facts: Any) -> Story:  # noqa: ANN401 - Record checks them
        record = Record(len(self.records) / 10, who, kind, **({"room": ROOM} | facts))
        self.records.append(record)
        return self

    def invoke(self, id_: str) -> Story:
        return self.tell("publisher", "pub_invoke", id=id_)

    def accept(self, id_: str, offset: int, epoch: str = "one") -> Story:
        return self.tell("publisher", "pub_ok", id=id_, cursor=_cursor(offset, epoch))

    def publish(self, *offsets: int, epoch: str = "one") -> Story:
        for offset in offsets:
            self.invoke(_id(offset, epoch)).accept(_id(offset, epoch), offset, epoch)
        return self

    def receive(self, *offsets: int, epoch: str = "one", who: str = "ada") -> Story:
        for offset in offsets:
            self.tell(who, "recv", id=_id(offset, epoch), cursor=_cursor(offset, epoch))
        return self

    def join(self, offset: int, epoch: str = "one", who: str = "ada", **facts: Any) -> Story:  # noqa: ANN401
        self.tell(who, "join_invoke")
        return self.tell(who, "join_ok", cursor=_cursor(offset, epoch), **facts)

    def resume(self, since: int, offset: int, missed: int, epoch: str = "one") -> Story:
        return self.join(offset, epoch, since=_cursor(since), recovered=True, missed=missed)

    def drop(self) -> Story:
        return self.tell("ada", "down", room="")

    def reset(self) -> Story:
        return self.tell("ada", "reset", reason="epoch")

    def fault(self, kind: str, *, may_reset: bool = True) -> Story:
        return self.tell("nemesis", f"fault_{kind}", reason="redis", room="", may_reset=may_reset)

    def verdict(self, **options: Any) -> Verdict:  # noqa: ANN401 - as judge has them
        return judge(self.tell("run", "end", room="").records, **options)

    def found(self, **options: Any) -> set[str]:  # noqa: ANN401 - as judge has them
        return {kind for kind, count in self.verdict(**options).by_kind().items() if count}


def _id(offset: int, epoch: str = "one") -> str:
    return f"note {epoch} {offset}"


def _good() -> Story:
    return Story().join(0).publish(1, 2, 3).receive(1, 2, 3)


def test_good_records_are_good() -> None:
    story = _good().drop().publish(4, 5).resume(3, 5, 2).receive(4, 5).publish(6).receive(6)
    verdict = story.verdict()

    assert verdict.anomalies == []
    assert (verdict.acknowledged, verdict.received, verdict.unseen) == (6, 6, 0)


def test_an_explained_discontinuity_is_good() -> None:
    story = _good().publish(4).fault("start").reset().publish(1, epoch="two").fault("stop")
    story.join(1, "two", bikes=[]).publish(2, epoch="two").receive(2, epoch="two")
    verdict = story.verdict()

    assert verdict.anomalies == []
    assert len(verdict.resets) == 1
    assert verdict.unseen == 2, "the fourth of the first epoch, and the first of the second"


def _forked() -> Story:
    """The third has been taken back, and another one is in its place."""
    story = _good().fault("start").invoke("other")
    return story.tell("publisher", "pub_ok", id="other", cursor=_cursor(3, proof=99))


def test_a_history_that_forks_and_ends_with_that_is_good_when_everybody_is_told() -> None:
    story = _forked().reset().fault("stop").publish(1, epoch="two").receive(1, epoch="two")
    assert story.found() == set()


def test_a_history_that_forks_and_ends_with_that_is_no_secret() -> None:
    story = _forked().fault("stop").publish(1, epoch="two").receive(1, epoch="two")
    assert story.found() == {"silent epoch change"}


def test_who_is_told_nothing_more_after_a_reset_may_go_on_in_the_new_epoch() -> None:
    story = _good().fault("start").reset().publish(1, epoch="two").receive(1, epoch="two")
    assert story.fault("stop").found() == set()


def test_who_comes_back_too_late_need_not_be_recovered() -> None:
    story = _good().drop().publish(4, 5, 6)
    story.join(6, since=_cursor(3), recovered=False)
    assert story.found(reach=Reach(length=2)) == set()
    assert story.found(reach=Reach(seconds=0.01)) == set()
    assert story.found() == {"unexplained reset"}


def test_an_unknown_outcome_may_be_either() -> None:
    story = _good().invoke(_id(4)).tell("publisher", "pub_unknown", id=_id(4)).invoke(_id(5))
    story.tell("publisher", "pub_unknown", id=_id(5)).receive(4)
    assert story.found() == set()


def test_the_end_of_the_run_is_no_loss_of_connection() -> None:
    story = _good().tell("run", "end", room="").drop()
    assert judge(story.records).anomalies == []


def test_a_room_that_was_left_need_not_be_read_to_its_end() -> None:
    assert _good().tell("ada", "leave").publish(4).found() == set()


def test_presence_is_who_is_there() -> None:
    story = _good().tell("ada", "up", id="a").tell("bob", "up", id="b").join(3, who="bob")
    story.tell("x", "presence", peers=["b", "a"]).tell("bob", "down", room="")
    story.tell("x", "presence", peers=["a"])
    assert "wrong presence" not in story.found()


def _with_bikes(*bikes: str) -> Story:
    story = Story().join(0, who="bob")
    for offset, id_ in enumerate(("bike 1", "bike 2", "remove bike 1"), 1):
        story.invoke(id_).accept(id_, offset)
        story.tell("bob", "recv", id=id_, cursor=_cursor(offset))
    return story.join(3, bikes=list(bikes))


def test_a_snapshot_has_what_there_is() -> None:
    assert _with_bikes("bike 2").found() == set()


BROKEN: dict[str, tuple[str, Callable[[], Story]]] = {
    "made up": ("phantom", lambda: _good().receive(4)),
    "of another room": (
        "phantom",
        lambda: _good().tell("publisher", "pub_invoke", id=_id(4), room="x").receive(4),
    ),
    "refused and delivered": (
        "aborted read",
        lambda: _good().invoke(_id(4)).tell("publisher", "pub_refused", id=_id(4)).receive(4),
    ),
    "new and taken for old": (
        "superseded",
        lambda: _good().invoke(_id(4)).tell("publisher", "pub_superseded", id=_id(4)),
    ),
    "two in one slot": (
        "divergence",
        lambda: _good().invoke("other").accept("other", 3),
    ),
    "a fork that goes on": ("divergence", lambda: _forked().fault("stop").publish(4).receive(4)),
    "a fork for nothing": (
        "divergence",
        lambda: (
            _good()
            .invoke("other")
            .tell("publisher", "pub_ok", id="other", cursor=_cursor(3, proof=99))
            .publish(1, epoch="two")
        ),
    ),
    "two proofs of one slot": (
        "divergence",
        lambda: (
            _good().join(0, who="bob").tell("bob", "recv", id=_id(1), cursor=_cursor(1, proof=9))
        ),
    ),
    "one in two slots": (
        "duplicate append",
        lambda: _good().accept(_id(3), 4).tell("ada", "recv", id=_id(3), cursor=_cursor(4)),
    ),
    "later before earlier": (
        "realtime order",
        lambda: _good().publish(5).publish(4).receive(4, 5),
    ),
    "twice at once": ("duplicate", lambda: _good().receive(3)),
    "twice later": ("duplicate", lambda: _good().publish(4).receive(4, 2)),
    "again after coming back": (
        "duplicate",
        lambda: _good().drop().publish(4).resume(3, 4, 1).receive(3, 4),
    ),
    "swapped": ("nonmonotonic", lambda: _good().publish(4, 5).receive(5, 4)),
    "back in time after a reset": (
        "nonmonotonic",
        lambda: _good().publish(4, 5).receive(4).join(2),
    ),
    "dropped": ("silent gap", lambda: _good().publish(4, 5).receive(5)),
    "dropped of the missed": (
        "silent gap",
        lambda: _good().drop().publish(4, 5).resume(3, 5, 2).receive(5),
    ),
    "fewer missed than there are": (
        "silent gap",
        lambda: _good().drop().publish(4, 5).resume(3, 5, 1).receive(4, 5),
    ),
    "another epoch": (
        "silent epoch change",
        lambda: _good().publish(1, epoch="two").receive(1, epoch="two"),
    ),
    "another epoch, not heard of": (
        "silent epoch change",
        lambda: _good().publish(1, epoch="two"),
    ),
    "recovered into another epoch": (
        "silent epoch change",
        lambda: _good().drop().publish(1, epoch="two").resume(3, 1, 1, "two"),
    ),
    "dropped at the end": ("lost tail", lambda: _good().publish(4)),
    "never delivered again after coming back": (
        "lost tail",
        lambda: _good().drop().publish(4).resume(3, 4, 1),
    ),
    "a snapshot without a bike": ("wrong snapshot", _with_bikes),
    "a snapshot with a bike that is gone": (
        "wrong snapshot",
        lambda: _with_bikes("bike 1", "bike 2"),
    ),
    "a snapshot with a bike that never was": ("phantom", lambda: _with_bikes("bike 2", "bike 3")),
    "delivered after leaving": (
        "unsubscribed delivery",
        lambda: _good().tell("ada", "leave").publish(4).receive(4),
    ),
    "delivered before joining": (
        "unsubscribed delivery",
        lambda: Story().publish(1).receive(1).join(1),
    ),
    "never back": ("client not recovered", lambda: _good().drop()),
    "never in": ("client not recovered", lambda: _good().tell("bob", "join_invoke")),
    "a reset for nothing": ("unexplained reset", lambda: _good().reset().publish(4).receive(4)),
    "a ghost": (
        "wrong presence",
        lambda: _good().tell("ada", "up", id="a").tell("x", "presence", peers=["a", "b"]),
    ),
    "a ghost of a connection before": (
        "wrong presence",
        lambda: (
            _good()
            .tell("ada", "up", id="a")
            .drop()
            .tell("ada", "up", id="b")
            .tell("x", "presence", peers=["a", "b"])
        ),
    ),
    "somebody who is not known to be there": (
        "wrong presence",
        lambda: _good().tell("ada", "up", id="a").tell("x", "presence", peers=[]),
    ),
    "a reset by what may cause none": (
        "unexplained reset",
        lambda: _good().fault("start", may_reset=False).reset().fault("stop").publish(4).receive(4),
    ),
}


@pytest.mark.parametrize(("kind", "broken"), BROKEN.values(), ids=BROKEN)
def test_a_broken_record_is_found(kind: str, broken: Callable[[], Story]) -> None:
    assert kind in broken().found()


def test_there_is_a_broken_record_of_every_kind() -> None:
    assert {kind for kind, _ in BROKEN.values()} == set(KINDS)


def test_every_kind_is_explained() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "prove-that-nothing-is-lost.md").read_text()
    assert [kind for kind in KINDS if kind not in page] == []


def test_recovery_is_counted_until_everybody_has_something_newer() -> None:
    story = _good().join(3, who="bob").fault("start").invoke(_id(4)).fault("stop")
    story.accept(_id(4), 4).receive(4).receive(4, who="bob")
    story.publish(5).receive(5).receive(5, who="bob")
    verdict = story.verdict()

    assert verdict.anomalies == []
    # the fourth was begun before the end of the fault
    assert verdict.recovery_of("redis") == pytest.approx(0.7)


def test_a_fault_that_ends_within_another_one_has_no_recovery_of_its_own() -> None:
    story = _good().fault("start").tell("nemesis", "fault_start", reason="worker")
    story.fault("stop").publish(4).receive(4).tell("nemesis", "fault_stop", reason="worker")
    verdict = story.publish(5).receive(5).verdict()

    assert [verdict.faults[index].name for index in verdict.recovery_seconds] == ["worker"]


def test_attempts_are_counted_by_how_they_ended() -> None:
    story = _good().tell("publisher", "pub_try", reason="ok", seconds=0.2)
    verdict = story.tell("publisher", "pub_try", reason="UNAVAILABLE", seconds=1.1).verdict()

    assert verdict.tries == {"ok": 1, "UNAVAILABLE": 1}
    assert verdict.slowest_try_seconds == 1.1
