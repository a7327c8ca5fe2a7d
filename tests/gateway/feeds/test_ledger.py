from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from gateway.feeds import ledger as ledger_module
from gateway.feeds.gbfs import Entity, JsonObject
from gateway.feeds.ledger import Ledger
from tests.gateway.feeds.recording_gateway import RecordingGateway


def entity(key: str = "a", time_ms: int | None = None, **fields: Any) -> Entity:  # noqa: ANN401 - any JSON
    own: JsonObject = {} if time_ms is None else {"last_reported": time_ms // 1000}
    return Entity(key, {"bike_id": key, **own, **fields}, time_ms)


def tell(ledger: Ledger, *seen: Entity) -> list[JsonObject]:
    news = ledger.owed({item.key: item for item in seen})
    ledger.settle(news, is_all=True)
    return [item.wording for item in news]


def test_everything_is_owed_at_first_and_nothing_after_it_was_settled() -> None:
    ledger = Ledger()

    assert tell(ledger, entity("a"), entity("b")) == [{"bike_id": "a"}, {"bike_id": "b"}]
    assert tell(ledger, entity("a"), entity("b")) == []
    assert len(ledger) == 2


def test_what_was_not_settled_stays_owed() -> None:
    ledger = Ledger()
    seen = {"a": entity("a"), "b": entity("b")}
    first, _second = ledger.owed(seen)

    ledger.settle([first], is_all=False)

    assert [item.change.entity.key for item in ledger.owed(seen)] == ["b"]


def test_a_farewell_names_the_bike_and_carries_the_time_of_its_last_news() -> None:
    ledger = Ledger()
    tell(ledger, entity("a", 5_000, vehicle_id="v", station_id="s", lat=1.0))

    assert tell(ledger) == [{"bike_id": "a", "vehicle_id": "v", "op": "remove", "timestamp": 5_000}]


def test_a_station_is_bidden_farewell_by_its_own_name() -> None:
    ledger = Ledger()
    tell(ledger, Entity("station/s", {"station_id": "s", "capacity": 3}))

    assert tell(ledger) == [{"station_id": "s", "op": "remove"}]


def test_a_field_that_vanished_is_cleared_once() -> None:
    ledger = Ledger()
    tell(ledger, entity(station_id="s", _odd=1))

    assert tell(ledger, entity()) == [{"bike_id": "a", "_odd": None, "station_id": None}]
    assert tell(ledger, entity(lat=1.0)) == [{"bike_id": "a", "lat": 1.0}]


def test_a_bike_that_is_back_without_a_new_report_is_dated_after_its_farewell() -> None:
    ledger = Ledger()
    tell(ledger, entity(time_ms=5_000))
    tell(ledger)

    back = {"bike_id": "a", "last_reported": 5, "timestamp": 5_001}
    assert tell(ledger, entity(time_ms=5_000)) == [back]


def test_a_bike_dated_by_the_bridge_is_so_until_it_reports_by_itself() -> None:
    ledger = Ledger()
    for seen in ([entity(time_ms=5_000)], [], [entity(time_ms=5_000)]):
        tell(ledger, *seen)

    assert tell(ledger, entity(time_ms=5_000, lat=1.0))[0]["timestamp"] == 5_001
    assert tell(ledger, entity(time_ms=9_000, lat=2.0)) == [
        {"bike_id": "a", "last_reported": 9, "lat": 2.0, "timestamp": None}
    ]


def test_a_bike_that_reported_since_its_farewell_is_told_as_it_is() -> None:
    ledger = Ledger()
    tell(ledger, entity(time_ms=5_000))
    tell(ledger)

    assert tell(ledger, entity(time_ms=6_000)) == [{"bike_id": "a", "last_reported": 6}]


def test_a_report_dated_before_the_last_one_is_news_all_the_same() -> None:
    ledger = Ledger()
    tell(ledger, entity(time_ms=5_000))

    assert tell(ledger, entity(time_ms=4_000, lat=1.0)) == [
        {"bike_id": "a", "last_reported": 4, "lat": 1.0, "timestamp": 5_000}
    ]


def test_in_doubt_everything_is_owed_again_until_all_of_it_is_settled() -> None:
    ledger = Ledger()
    tell(ledger, entity("a"), entity("b"), entity("gone"))
    seen = {"a": entity("a"), "b": entity("b")}
    ledger.doubt()

    owed = ledger.owed(seen)
    told = [(item.change.entity.key, item.change.gone) for item in owed]
    assert told == [("gone", True), ("a", False), ("b", False)]
    ledger.settle(owed[:2], is_all=False)
    assert len(ledger.owed(seen)) == 2
    ledger.settle(ledger.owed(seen), is_all=True)
    assert ledger.owed(seen) == []


def test_the_departed_are_remembered_within_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "DEPARTED_LIMIT", 2)
    ledger = Ledger()
    everyone = [entity(key, 5_000) for key in "abc"]
    tell(ledger, *everyone)
    tell(ledger)

    back = tell(ledger, *everyone)
    assert ["timestamp" in wording for wording in back] == [False, True, True]


SIGHTINGS = st.dictionaries(
    st.sampled_from("abc"),
    st.tuples(
        st.none() | st.integers(1, 4).map(lambda day: day * 100_000_000_000),
        st.dictionaries(st.sampled_from(["lat", "station_id", "_odd"]), st.integers(1, 3)),
    ),
)


@given(rounds=st.lists(SIGHTINGS, max_size=8), has_times=st.booleans())
def test_a_room_that_lets_the_newer_win_shows_what_is_seen_whatever_times_bikes_carry(
    *, rounds: list[dict[str, tuple[int | None, dict[str, int]]]], has_times: bool
) -> None:
    room = RecordingGateway()
    ledger = Ledger()
    for sightings in rounds:
        seen = [
            entity(key, time_ms if has_times else None, **fields)
            for key, (time_ms, fields) in sightings.items()
            if not has_times or time_ms is not None
        ]
        room.take([msgspec.json.decode(msgspec.json.encode(item)) for item in tell(ledger, *seen)])

        assert room.stale == []
        assert room.bikes.keys() == {item.key for item in seen}
        for item in seen:
            shown = {
                k: v for k, v in room.bikes[item.key].items() if k in {"lat", "station_id", "_odd"}
            }
            assert shown == {
                k: v for k, v in item.fields.items() if k in {"lat", "station_id", "_odd"}
            }
