import pytest

from gateway.feeds.gbfs import Document, Entity
from gateway.feeds.picture import OLDER_COPY_SECONDS, Fleet, Picture, View, fleet_of

STATUS = Entity("station/1", {"station_id": "1", "num_bikes_available": 3})
INFORMATION = Entity("station/1", {"station_id": "1", "name": "Quay"})


def document(feed: str, *entities: Entity, updated_seconds: float | None = None) -> Document:
    by_key = {entity.key: entity for entity in entities}
    return Document(feed, by_key, frozenset({"held"}), updated_seconds=updated_seconds)


@pytest.mark.parametrize(
    ("feed", "fleet"),
    [
        ("vehicle_status", "vehicles"),
        ("free_bike_status", "vehicles"),
        ("station_status", "stations"),
        ("station_information", "stations"),
    ],
)
def test_every_feed_shows_one_fleet(feed: str, fleet: Fleet) -> None:
    assert fleet_of(feed) == fleet


def test_a_fleet_of_which_nothing_was_readable_is_not_in_the_picture() -> None:
    picture = Picture()
    picture.take(document("station_information", INFORMATION))

    assert picture.view_of("vehicles") is None
    assert picture.view_of("stations") is None


@pytest.mark.parametrize("feed", ["vehicle_status", "free_bike_status"])
def test_vehicles_are_seen_under_the_old_and_the_new_name(feed: str) -> None:
    picture = Picture()
    picture.take(document(feed, Entity("a", {"bike_id": "a"})))

    assert picture.view_of("vehicles") == View(
        {"a": Entity("a", {"bike_id": "a"})}, frozenset({"held"})
    )


def test_stations_get_their_names_when_these_are_known() -> None:
    picture = Picture()
    picture.take(document("station_status", STATUS))
    nameless = picture.view_of("stations")
    picture.take(document("station_information", INFORMATION))
    named = picture.view_of("stations")

    assert nameless is not None
    assert nameless.seen["station/1"] == STATUS
    assert named is not None
    assert named.seen["station/1"].fields["name"] == "Quay"


def test_an_older_copy_from_another_server_is_not_believed() -> None:
    picture = Picture()
    picture.take(document("vehicle_status", Entity("a", {}), updated_seconds=1_000))

    assert not picture.take(document("vehicle_status", updated_seconds=999))
    view = picture.view_of("vehicles")
    assert view is not None
    assert view.seen.keys() == {"a"}


@pytest.mark.parametrize("updated", [1_000, 1_001, 1_000 - OLDER_COPY_SECONDS - 1, None])
def test_anything_else_is_believed_a_clock_set_right_as_well(updated: float | None) -> None:
    picture = Picture()
    picture.take(document("vehicle_status", Entity("a", {}), updated_seconds=1_000))

    assert picture.take(document("vehicle_status", updated_seconds=updated))
    view = picture.view_of("vehicles")
    assert view is not None
    assert view.seen == {}
