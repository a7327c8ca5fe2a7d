"""An operator removes peers, on whichever worker they are."""

from __future__ import annotations

import pytest

from gateway.broker.memory_sessions import MemoryIntercom
from gateway.removals import Removal, Removals
from protocol.refusals import Goodbye
from tests.gateway.house import House, bodies_of
from tests.gateway.rooms.drafts import ROOM


@pytest.fixture
def removals(houses: list[House]) -> list[Removals]:
    workers: dict[str, MemoryIntercom] = {}
    return [Removals(house.hub, MemoryIntercom(workers)) for house in houses]


async def test_a_peer_is_taken_out_of_one_room_by_another_worker_and_told(
    house: House, removals: list[Removals]
) -> None:
    ann, ben = house.welcome("ann"), house.welcome("ben")
    for peer in (ann, ben):
        await house.join(peer, ROOM)
    await house.join(ann, "other")
    removals[1].order(Removal(peer_id=ann.id, room=ROOM))
    house.publish(1)
    await house.settle()
    assert bodies_of(house, ann, "room-reset") == [{"roomId": ROOM, "reason": "removed"}]
    assert house.peers.told(ann)[-1].event == "room-reset"
    assert [each.event for each in house.peers.told(ben)] == ["chat"]
    assert list(ann.subscriptions) == ["other"]
    assert [each.peer_id for each in await house.broker.members(ROOM)] == [ben.id]
    assert house.peers.goodbyes == {}


async def test_every_socket_of_a_subject_gets_its_goodbye_on_every_worker(
    house: House, elsewhere: House, removals: list[Removals]
) -> None:
    here, there, other = house.welcome("ann"), elsewhere.welcome("ann"), house.welcome("ben")
    removals[0].order(Removal(subject=here.identity.subject))
    assert house.peers.goodbyes == {here: Goodbye.REMOVED}
    assert elsewhere.peers.goodbyes == {there: Goodbye.REMOVED}
    assert other not in house.peers.goodbyes


async def test_one_peer_gets_its_goodbye_and_who_is_not_there_is_no_fault(
    house: House, removals: list[Removals]
) -> None:
    ann = house.welcome("ann")
    removals[1].order(Removal(peer_id="nobody"))
    removals[1].order(Removal(peer_id="nobody", room=ROOM))
    removals[1].order(Removal(peer_id=ann.id, room="not joined"))
    assert (house.peers.goodbyes, house.peers.told(ann)) == ({}, [])
    removals[1].order(Removal(peer_id=ann.id))
    assert house.peers.goodbyes == {ann: Goodbye.REMOVED}
