import pytest

from loadtest.courses.stalled import Picture
from loadtest.scenarios import BENCH, TABLE, Scenario
from loadtest.swarm import COURSES
from loadtest.watchers import _VERDICTS, Watch


@pytest.mark.parametrize("scenario", TABLE.values(), ids=TABLE)
def test_every_row_can_be_driven(scenario: Scenario) -> None:
    assert scenario.course in COURSES
    assert scenario.members >= scenario.rooms * scenario.publishers_per_room
    assert scenario.sample_every & (scenario.sample_every - 1) == 0
    if scenario.course == "flow":
        assert bool(scenario.in_flight) != bool(scenario.publications_per_second)
        assert set(scenario.checks) <= set(_VERDICTS)


@pytest.mark.parametrize("name", BENCH)
def test_the_short_version_is_the_same_work_for_a_shorter_time(name: str) -> None:
    scenario = TABLE[name]
    short = scenario.shortened()
    assert short.seconds <= scenario.seconds
    assert scenario.rooms <= short.members <= scenario.members
    assert (short.rooms, short.in_flight, short.fleet) == (
        scenario.rooms, scenario.in_flight, scenario.fleet,
    )  # fmt: skip


def updated(body: str) -> bytes:
    return f'42["bike-updated",{body}]'.encode()


def test_a_watcher_tells_equal_bytes_from_equal_values_and_from_something_else() -> None:
    seen = Watch()
    for sent_ns in (10**15, 10**15 + 1, 10**15 + 2):
        body = f'["bike-update",{{"price":5.00,"sent_ns":{sent_ns}}}]'
        seen.remember(body.encode(), sent_ns)
    seen.compare(updated(f'{{"price":5.00,"sent_ns":{10**15}}}'))
    seen.compare(updated(f'{{"price":5,"sent_ns":{10**15 + 1}}}'))
    seen.compare(updated(f'{{"price":6,"sent_ns":{10**15 + 2}}}'))
    assert (seen.looked_at, seen.identical, seen.equal) == (3, 1, 1)


def test_a_watcher_notices_steps_back_and_repeats_of_each_bike() -> None:
    seen = Watch()
    look = seen.order_of_one()
    for bike, stamp, serial in [("a", 5, 1), ("b", 3, 2), ("a", 4, 3), ("a", 5, 1), ("b", 9, 4)]:
        look(updated(f'{{"vehicle_id":"{bike}","timestamp":{stamp},"serial":{serial}}}'))
    assert (seen.looked_at, seen.older, seen.repeats) == (5, 1, 1)


def test_a_picture_knows_the_newest_state_and_forgets_who_left() -> None:
    picture = Picture()
    picture.look(updated('{"vehicle_id":"a","sent_ns":1}'))
    picture.look(updated('{"vehicle_id":"a","sent_ns":2}'))
    picture.look(updated('{"vehicle_id":"b","sent_ns":1}'))
    picture.look(updated('{"vehicle_id":"c","sent_ns":1}'))
    picture.look(b'42["bike-removed",{"roomId":"r","bikeId":"b","reason":"removed"}]')
    picture.look(updated('{"vehicle_id":"c","op":"remove"}'))
    assert picture.bikes == {"a": 2}


def test_a_snapshot_replaces_everything_and_its_absence_nothing() -> None:
    picture = Picture()
    picture.look(updated('{"vehicle_id":"gone","sent_ns":1}'))
    picture.replace(b'[{"data":{"roomId":"r"}}]')
    assert picture.bikes == {"gone": 1}
    picture.replace(b'[{"data":{"roomId":"r","snapshot":[{"vehicle_id":"a","sent_ns":7}]}}]')
    assert picture.bikes == {"a": 7}
