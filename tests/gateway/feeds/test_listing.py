import json
from pathlib import Path
from typing import Any

import pytest

from gateway.feeds import listing
from tests.gateway.feeds import system

EXAMPLES = Path(__file__).parents[2] / "data" / "gbfs"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("v2.3/gbfs.json", "gbfs"),
        ("v3.0/gbfs.json", "gbfs"),
        ("v3.0/manifest.json", None),
        ("v2.3/vehicle_types.json", None),
        ("v2.3/free_bike_status.json", "free_bike_status"),
        ("v2.3/station_status.json", "station_status"),
        ("v2.3/station_information.json", "station_information"),
        ("v3.0/vehicle_status.json", "vehicle_status"),
        ("v3.0/station_status.json", "station_status"),
    ],
)
def test_a_document_is_known_by_its_shape(path: str, name: str | None) -> None:
    assert listing.name_of((EXAMPLES / path).read_bytes(), "") == name


def test_booking_slots_are_no_vehicles_though_they_look_like_them() -> None:
    body = (EXAMPLES / "v3.1-RC3/vehicle_availability.json").read_bytes()

    assert listing.name_of(body, "vehicle_availability") is None


def test_an_empty_list_of_stations_is_known_by_its_name() -> None:
    assert (
        listing.name_of(json.dumps(system.document("stations", [])).encode(), "station_status")
        == "station_status"
    )


@pytest.mark.parametrize("version", ["v2.3", "v3.0", "v3.1-RC3"])
def test_discovery_documents_of_every_version_list_their_feeds(version: str) -> None:
    addresses, _ = listing.addresses_of((EXAMPLES / version / "gbfs.json").read_bytes())

    assert addresses["station_status"].startswith("https://")


def test_of_several_languages_english_is_read_or_else_the_first() -> None:
    def listed(language: str) -> dict[str, Any]:
        return {"feeds": [{"name": "station_status", "url": f"https://example.com/{language}"}]}

    both = json.dumps({"data": {"fr": listed("fr"), "en": listed("en")}}).encode()
    neither = json.dumps({"data": {"fr": listed("fr"), "de": listed("de")}}).encode()
    assert listing.addresses_of(both)[0] == {"station_status": "https://example.com/en"}
    assert listing.addresses_of(neither)[0] == {"station_status": "https://example.com/fr"}
