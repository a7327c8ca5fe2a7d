from gateway.feeds.gbfs import Entity
from gateway.feeds.stations import stations_of


def test_a_station_is_told_with_what_it_takes_to_draw_it() -> None:
    status = Entity("station/1", {"station_id": "1", "num_bikes_available": 3}, 5)
    information = Entity(
        "station/1",
        {
            "station_id": "1",
            "name": "Quay",
            "lat": 1.0,
            "lon": 2.0,
            "capacity": 9,
            "station_area": {"type": "MultiPolygon"},
        },
    )

    (station,) = stations_of({"station/1": status}, {"station/1": information}).values()
    assert station.fields == {
        "name": "Quay",
        "lat": 1.0,
        "lon": 2.0,
        "capacity": 9,
        "station_id": "1",
        "num_bikes_available": 3,
    }
    assert station.time_ms == 5


def test_a_station_of_which_nothing_else_is_known_is_told_as_it_is() -> None:
    status = {"station/1": Entity("station/1", {"station_id": "1"})}

    assert stations_of(status, {}) == status


def test_a_station_without_a_status_is_not_told() -> None:
    assert stations_of({}, {"station/1": Entity("station/1", {"station_id": "1"})}) == {}


def test_where_both_say_something_the_status_wins() -> None:
    status = Entity("station/1", {"station_id": "1", "capacity": 8})
    information = Entity("station/1", {"station_id": "1", "capacity": 9})

    (station,) = stations_of({"station/1": status}, {"station/1": information}).values()
    assert station.fields["capacity"] == 8
