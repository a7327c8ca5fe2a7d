"""What every broker guarantees; the numbers are those in `gateway/broker/contract.py`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from gateway.broker.contract import BrokerUnavailable
from gateway.rooms.publication import Op, Outcome, Receipt
from protocol.cursor import Cursor
from protocol.events import Member
from tests.gateway.broker.backends import FEW_VALUES, SHORT_LENGTH, SHORT_SECONDS
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, event, removal, update
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


class TestNewerWins:
    """Guarantee 3."""

    async def test_older_is_stale_same_is_duplicate_and_nobody_is_told(
        self, worker: Worker, other: Worker
    ) -> None:
        await worker.broker.follow(ROOM)
        accepted = await worker.publish(update("b1", {"n": 2}, time_ms=2000))
        stale = await other.publish(update("b1", {"n": 1}, time_ms=1000))
        duplicate = await other.publish(update("b1", {"n": 2}, time_ms=2000))
        assert stale == Receipt(accepted.cursor, Outcome.STALE)
        assert duplicate == Receipt(accepted.cursor, Outcome.DUPLICATE)
        assert len(await worker.delivered_up_to_now()) == 1
        assert values_of((await worker.broker.snapshot(ROOM)).values) == [
            {"vehicle_id": "b1", "n": 2}
        ]

    async def test_the_same_time_with_other_content_is_news(self, worker: Worker) -> None:
        outcomes = [
            (await worker.publish(update("b1", {"n": n}, time_ms=2000))).outcome for n in (1, 2, 1)
        ]
        assert outcomes == [Outcome.ACCEPTED] * 3

    async def test_an_update_without_own_time_is_always_news(self, worker: Worker) -> None:
        far = 4_000_000_000_000
        await worker.publish(update("b1", {"n": 1}, time_ms=far))
        same = [await worker.publish(update("b1", {"n": 2})) for _ in range(2)]
        assert [receipt.outcome for receipt in same] == [Outcome.ACCEPTED] * 2
        late = await worker.publish(update("b1", {"n": 3}, time_ms=far - 1))
        assert late.outcome is Outcome.STALE

    @pytest.mark.parametrize("time_ms", [0, -1, 1, 2**52])
    async def test_the_first_of_a_bike_is_news_whenever_it_was_seen(
        self, worker: Worker, time_ms: int
    ) -> None:
        receipts = await worker.publish_all([update("b1", {"n": 1}, time_ms=time_ms)] * 2)
        assert [r.outcome for r in receipts] == [Outcome.ACCEPTED, Outcome.DUPLICATE]

    async def test_times_are_compared_to_the_millisecond(self, worker: Worker) -> None:
        base = 1_790_000_000_000
        await worker.publish(update("b1", {"n": 1}, time_ms=base))
        assert (await worker.publish(update("b1", time_ms=base - 1))).outcome is Outcome.STALE
        assert (await worker.publish(update("b1", time_ms=base + 1))).outcome is Outcome.ACCEPTED

    async def test_each_bike_has_a_time_of_its_own(self, worker: Worker) -> None:
        await worker.publish(update("b1", time_ms=2000))
        assert (await worker.publish(update("b2", time_ms=1000))).outcome is Outcome.ACCEPTED

    async def test_events_about_nobody_are_never_compared(self, worker: Worker) -> None:
        receipts = await worker.publish_all([event("same")] * 3)
        assert [receipt.outcome for receipt in receipts] == [Outcome.ACCEPTED] * 3

    async def test_a_room_without_snapshot_passes_everything_on(self, worker: Worker) -> None:
        room = "plain:1"
        await worker.broker.follow(room)
        drafts = [update("b1", room=room, time_ms=time_ms) for time_ms in (2000, 1000, 1000)]
        receipts = await worker.publish_all([*drafts, removal("b1", room=room, time_ms=500)])
        assert [receipt.outcome for receipt in receipts] == [Outcome.ACCEPTED] * 4
        assert len(await worker.delivered_up_to_now(room)) == 4
        assert (await worker.broker.snapshot(room)).values == b"[]"


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


class TestHistory:
    """Guarantee 5."""

    async def test_from_every_place_it_is_complete_up_to_the_present(
        self, worker: Worker, other: Worker
    ) -> None:
        start = await worker.broker.follow(ROOM)
        await worker.publish_all([event(1), update("b1"), removal("b1"), event(2), update("b1")])
        delivered = await worker.delivered_up_to_now()
        everything = worker.delivered()
        assert everything[:-1] == delivered
        for index, since in enumerate([start, *(each.cursor for each in everything)]):
            history = await other.broker.history(ROOM, since)
            assert history is not None
            assert list(history.publications) == everything[index:]
            assert history.cursor == everything[-1].cursor

    async def test_from_the_present_it_is_empty_and_not_unknown(self, worker: Worker) -> None:
        await worker.publish(event(1))
        cursor = await worker.broker.cursor(ROOM)
        history = await worker.broker.history(ROOM, cursor)
        assert history is not None
        assert (history.cursor, list(history.publications)) == (cursor, [])

    async def test_beyond_its_length_it_is_unknown_and_up_to_it_complete(
        self, worker: Worker
    ) -> None:
        room = "short:1"
        start = await worker.broker.cursor(room)
        receipts = await worker.publish_all(
            event(count, room=room) for count in range(SHORT_LENGTH + 2)
        )
        places = [start, *(receipt.cursor for receipt in receipts)]
        for index, since in enumerate(places):
            history = await worker.broker.history(room, since)
            behind = len(places) - 1 - index
            if behind > SHORT_LENGTH:
                assert history is None
            else:
                assert history is not None
                assert [each.cursor for each in history.publications] == places[index + 1 :]

    async def test_beyond_its_seconds_it_is_unknown_but_not_from_the_present(
        self, worker: Worker
    ) -> None:
        room = "brief:1"
        start = await worker.broker.follow(room)
        first = await worker.publish(event(1, room=room))
        assert await worker.broker.history(room, start) is not None
        await asyncio.sleep(SHORT_SECONDS * 1.3)
        assert await worker.broker.history(room, start) is None
        second = await worker.publish(event(2, room=room))
        history = await worker.broker.history(room, first.cursor)
        assert history is not None
        assert [each.cursor for each in history.publications] == [second.cursor]
        assert await worker.broker.history(room, start) is None

    async def test_a_place_that_never_was_is_unknown(self, worker: Worker) -> None:
        receipts = await worker.publish_all(event(count) for count in range(3))
        epoch, offset, proof = (
            getattr(receipts[1].cursor, name) for name in Cursor.__struct_fields__
        )
        for forged in [
            Cursor(epoch, offset, proof ^ 1),
            Cursor(epoch, offset, 0),
            Cursor(epoch, offset, receipts[2].cursor.proof),
            Cursor(epoch, 3, proof),
            Cursor(epoch, 0, 1),
            Cursor(f"{epoch[:-1]}-" if epoch[-1] != "-" else "x", offset, proof),
            Cursor("", offset, proof),
            Cursor(epoch, 4, receipts[2].cursor.proof),
            Cursor(epoch, 10**15, proof),
            Cursor(epoch, -1, proof),
            Cursor(epoch, -(10**15), 0),
        ]:
            assert await worker.broker.history(ROOM, forged) is None, forged

    async def test_a_forged_place_just_before_a_trimmed_history_is_unknown(
        self, worker: Worker
    ) -> None:
        room = "short:1"
        receipts = await worker.publish_all(event(n, room=room) for n in range(SHORT_LENGTH + 3))
        edge = receipts[2].cursor
        assert await worker.broker.history(room, edge) is not None
        forged = Cursor(edge.epoch, edge.offset, edge.proof ^ 1)
        assert await worker.broker.history(room, forged) is None

    async def test_a_place_in_another_room_is_unknown_here(self, worker: Worker) -> None:
        here, there = [await worker.publish(event(1, room=room)) for room in ("a", "b")]
        assert here.cursor.epoch != there.cursor.epoch
        assert await worker.broker.history("a", there.cursor) is None

    async def test_a_place_in_a_room_that_has_nothing_yet_is_unknown(self, worker: Worker) -> None:
        assert await worker.broker.history(ROOM, Cursor("epoch", 3, 3)) is None
        assert await worker.broker.history(ROOM, Cursor("epoch", 0, 0)) is None

    async def test_a_cursor_stands_its_way_over_the_wire(self, worker: Worker) -> None:
        receipts = await worker.publish_all(event(count) for count in range(3))
        since = Cursor.parse(str(receipts[0].cursor))
        history = await worker.broker.history(ROOM, since)
        assert history is not None
        assert [each.cursor for each in history.publications] == [r.cursor for r in receipts[1:]]


class TestSnapshot:
    """Guarantee 6."""

    async def test_it_is_the_state_exactly_at_its_cursor_while_others_publish(
        self, worker: Worker, other: Worker
    ) -> None:
        await worker.broker.follow(ROOM)

        async def publish(key: str) -> None:
            for count in range(60):
                fields: dict[str, object] = {
                    "n": count,
                    f"f{count % 5}": count if count % 3 else None,
                }
                await other.publish(removal(key) if count % 13 == 12 else update(key, fields))
                await asyncio.sleep(0)

        publishing = asyncio.gather(*(publish(f"b{index}") for index in range(4)))
        snapshots = []
        while not publishing.done():
            snapshots.append(await worker.broker.snapshot(ROOM))
            await asyncio.sleep(0)
        await publishing
        snapshots.append(await worker.broker.snapshot(ROOM))
        delivered = await worker.delivered_up_to_now()
        assert len({snapshot.cursor for snapshot in snapshots}) > 10
        for snapshot in snapshots:
            until = delivered[: snapshot.cursor.offset]
            assert values_of(snapshot.values) == values_after(until)
            history = await worker.broker.history(ROOM, snapshot.cursor)
            assert history is not None
            assert list(history.publications)[:-1] == delivered[snapshot.cursor.offset :]

    async def test_numbers_and_texts_are_in_it_letter_for_letter(self, worker: Worker) -> None:
        members = [
            b'"a":1.10',
            b'"b":12345678901234567890123',
            b'"c":1E2',
            b'"d":-0.0',
            b'"e":"\\u00e9\\/ \xc3\xa9"',
            b'"f":{"deep":[1.0,2.50,null]}',
            b'"g":true',
            b'"h":4.9406564584124654e-324',
        ]
        await worker.publish(update("b1", b"{" + b",".join(members[:4]) + b',"g":null,"z":1}'))
        await worker.publish(update("b1", b'{"c": null, "z" : null}'))
        await worker.publish(update("b1", b" { " + b" , ".join(members[2:]) + b" } "))
        values = (await worker.broker.snapshot(ROOM)).values
        for member in members:
            assert member in values
        assert json.loads(values)[0].keys() == set("abcdefgh")

    async def test_null_clears_a_field_also_in_the_first_update(self, worker: Worker) -> None:
        await worker.publish(update("b1", b'{"a":null,"b":1,"c":{"d":null}}'))
        values = (await worker.broker.snapshot(ROOM)).values
        assert json.loads(values) == [{"b": 1, "c": {"d": None}}]

    async def test_an_escaped_name_is_the_name(self, worker: Worker) -> None:
        await worker.publish(update("b1", b'{"caf\\u00e9":1}'))
        await worker.publish(update("b1", '{"café":2}'.encode()))
        values = (await worker.broker.snapshot(ROOM)).values
        assert json.loads(values, object_pairs_hook=list) == [[("café", 2)]]

    async def test_many_patches_are_one_object(self, worker: Worker) -> None:
        await worker.publish_all(update("b1", {f"f{count}": count}) for count in range(40))
        (value,) = values_of((await worker.broker.snapshot(ROOM)).values)
        assert value == {"vehicle_id": "b1", **{f"f{count}": count for count in range(40)}}

    async def test_of_an_empty_room_it_is_an_empty_array_at_its_cursor(
        self, worker: Worker
    ) -> None:
        snapshot = await worker.broker.snapshot(ROOM)
        assert snapshot.values == b"[]"
        assert snapshot.cursor == await worker.broker.cursor(ROOM)

    async def test_events_about_nobody_leave_no_value(self, worker: Worker) -> None:
        receipt = await worker.publish(event("x"))
        snapshot = await worker.broker.snapshot(ROOM)
        assert (snapshot.cursor, snapshot.values) == (receipt.cursor, b"[]")

    async def test_beyond_the_limit_the_bike_longest_unheard_of_goes_and_it_is_told(
        self, worker: Worker
    ) -> None:
        room = "few:1"
        await worker.broker.follow(room)
        for key in ["b0", "b1", "b2", "b0", "b3"]:
            await worker.publish(update(key, {"n": 1}, room=room))
        delivered = await worker.delivered_up_to_now(room)
        gone = delivered[-1]
        assert (gone.event, gone.key, gone.op) == ("bike-removed", "b1", Op.REMOVE)
        assert json.loads(gone.payload) == {"roomId": room, "reason": "evicted", "bikeId": "b1"}
        snapshot = await worker.broker.snapshot(room)
        assert len(values_of(snapshot.values)) == FEW_VALUES
        assert values_of(snapshot.values) == values_after(delivered)

    async def test_the_receipt_of_an_update_that_evicts_is_the_place_of_the_update(
        self, worker: Worker
    ) -> None:
        room = "few:1"
        await worker.broker.follow(room)
        receipts = await worker.publish_all(update(f"b{n}", room=room) for n in range(5))
        delivered = await worker.delivered_up_to_now(room)
        updates = [each.cursor for each in delivered if each.op is Op.UPSERT]
        assert [receipt.cursor for receipt in receipts] == updates

    @pytest.mark.parametrize(
        ("key", "named"), [("b1", {"bikeId": "b1"}), ("station/7", {"stationId": "7"})]
    )
    async def test_a_bike_that_is_not_heard_of_for_too_long_is_removed_and_it_is_told(
        self, worker: Worker, key: str, named: dict[str, str]
    ) -> None:
        room = "expiring:1"
        await worker.broker.follow(room)
        await worker.publish(update(key, {"n": 1}, room=room))
        assert len(values_of((await worker.broker.snapshot(room)).values)) == 1
        await eventually(lambda: len(worker.delivered(room)) > 1)
        gone = worker.delivered(room)[1]
        assert (gone.event, gone.key, gone.op) == ("bike-removed", key, Op.REMOVE)
        assert json.loads(gone.payload) == {"roomId": room, "reason": "expired", **named}
        assert (await worker.broker.snapshot(room)).values == b"[]"

    async def test_a_bike_that_is_heard_of_again_and_again_stays(self, worker: Worker) -> None:
        room = "expiring:1"
        await worker.broker.follow(room)
        for count in range(8):
            await worker.publish(update("b1", {"n": count}, room=room))
            await asyncio.sleep(SHORT_SECONDS / 4)
        assert all(each.op is Op.UPSERT for each in worker.delivered(room))


class TestRemoval:
    """Guarantee 7."""

    async def test_an_observation_not_newer_than_the_removal_does_not_bring_the_bike_back(
        self, worker: Worker, other: Worker
    ) -> None:
        await worker.broker.follow(ROOM)
        await worker.publish(update("b1", {"n": 1}, time_ms=1000))
        gone = await worker.publish(removal("b1", time_ms=2000))
        late = await other.publish(update("b1", {"n": 2}, time_ms=1999))
        same = await other.publish(update("b1", {"n": 2}, time_ms=2000))
        assert late == same == Receipt(gone.cursor, Outcome.STALE)
        assert (await worker.broker.snapshot(ROOM)).values == b"[]"
        back = await other.publish(update("b1", {"n": 3}, time_ms=2001))
        assert back.outcome is Outcome.ACCEPTED
        told = [each.op for each in await worker.delivered_up_to_now()]
        assert told == [Op.UPSERT, Op.REMOVE, Op.UPSERT]

    async def test_a_bike_that_is_back_has_nothing_left_of_before(self, worker: Worker) -> None:
        await worker.publish(update("b1", {"old": 1}, time_ms=1000))
        await worker.publish(removal("b1", time_ms=2000))
        await worker.publish(update("b1", {"new": 1}, time_ms=3000))
        values = values_of((await worker.broker.snapshot(ROOM)).values)
        assert values == [{"vehicle_id": "b1", "new": 1}]

    async def test_a_removal_older_than_the_last_update_is_stale(self, worker: Worker) -> None:
        await worker.publish(update("b1", time_ms=2000))
        assert (await worker.publish(removal("b1", time_ms=1999))).outcome is Outcome.STALE
        assert (await worker.publish(removal("b1", time_ms=2000))).outcome is Outcome.ACCEPTED

    async def test_a_removal_is_told_once_but_a_newer_one_counts(self, worker: Worker) -> None:
        await worker.broker.follow(ROOM)
        receipts = await worker.publish_all(
            [removal("b1", time_ms=2000), removal("b1", time_ms=2000), removal("b1", time_ms=3000)]
        )
        outcomes = [receipt.outcome for receipt in receipts]
        assert outcomes == [Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.DUPLICATE]
        between = await worker.publish(update("b1", time_ms=2500))
        assert between.outcome is Outcome.STALE
        assert len(await worker.delivered_up_to_now()) == 1

    async def test_a_removal_without_own_time_is_as_new_as_anything(self, worker: Worker) -> None:
        far = 4_000_000_000_000
        await worker.publish(update("b1", time_ms=far))
        assert (await worker.publish(removal("b1"))).outcome is Outcome.ACCEPTED
        assert (await worker.publish(update("b1", time_ms=far))).outcome is Outcome.STALE

    async def test_the_removal_of_an_unknown_bike_is_told(self, worker: Worker) -> None:
        await worker.broker.follow(ROOM)
        await worker.publish(removal("b1", author="peer-1"))
        (gone,) = await worker.delivered_up_to_now()
        assert (gone.event, gone.key, gone.op) == ("bike-removed", "b1", Op.REMOVE)
        assert gone.author == "peer-1"

    async def test_the_removal_is_forgotten_after_its_time(self, worker: Worker) -> None:
        room = "forgetful:1"
        await worker.publish(removal("b1", room=room, time_ms=2000))
        early = await worker.publish(update("b1", room=room, time_ms=1000))
        assert early.outcome is Outcome.STALE
        await asyncio.sleep(SHORT_SECONDS * 1.5)
        late = await worker.publish(update("b1", {"n": 2}, room=room, time_ms=1000))
        assert late.outcome is Outcome.ACCEPTED

    async def test_an_evicted_bike_is_not_brought_back_by_its_past(self, worker: Worker) -> None:
        room = "few:1"
        drafts = [update(f"b{n}", room=room, time_ms=1000 + n) for n in range(FEW_VALUES + 1)]
        await worker.publish_all(drafts)
        assert (await worker.publish(drafts[0])).outcome is Outcome.STALE
        newer = await worker.publish(update("b0", room=room, time_ms=5000))
        assert newer.outcome is Outcome.ACCEPTED


class TestMembers:
    """Guarantee 9."""

    async def test_they_are_counted_over_all_workers_in_the_order_in_which_they_came(
        self, worker: Worker, other: Worker
    ) -> None:
        members = [Member(f"peer-{name}", "someone") for name in ("c", "a", "b")]
        for member, at in zip(members, (worker, other, worker), strict=True):
            assert await at.broker.enter(ROOM, member) is True
        for at in (worker, other):
            assert await at.broker.members(ROOM) == members

    async def test_entering_twice_is_no_fault_and_counts_once(self, worker: Worker) -> None:
        first, second = Member("peer-1", "ann"), Member("peer-2", "ben")
        assert await worker.broker.enter(ROOM, first) is True
        assert await worker.broker.enter(ROOM, second) is True
        assert await worker.broker.enter(ROOM, first) is False
        assert await worker.broker.members(ROOM) == [first, second]

    async def test_leaving_is_told_once_and_leaving_unentered_is_no_fault(
        self, worker: Worker
    ) -> None:
        assert await worker.broker.leave(ROOM, "peer-1") is False
        await worker.broker.enter(ROOM, Member("peer-1", "ann"))
        assert await worker.broker.leave(ROOM, "peer-1") is True
        assert await worker.broker.leave(ROOM, "peer-1") is False
        assert await worker.broker.members(ROOM) == []

    async def test_who_comes_back_comes_last(self, worker: Worker) -> None:
        first, second = Member("peer-1", "ann"), Member("peer-2", "ben")
        for member in (first, second):
            await worker.broker.enter(ROOM, member)
        await worker.broker.leave(ROOM, "peer-1")
        assert await worker.broker.enter(ROOM, first) is True
        assert await worker.broker.members(ROOM) == [second, first]

    async def test_each_room_has_members_of_its_own(self, worker: Worker) -> None:
        member = Member("peer-1", "ann")
        await worker.broker.enter("a", member)
        assert await worker.broker.members("b") == []
        assert await worker.broker.leave("b", "peer-1") is False
        assert await worker.broker.members("a") == [member]

    async def test_names_of_any_kind_are_kept(self, worker: Worker) -> None:
        member = Member("peer:{1} 🚲", "josé\n\"{x}:* '")
        await worker.broker.enter(ROOM, member)
        assert await worker.broker.members(ROOM) == [member]

    async def test_coming_and_going_at_once_is_told_to_one_each(
        self, worker: Worker, other: Worker
    ) -> None:
        member = Member("peer-1", "ann")
        entered = await asyncio.gather(
            *(each.broker.enter(ROOM, member) for each in (worker, other) * 4)
        )
        left = await asyncio.gather(
            *(each.broker.leave(ROOM, "peer-1") for each in (worker, other) * 4)
        )
        assert (sum(entered), sum(left)) == (1, 1)


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
