from __future__ import annotations

import msgspec

from gateway.broker.feed import Feed
from gateway.broker.redis.following import Following
from gateway.broker.redis.reads import Entry
from gateway.broker.redis.rooms import RedisRooms
from gateway.settings import RoomKind
from protocol.cursor import Cursor
from tests.gateway.rooms.drafts import ROOM, event, publication_of


def entry(offset: int, epoch: str = "epoch") -> Entry:
    """The `offset`-th publication; its proof is its offset."""
    return offset - 1, publication_of(event(offset), offset, epoch)


def following(held_limit: int = 100) -> Following:
    return Following(RedisRooms(lambda _: RoomKind(), "p")[ROOM], held_limit)


def followed_up_to(offset: int, *held: Entry) -> Following:
    """One that holds, and knows where it stands."""
    found = following()
    found.feed = Feed(Cursor("epoch", offset, offset))
    for each in held:
        found.hold(each)
    return found


def offsets(deliveries: list[object]) -> list[object]:
    return [getattr(each, "offset", each) for each in deliveries]


def test_it_holds_from_the_beginning() -> None:
    begun = following()

    assert begun.held == []
    assert begun.idle_place is None


def test_what_is_held_is_released_in_order_without_what_is_old() -> None:
    found = followed_up_to(2, entry(1), entry(2), entry(3), entry(3), entry(4))

    assert offsets([*found.release()]) == [3, 4]
    assert found.held is None
    assert found.idle_place == Cursor("epoch", 4, 4)


def test_behind_a_hole_it_goes_on_holding() -> None:
    found = followed_up_to(2, entry(3), entry(5), entry(6))

    assert offsets([*found.release()]) == [3]
    assert found.held == [entry(5), entry(6)]
    assert found.idle_place is None


def test_another_epoch_and_another_history_are_not_released() -> None:
    other = msgspec.structs.replace(entry(3)[1], proof=77)

    assert followed_up_to(2, entry(3, "other")).release() == []
    assert followed_up_to(2, (76, other)).release() == []


def test_beyond_its_bound_all_that_it_holds_is_one_more_hole() -> None:
    found = following(held_limit=3)

    for offset in range(1, 6):
        found.hold(entry(offset))

    assert found.held == [entry(4), entry(5)]


def test_one_that_is_stopped_twice_keeps_what_it_holds() -> None:
    found = followed_up_to(0, entry(2))

    found.stop()

    assert found.held == [entry(2)]
