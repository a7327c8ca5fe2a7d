import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway.feeds.difference import Change, applied, difference, is_news
from gateway.feeds.gbfs import Entity

KEYS = st.sampled_from(["a", "b", "c", "d", "e"])
FIELDS = st.fixed_dictionaries(
    {"lat": st.sampled_from([52.0, 52.00002, 52.01, None]), "lon": st.sampled_from([10.0, 10.01])},
    optional={
        "is_reserved": st.sampled_from([True, False, 0, 1]),
        "station_id": st.sampled_from(["s", None]),
        "current_range_meters": st.sampled_from([1000, 2000.5]),
        "last_reported": st.integers(1_000_000, 1_000_100),
        "rental_uris": st.dictionaries(st.just("ios"), st.text(max_size=2)),
    },
)
FLEETS = st.dictionaries(KEYS, FIELDS).map(
    lambda fleet: {key: Entity(key, dict(fields)) for key, fields in fleet.items()}
)


@given(before=FLEETS, after=FLEETS)
def test_applying_the_differences_to_the_old_fleet_gives_the_new_one(
    before: dict[str, Entity], after: dict[str, Entity]
) -> None:
    now = applied(before, difference(before, after))

    assert now.keys() == after.keys()
    assert not any(is_news(now[key], after[key]) for key in after)
    assert difference(now, after) == []


@given(before=FLEETS, after=FLEETS, held=st.frozensets(KEYS))
def test_what_is_held_is_never_said_to_be_gone(
    before: dict[str, Entity], after: dict[str, Entity], held: frozenset[str]
) -> None:
    gone = {change.entity.key for change in difference(before, after, held) if change.gone}

    assert gone == before.keys() - after.keys() - held


@given(fleet=FLEETS)
def test_a_fleet_does_not_differ_from_itself(fleet: dict[str, Entity]) -> None:
    assert difference(fleet, fleet) == []


def test_departures_come_before_arrivals() -> None:
    old, new = Entity("old", {}), Entity("new", {})

    assert difference({"old": old}, {"new": new}) == [Change(old, gone=True), Change(new)]


PARKED = {
    "bike_id": "a",
    "lat": 52.0,
    "lon": 10.0,
    "is_reserved": False,
    "current_range_meters": 1000,
    "last_reported": 1,
    "rental_uris": {"ios": "x"},
}


@pytest.mark.parametrize(
    "change",
    [
        {"last_reported": 2},
        {"rental_uris": {"ios": "y"}},
        {"rental_uris": None, "last_reported": None},
        {"is_reserved": 0},
        {"current_range_meters": 1000.0},
        {"station_id": None},
        {"lat": 52.00008},
    ],
)
def test_what_means_the_same_is_no_news(change: dict[str, object]) -> None:
    assert not is_news(Entity("a", PARKED), Entity("a", {**PARKED, **change}))


@pytest.mark.parametrize(
    "change",
    [
        {"is_reserved": True},
        {"current_range_meters": 999},
        {"station_id": "s"},
        {"lat": 52.0001},
        {"lon": 10.0002},
        {"lat": None, "lon": None},
        {"_extension": {"battery": 3}},
    ],
)
def test_what_means_something_else_is_news(change: dict[str, object]) -> None:
    assert is_news(Entity("a", PARKED), Entity("a", {**PARKED, **change}))


def test_a_slow_drift_is_told_once_it_has_gone_far_enough() -> None:
    told = {"a": Entity("a", PARKED)}
    tellings = 0
    for step in range(1, 11):
        seen = {"a": Entity("a", {**PARKED, "lat": 52.0 + step * 0.00002})}  # 2.2 m each
        changes = difference(told, seen)
        tellings += len(changes)
        told = applied(told, changes)

    assert tellings == 2  # 22 m in all, told after 11 m and 22 m
