"""What every broker guarantees; the numbers are those in `gateway/broker/contract.py`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec
import pytest

from gateway.broker.contract import BrokerUnavailable
from gateway.rooms.publication import Op, Outcome, Receipt
from protocol.cursor import Cursor
from protocol.events import Member
from tests.gateway.broker.backends import SHORT_SECONDS
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, event, update
from tests.gateway.rooms.reference import values_after, values_of

MakeWorker: TypeAlias = "Callable[[], Awaitable[Worker]]"

ODD_ROOMS = [
    "r",
    "{room}",
    "a{b}c}{",
    "city:paris:11e",
    "two words",
    "* ? [ab] \\",
    'quo"ted',
    "città/Zürich/東京 🚲",
    "x" * 200,
    "🚲" * 200,
]


class TestOneOrder:
    """Guarantee 1."""

    async def test_every_worker_knows_when_a_publication_was_accepted_and_its_trace(
        self, make_worker: MakeWorker
    ) -> None:
        workers = [await make_worker() for _ in range(2)]
        for worker in workers:
            await worker.broker.follow(ROOM)
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        draft = msgspec.structs.replace(
            update("b1"), accepted_us=1_790_000_000_123_456, trace=trace
        )
        await workers[0].publish(draft)
        for worker in workers:
            (publication,) = await worker.delivered_up_to_now()
            assert publication.accepted_us == draft.accepted_us
            assert publication.trace == trace

    async def test_all_followers_get_all_publications_of_many_publishers_in_one_order(
        self, make_worker: MakeWorker
    ) -> None:
        workers = [await make_worker() for _ in range(3)]
        for worker in workers:
            await worker.broker.follow(ROOM)

        async def publish(worker: Worker, name: str) -> None:
            for count in range(40):
                await worker.publish(event([name, count]))
                await asyncio.sleep(0)

        await asyncio.gather(
            *(publish(worker, f"{i}{j}") for i, worker in enumerate(workers) for j in range(3))
        )
        lists = [await worker.delivered_up_to_now() for worker in workers]
        assert lists[0] == lists[1] == lists[2]
        assert [each.offset for each in lists[0]] == list(range(1, 361))
        assert len({each.epoch for each in lists[0]}) == 1
        told = [json.loads(each.payload) for each in lists[0]]
        for name in {name for name, _ in told}:
            assert [count for who, count in told if who == name] == list(range(40))

    async def test_publications_begun_without_waiting_keep_their_order(
        self, worker: Worker
    ) -> None:
        await worker.broker.follow(ROOM)
        receipts: list[Receipt | BrokerUnavailable] = []
        for count in range(300):
            worker.broker.publish(event(count), receipts.append)
        await eventually(lambda: len(receipts) == 300)
        delivered = await worker.delivered_up_to_now()
        assert [json.loads(each.payload) for each in delivered] == list(range(300))
        assert [r.cursor for r in receipts if isinstance(r, Receipt)] == [
            each.cursor for each in delivered
        ]

    async def test_a_worker_gets_its_own_publications_back_as_the_others_get_them(
        self, worker: Worker, other: Worker
    ) -> None:
        await worker.broker.follow(ROOM)
        await other.broker.follow(ROOM)
        draft = update("b1", {"lat": 1}, author="peer-1")
        receipt = await worker.publish(draft)
        (mine,) = await worker.delivered_up_to_now()
        (theirs, *_) = await other.delivered_up_to_now()
        assert mine == theirs
        assert mine.cursor == receipt.cursor
        assert (mine.room, mine.event, mine.packet) == (ROOM, "bike-updated", draft.packet)
        assert (mine.author, mine.key, mine.op) == ("peer-1", "b1", Op.UPSERT)

    async def test_a_publication_without_author_and_key_has_none_when_it_arrives(
        self, worker: Worker
    ) -> None:
        await worker.broker.follow(ROOM)
        await worker.publish(event("x"))
        (mine,) = await worker.delivered_up_to_now()
        assert (mine.author, mine.key, mine.op) == (None, None, Op.NONE)

    async def test_each_room_counts_for_itself(self, worker: Worker) -> None:
        receipts = [await worker.publish(event(room=room)) for room in ("a", "b", "a", "b", "a")]
        assert [receipt.cursor.offset for receipt in receipts] == [1, 1, 2, 2, 3]

    async def test_publishing_from_settle_is_delivered_after_what_was_settled(
        self, worker: Worker
    ) -> None:
        await worker.broker.follow(ROOM)
        done: list[object] = []

        def publish_second(_receipt: object) -> None:
            worker.broker.publish(event("second"), done.append)

        worker.broker.publish(event("first"), publish_second)
        await eventually(lambda: len(done) == 1)
        delivered = await worker.delivered_up_to_now()
        assert [json.loads(each.payload) for each in delivered] == ["first", "second"]

    @pytest.mark.parametrize("size", [0, 1, 8_192, 32_768])
    async def test_a_payload_of_any_size_arrives_as_it_was(self, worker: Worker, size: int) -> None:
        await worker.broker.follow(ROOM)
        text = ('é\u2028\\"\x00' * size)[:size]
        draft = event(text)
        await worker.publish(draft)
        assert (await worker.delivered_up_to_now())[0].packet == draft.packet
        since = Cursor((await worker.broker.cursor(ROOM)).epoch, 0, 0)
        history = await worker.broker.history(ROOM, since)
        assert history is not None
        assert history.publications[0].packet == draft.packet


class TestBothOrNeither:
    """Guarantee 2."""

    async def test_the_same_key_is_accepted_once_and_answered_alike_on_every_worker(
        self, worker: Worker, other: Worker
    ) -> None:
        await worker.broker.follow(ROOM)
        first = await worker.publish(update("b1", {"n": 1}, idempotency_key="k"))
        await worker.publish(event("between"))
        again = await worker.publish(update("b1", {"n": 1}, idempotency_key="k"))
        elsewhere = await other.publish(update("b1", {"n": 2}, idempotency_key="k"))
        assert first.outcome is Outcome.ACCEPTED
        assert again == elsewhere == Receipt(first.cursor, Outcome.REPEATED)
        assert len(await worker.delivered_up_to_now()) == 2

    async def test_the_same_key_at_the_same_time_is_accepted_once(
        self, worker: Worker, other: Worker
    ) -> None:
        draft = update("b1", {"n": 1}, idempotency_key="k")
        receipts = await asyncio.gather(
            *(each.publish(draft) for each in itertools.islice(itertools.cycle((worker, other)), 8))
        )
        outcomes = sorted(receipt.outcome for receipt in receipts)
        assert outcomes == [Outcome.ACCEPTED] + [Outcome.REPEATED] * 7
        assert len({receipt.cursor for receipt in receipts}) == 1

    async def test_a_key_counts_in_its_room_alone(self, worker: Worker) -> None:
        for room in ("a", "b"):
            receipt = await worker.publish(update("b1", room=room, idempotency_key="k"))
            assert receipt.outcome is Outcome.ACCEPTED

    async def test_a_key_of_a_stale_draft_is_known_as_well(self, worker: Worker) -> None:
        await worker.publish(update("b1", time_ms=2000))
        stale = await worker.publish(update("b1", time_ms=1000, idempotency_key="k"))
        again = await worker.publish(update("b1", time_ms=3000, idempotency_key="k"))
        assert (stale.outcome, again.outcome) == (Outcome.STALE, Outcome.REPEATED)

    async def test_what_is_accepted_is_in_the_history_when_it_is_settled(
        self, worker: Worker, other: Worker
    ) -> None:
        start = await worker.broker.follow(ROOM)
        for count in range(1, 6):
            receipt = await worker.publish(event(count))
            history = await other.broker.history(ROOM, start)
            assert history is not None
            assert history.cursor == receipt.cursor
            assert len(history.publications) == count


class TestFollow:
    """Guarantee 4."""

    async def test_deliveries_go_on_exactly_behind_the_place_that_follow_returned(
        self, worker: Worker, other: Worker
    ) -> None:
        async def publish_forever() -> None:
            for count in itertools.count():
                await worker.publish(event(count))
                await asyncio.sleep(0)

        publishing = asyncio.create_task(publish_forever())
        for _ in range(10):
            del other.deliveries[:]
            cursor = await other.broker.follow(ROOM)
            await eventually(lambda: len(other.delivered()) >= 5)
            offsets = [each.offset for each in other.delivered()]
            expected = range(cursor.offset + 1, cursor.offset + 1 + len(offsets))
            assert offsets == list(expected)
            await other.broker.unfollow(ROOM)
        publishing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await publishing

    async def test_following_twice_delivers_once(self, worker: Worker) -> None:
        first = await worker.broker.follow(ROOM)
        await worker.publish(event(1))
        second = await worker.broker.follow(ROOM)
        await worker.publish(event(2))
        assert (second.epoch, second.offset) == (first.epoch, 1)
        assert [each.offset for each in await worker.delivered_up_to_now()] == [1, 2]

    async def test_an_unfollowed_room_is_not_delivered_and_others_are(
        self, worker: Worker, other: Worker
    ) -> None:
        for room in ("a", "b"):
            await worker.broker.follow(room)
            await other.broker.follow(room)
        await worker.broker.unfollow("a")
        await worker.publish(event(1, room="a"))
        await worker.publish(event(1, room="b"))
        assert len(await other.delivered_up_to_now("a")) == 1
        assert len(await worker.delivered_up_to_now("b")) == 1
        assert worker.delivered("a") == []

    async def test_one_unfollow_ends_what_two_follows_began(
        self, worker: Worker, other: Worker
    ) -> None:
        await worker.broker.follow(ROOM)
        await worker.broker.follow(ROOM)
        await worker.broker.unfollow(ROOM)
        await other.broker.follow(ROOM)
        await other.publish(event(1))
        await other.delivered_up_to_now()
        assert worker.delivered() == []

    async def test_unfollowing_what_was_not_followed_is_no_fault(self, worker: Worker) -> None:
        await worker.broker.unfollow(ROOM)
        await worker.broker.follow(ROOM)
        await worker.broker.unfollow(ROOM)
        await worker.broker.unfollow(ROOM)

    async def test_a_room_that_is_not_followed_is_not_delivered(self, worker: Worker) -> None:
        await worker.broker.follow("a")
        await worker.publish(event(1, room="b"))
        await worker.delivered_up_to_now("a")
        assert worker.delivered("b") == []

    async def test_the_place_of_an_empty_room_holds_until_something_is_published(
        self, worker: Worker, other: Worker
    ) -> None:
        cursor = await worker.broker.follow(ROOM)
        assert cursor.offset == 0
        assert await other.broker.cursor(ROOM) == cursor
        await worker.broker.unfollow(ROOM)
        await asyncio.sleep(SHORT_SECONDS)  # with nobody there, and long enough to tidy up
        receipt = await other.publish(event(1))
        history = await worker.broker.history(ROOM, cursor)
        assert history is not None
        assert [each.cursor for each in history.publications] == [receipt.cursor]


class TestTheRest:
    @pytest.mark.parametrize("room", ODD_ROOMS)
    async def test_a_room_may_have_any_name(self, worker: Worker, other: Worker, room: str) -> None:
        start = await worker.broker.follow(room)
        await other.publish(update("b:{1} 🚲", {"n": 1}, room=room, idempotency_key="k {}"))
        await other.broker.enter(room, Member("peer-1", "ann"))
        delivered = await worker.delivered_up_to_now(room)
        assert [(each.room, each.key) for each in delivered] == [(room, "b:{1} 🚲")]
        history = await other.broker.history(room, start)
        assert history is not None
        assert list(history.publications) == worker.delivered(room)
        assert values_of((await other.broker.snapshot(room)).values) == values_after(delivered)
        assert await worker.broker.members(room) == [Member("peer-1", "ann")]

    async def test_rooms_with_similar_names_are_different_rooms(self, worker: Worker) -> None:
        rooms = ["a", "a ", "A", "{a}", "a:", "a:b", "a{b}", "á", "a\u0301"]
        for room in rooms:
            await worker.broker.follow(room)
        for room in rooms:
            await worker.publish(event(room, room=room))
        for room in rooms:
            (only,) = await worker.delivered_up_to_now(room)
            assert (only.offset, json.loads(only.payload)) == (1, room)

    async def test_it_answers_a_ping(self, worker: Worker) -> None:
        await worker.broker.ping()

    async def test_a_second_stop_does_nothing(self, worker: Worker) -> None:
        await worker.broker.stop()
        await worker.broker.stop()

    async def test_one_worker_that_stops_leaves_the_others_alone(
        self, worker: Worker, other: Worker
    ) -> None:
        await worker.broker.follow(ROOM)
        await other.broker.follow(ROOM)
        await other.broker.stop()
        await worker.publish(event(1))
        assert len(await worker.delivered_up_to_now()) == 1
        assert other.delivered() == []


class TestBeginning:
    """Guarantee 10."""

    async def test_asking_whether_a_room_has_begun_does_not_begin_it(
        self, worker: Worker, other: Worker
    ) -> None:
        assert [await each.broker.has_begun("new") for each in (worker, other)] == [False, False]
        await worker.broker.snapshot("new")
        assert [await each.broker.has_begun("new") for each in (worker, other)] == [True, True]


class TestInTurn:
    """Guarantee 11."""

    async def test_what_names_one_before_it_is_accepted_behind_it_and_not_without(
        self, worker: Worker, other: Worker
    ) -> None:
        await worker.broker.follow(ROOM)
        first = update("b1", {"n": 1}, time_ms=1000, idempotency_key="first")
        second = update("b1", {"n": 2}, time_ms=2000, idempotency_key="second")
        second = msgspec.structs.replace(second, after="first")
        with pytest.raises(BrokerUnavailable):
            await worker.publish(second)
        await worker.publish(msgspec.structs.replace(first, room="elsewhere"))
        with pytest.raises(BrokerUnavailable):
            await worker.publish(second)
        await other.publish(first)
        assert (await worker.publish(second)).outcome is Outcome.ACCEPTED
        again = msgspec.structs.replace(second, after="what nobody knows")
        assert (await worker.publish(again)).outcome is Outcome.REPEATED
        told = [json.loads(each.payload)["n"] for each in await worker.delivered_up_to_now()]
        assert told == [1, 2]

    async def test_what_is_stale_or_a_duplicate_is_followed_as_well(self, worker: Worker) -> None:
        await worker.publish(update("b1", {"n": 1}, time_ms=2000))
        for time_ms, key in ((1000, "stale"), (2000, "duplicate")):
            before = update("b1", {"n": 1}, time_ms=time_ms, idempotency_key=key)
            assert (await worker.publish(before)).outcome.label == key
            behind = msgspec.structs.replace(event("behind"), after=key)
            assert (await worker.publish(behind)).outcome is Outcome.ACCEPTED
