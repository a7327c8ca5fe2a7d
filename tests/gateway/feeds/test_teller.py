import asyncio

import aiohttp
import pytest

from gateway.feeds.gbfs import Entity
from gateway.feeds.picture import View
from gateway.feeds.publisher import Publisher
from gateway.feeds.teller import Teller
from tests.gateway.feeds.recording_gateway import RecordingGateway, error_response


def view(*keys: str, held: str = "", **fields: object) -> View:
    seen = {key: Entity(key, {"bike_id": key, **fields}) for key in keys}
    return View(seen, frozenset(held))


@pytest.fixture
def teller(gateway: RecordingGateway, session: aiohttp.ClientSession) -> Teller:
    return Teller(Publisher(session, gateway.url, "r"))


async def test_a_fleet_is_told_once(gateway: RecordingGateway, teller: Teller) -> None:
    assert await teller.tell(view("a", "b")) == 2
    assert await teller.tell(view("a", "b")) == 0
    assert gateway.bikes.keys() == {"a", "b"}
    assert len(gateway.requests) == 1


async def test_who_leaves_is_removed_and_who_is_held_is_not(
    gateway: RecordingGateway, teller: Teller
) -> None:
    await teller.tell(view("a", "b", "c"))
    await teller.tell(view("a", held="b"))

    assert gateway.removed == ["c"]
    assert gateway.bikes.keys() == {"a", "b"}
    assert teller.tally.removed == 1
    assert teller.shown == 2


async def test_what_could_not_be_told_is_told_next_time(
    gateway: RecordingGateway, teller: Teller
) -> None:
    gateway.answers.append(error_response(403, "FORBIDDEN"))

    assert await teller.tell(view("a")) == 0
    assert teller.tally.trouble is not None
    assert await teller.tell(view("a")) == 1
    assert teller.tally.trouble is None
    assert gateway.bikes.keys() == {"a"}


async def test_an_update_that_is_refused_is_not_sent_again_until_it_changes(
    gateway: RecordingGateway, teller: Teller
) -> None:
    gateway.refused = {"a": "MALFORMED"}
    await teller.tell(view("a", "b"))
    await teller.tell(view("a", "b"))
    assert len(gateway.updates) == 2

    await teller.tell(view("a", "b", lat=1.0, lon=1.0))
    assert len(gateway.updates) == 4


async def test_a_room_that_turns_out_to_have_forgotten_is_told_everything(
    gateway: RecordingGateway, teller: Teller
) -> None:
    await teller.tell(view("a", "b", "c"))
    gateway.forget()
    now = View({**view("b", "c").seen, **view("a", is_reserved=True).seen}, frozenset())

    await teller.tell(now)

    assert gateway.bikes.keys() == {"a", "b", "c"}
    assert await teller.tell(now) == 0


async def test_another_fleet_of_the_room_learns_of_it_at_its_next_turn(
    gateway: RecordingGateway, session: aiohttp.ClientSession
) -> None:
    publisher = Publisher(session, gateway.url, "r")
    bikes, stations = Teller(publisher), Teller(publisher)
    await bikes.tell(view("a"))
    await stations.tell(view("s"))
    gateway.forget()

    await bikes.tell(view("a", "b"))
    await stations.tell(view("s"))

    assert gateway.bikes.keys() == {"a", "b", "s"}


async def test_two_feeds_of_one_fleet_do_not_tell_it_twice(
    gateway: RecordingGateway, teller: Teller
) -> None:
    await asyncio.gather(teller.tell(view("a", "b")), teller.tell(view("a", "b")))

    assert len(gateway.updates) == 2
