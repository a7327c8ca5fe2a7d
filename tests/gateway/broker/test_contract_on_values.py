"""What every broker guarantees about the last value of each bike; see test_contract.py."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.rooms.publication import Op, Outcome, Receipt
from tests.gateway.broker.backends import FEW_VALUES, SHORT_SECONDS
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, event, removal, update
from tests.gateway.rooms.reference import values_after, values_of


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

    async def test_names_that_together_look_like_another_one_are_not_taken_for_it(
        self, worker: Worker
    ) -> None:
        for separator in ("\x1f", ",", ":", "\x00", "1:"):
            await worker.publish(removal("b1"))
            await worker.publish(update("b1", {"x": 1, "y": 2}))
            await worker.publish(update("b1", {f"x{separator}y": 3}))
            (value,) = values_of((await worker.broker.snapshot(ROOM)).values)
            assert value == {"vehicle_id": "b1", "x": 1, "y": 2, f"x{separator}y": 3}

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
