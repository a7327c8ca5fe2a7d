import json

import pytest

from loadtest.rider import SENT, SENT_BASE
from loadtest.scenarios import PAYLOADS


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_payload_is_a_bike_update_that_says_its_room_and_when_it_left(name: str) -> None:
    make = PAYLOADS[name](50)
    for number in range(300):
        body = make("city:paris", number, SENT_BASE + number)
        event, argument = json.loads(body)
        assert (event, argument["roomId"]) == ("bike-update", "city:paris")
        assert body.count(SENT) == 1


@pytest.mark.parametrize(
    ("name", "smallest", "largest"),
    [("bikes", 150, 230), ("stations", 237, 420), ("items", 1000, 8192)],
)
def test_sizes_are_those_of_real_feeds(name: str, smallest: int, largest: int) -> None:
    make = PAYLOADS[name](1000)
    sizes = [len(make("city:paris", number, SENT_BASE)) for number in range(1000)]
    assert smallest <= min(sizes)
    assert max(sizes) <= largest


def test_the_dirty_feed_repeats_about_half_and_goes_back_in_time_now_and_then() -> None:
    make = PAYLOADS["dirty"](10)
    newest: dict[str, int] = {}
    seen: set[bytes] = set()
    repeats = backwards = 0
    for number in range(5000):
        body = make("city:paris", number, SENT_BASE + number)
        bike = json.loads(body)[1]
        repeats += body in seen
        backwards += bike["timestamp"] < newest.get(bike["vehicle_id"], 0)
        seen.add(body)
        newest[bike["vehicle_id"]] = max(bike["timestamp"], newest.get(bike["vehicle_id"], 0))
    assert 0.40 < repeats / 5000 < 0.50
    assert 0 < backwards / 5000 < 0.05
