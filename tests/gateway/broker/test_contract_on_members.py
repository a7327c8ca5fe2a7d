"""What every broker guarantees about who is in a room; see test_contract.py."""

from __future__ import annotations

import asyncio

from protocol.events import Member
from tests.gateway.broker.worker import Worker
from tests.gateway.rooms.drafts import ROOM


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
