"""What every broker guarantees about catching up; see test_contract.py."""

from __future__ import annotations

import asyncio

from protocol.cursor import Cursor
from tests.gateway.broker.backends import SHORT_LENGTH, SHORT_SECONDS
from tests.gateway.broker.worker import Worker
from tests.gateway.rooms.drafts import ROOM, event, removal, update


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
