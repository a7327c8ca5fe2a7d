"""A look into a room by somebody who is not in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.broker.contract import settle_into
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.identity import Grants, Identity, Role
from gateway.reports.looking import HEARD_SHOWN, VALUES_SHOWN, Looking
from gateway.settings import Settings
from protocol.events import Member
from protocol.refusals import Refusal, Refused
from protocol.reports import LookRequest
from tests.gateway.rooms.drafts import ROOM, update

OLGA = Identity("olga", Role.OPERATOR)


@pytest.fixture
async def broker() -> AsyncIterator[MemoryBroker]:
    broker = MemoryBroker(MemoryRooms(Settings().kind_of))
    await broker.start(lambda _: None)
    yield broker
    await broker.stop()


async def publish(broker: MemoryBroker, *keys: str) -> None:
    for key in keys:
        settled = asyncio.get_running_loop().create_future()
        broker.publish(update(key, {"speed": 4}), settle_into(settled))
        await settled


async def test_a_first_look_shows_members_and_some_of_the_last_values(broker: MemoryBroker) -> None:
    await broker.enter(ROOM, Member("p1", "ann"))
    await publish(broker, *(f"b{number}" for number in range(VALUES_SHOWN + 5)))
    look = await Looking(broker).look(OLGA, LookRequest(ROOM))

    assert (look.members, look.member_count) == ([Member("p1", "ann")], 1)
    assert look.value_count == VALUES_SHOWN + 5
    assert look.values is not None
    assert len(look.values) == VALUES_SHOWN
    assert look.heard == []
    assert [each.peer_id for each in await broker.members(ROOM)] == ["p1"], "nobody has joined"


async def test_a_second_look_shows_what_came_since_the_first(broker: MemoryBroker) -> None:
    looking = Looking(broker)
    await publish(broker, "b0")
    first = await looking.look(OLGA, LookRequest(ROOM))
    await publish(broker, *(f"c{number}" for number in range(HEARD_SHOWN + 3)))
    second = await looking.look(OLGA, LookRequest(ROOM, first.cursor))
    third = await looking.look(OLGA, LookRequest(ROOM, second.cursor))

    assert (second.values, len(second.heard), third.heard) == (None, HEARD_SHOWN, [])
    assert second.heard[-1].event == "bike-updated"
    assert second.heard[-1].data == {"vehicle_id": f"c{HEARD_SHOWN + 2}", "speed": 4}


async def test_a_room_that_an_operator_may_not_join_stays_closed(broker: MemoryBroker) -> None:
    narrow = Identity("olga", Role.OPERATOR, Grants(join=("city:lyon",)))
    with pytest.raises(Refused) as caught:
        await Looking(broker).look(narrow, LookRequest(ROOM))

    assert caught.value.refusal is Refusal.FORBIDDEN
