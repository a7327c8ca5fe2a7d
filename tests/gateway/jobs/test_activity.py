"""What webhooks are told of rooms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from gateway.broker.contract import BrokerUnavailable
from gateway.jobs.activity import RoomsTeller
from gateway.jobs.runner import now_ms
from gateway.settings.webhooks import Webhook
from gateway.users.database import Database
from gateway.users.sql_jobs import SqlJobStore
from gateway.users.sql_occupancy import SqlOccupancyStore
from gateway.users.store import StoreUnavailable
from protocol.events import Member

SHOP = Webhook(name="shop", url="https://shop.example")
ADA = Member("peer-1", "ada")


class Rooms:
    """Who is where, as one worker and its broker see it."""

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.elsewhere: dict[str, list[Member]] = {}
        self.is_away = False

    async def members(self, room: str) -> Sequence[Member]:
        if self.is_away:
            raise BrokerUnavailable
        return self.elsewhere.get(room, [])

    def teller(self, database: Database, *webhooks: Webhook) -> RoomsTeller:
        store = SqlOccupancyStore(database)
        return RoomsTeller(webhooks or (SHOP,), store, self.here.__contains__, self.members)


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


async def told(store: SqlJobStore, lane: str = "webhook shop") -> list[list[dict[str, Any]]]:
    """The events of each message that is owed to it, and not claimed yet."""
    jobs = await store.claim("me", now_ms() + 1000, 2**50, 1_000)
    messages = [
        msgspec.json.decode(msgspec.json.decode(j.body)["message"]) for j in jobs if j.lane == lane
    ]
    assert {message["type"] for message in messages} <= {"room.activity"}
    return [message["data"]["events"] for message in messages]


async def names(store: SqlJobStore) -> list[tuple[str, str]]:
    """Sorted: messages that are owed at once may overtake one another."""
    messages = await told(store)
    return sorted((each["type"], each["roomId"]) for events in messages for each in events)


async def test_a_room_is_occupied_and_vacated_around_its_peers(
    rooms: Rooms, database: Database, store: SqlJobStore
) -> None:
    teller = rooms.teller(database)
    rooms.here.add("paris")
    teller.note("peer.joined", "paris", ADA)
    await teller.flush()
    (joined,), (occupied,) = sorted(await told(store), key=lambda events: events[0]["type"])
    rooms.here.clear()
    teller.note("peer.left", "paris", ADA)
    await teller.flush()

    assert (occupied["type"], joined["type"]) == ("room.occupied", "peer.joined")
    assert (joined["peerId"], joined["subject"]) == ("peer-1", "ada")
    assert "peerId" not in occupied
    assert await names(store) == [("peer.left", "paris"), ("room.vacated", "paris")]
    await teller.flush()
    assert await told(store) == []


async def test_a_room_is_not_vacated_while_anybody_is_in_it_anywhere(
    rooms: Rooms, database: Database, store: SqlJobStore
) -> None:
    here, there = rooms.teller(database), rooms.teller(database)
    rooms.elsewhere["paris"] = [ADA]
    for teller in (here, there):
        teller.note("peer.joined", "paris", ADA)
        await teller.flush()
    here.note("peer.left", "paris", ADA)
    await here.flush()
    assert Counter(await names(store)) == {
        ("room.occupied", "paris"): 1,
        ("peer.joined", "paris"): 2,
        ("peer.left", "paris"): 1,
    }


async def test_who_comes_while_a_room_is_told_of_as_vacated_is_not_missed(
    rooms: Rooms, database: Database, store: SqlJobStore
) -> None:
    teller, elsewhere = rooms.teller(database), rooms.teller(database)
    rooms.here.add("paris")
    teller.note("peer.joined", "paris", ADA)
    await teller.flush()
    rooms.here.clear()
    teller.note("peer.left", "paris", ADA)
    await told(store)

    await teller.flush()  # finds nobody, and says so
    assert await names(store) == [("peer.left", "paris"), ("room.vacated", "paris")]
    rooms.elsewhere["paris"] = [ADA]  # who came to another worker just before that was kept
    await teller.flush()

    assert await names(store) == [("room.occupied", "paris")]
    elsewhere.note("peer.joined", "paris", ADA)
    await elsewhere.flush()
    assert await names(store) == [("peer.joined", "paris")]


async def test_a_room_whose_workers_died_is_vacated_by_another_one(
    rooms: Rooms, database: Database, store: SqlJobStore
) -> None:
    await SqlOccupancyStore(database).settle({"paris"}, (), lambda _b, _e: [], now_ms() - 120_000)

    await rooms.teller(database).flush()

    assert await names(store) == [("room.vacated", "paris")]


async def test_a_crowd_is_told_of_in_few_messages_and_the_rest_is_counted(
    rooms: Rooms, database: Database, store: SqlJobStore
) -> None:
    teller = rooms.teller(database)
    rooms.here.add("paris")
    for number in range(20_100):
        teller.note("peer.joined", "paris", Member(f"peer-{number}", "ada"))
    await teller.flush()

    messages = await told(store)
    assert len(messages) == 41
    assert sum(map(len, messages)) == 20_001
    assert teller.dropped == 100
    teller.note("peer.left", "paris", ADA)
    await teller.flush()
    assert await names(store) == [("peer.left", "paris")]


async def test_each_webhook_hears_what_it_wants(
    rooms: Rooms, database: Database, store: SqlJobStore
) -> None:
    rooms_alone = Webhook(name="rooms", url="https://r.example", events=("room.*",))
    paris_alone = Webhook(name="paris", url="https://p.example", rooms=("paris",))
    deaf = Webhook(name="deaf", url="https://d.example", events=("user.*",))
    teller = rooms.teller(database, rooms_alone, paris_alone, deaf)
    rooms.here |= {"paris", "lyon"}
    for room in ("paris", "lyon"):
        teller.note("peer.joined", room, ADA)
    await teller.flush()

    jobs = await store.claim("me", now_ms() + 1000, 2**50, 10)
    by_lane = {job.lane: job.body for job in jobs}
    assert set(by_lane) == {"webhook rooms", "webhook paris"}
    assert "peer.joined" not in by_lane["webhook rooms"]
    assert "lyon" not in by_lane["webhook paris"]


async def test_what_cannot_be_owed_or_known_now_is_told_later(
    rooms: Rooms, database: Database, store: SqlJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    teller = rooms.teller(database)
    rooms.is_away = True
    teller.note("peer.left", "paris", ADA)
    with monkeypatch.context() as away:
        away.setattr(database, "_trouble", "it is away")
        with pytest.raises(StoreUnavailable):
            await teller.flush()
    await teller.flush()
    assert await names(store) == [("peer.left", "paris")]

    rooms.is_away = False
    rooms.elsewhere["paris"] = [ADA]
    await teller.flush()
    assert await names(store) == [("room.occupied", "paris")]
