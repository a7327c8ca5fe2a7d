"""What a tracker's report comes to."""

from __future__ import annotations

import json
import math

import pytest

from protocol import bikes
from protocol.refusals import Refusal, Refused
from protocol.trackers.sighting import Told, sighting_of

NOW_MS = 1_700_000_000_000
WHOLE = {"lat": 48.85, "lon": 2.35, "time_ms": NOW_MS - 1000}
DAY_MS = 86_400_000


def told(**changes: float | None) -> Told:
    return Told(**WHOLE | changes)


def test_a_report_comes_to_the_update_of_a_live_bike() -> None:
    report = told(speed=5.55555, heading=90, altitude=35, horizontal_accuracy=4, lat=-90)
    payload = sighting_of(report, NOW_MS).payload("tracker-ada")

    bikes.check_live(payload, "tracker-ada")
    assert json.loads(payload) == {
        "vehicle_id": "tracker-ada",
        "lat": -90,
        "lon": 2.35,
        "timestamp": NOW_MS - 1000,
        "speed": 5.556,
        "heading": 90,
        "altitude": 35,
        "horizontal_accuracy": 4,
    }


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 1e9])
def test_what_makes_no_sense_beside_the_place_is_left_out(value: float) -> None:
    report = told(
        speed=value,
        heading=value,
        altitude=value * 1000,
        horizontal_accuracy=value,
        current_fuel_percent=value,
    )

    assert sighting_of(report, NOW_MS).more == {}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("lat", {"lat": 90.01}),
        ("lat", {"lat": math.nan}),
        ("lat", {"lat": None}),
        ("lon", {"lon": -180.01}),
        ("lon", {"lon": math.inf}),
        ("lon", {"lon": None}),
        ("timestamp", {"time_ms": None}),
        ("timestamp", {"time_ms": math.nan}),
        ("timestamp", {"time_ms": -math.inf}),
        ("timestamp", {"time_ms": math.inf}),
        ("timestamp", {"time_ms": NOW_MS + 301_000}),
    ],
)
def test_a_report_without_a_place_and_a_time_is_refused(
    field: str, changes: dict[str, float | None]
) -> None:
    with pytest.raises(Refused) as caught:
        sighting_of(told(**changes), NOW_MS)

    assert caught.value.refusal is Refusal.INVALID
    assert set(caught.value.details["fields"]) == {field}


def test_a_clock_may_be_a_little_ahead() -> None:
    assert sighting_of(told(time_ms=NOW_MS + 299_000), NOW_MS).time_ms == NOW_MS + 299_000


@pytest.mark.parametrize(
    ("time_ms", "is_too_old"), [(NOW_MS - DAY_MS, False), (NOW_MS - DAY_MS - 1, True), (0, True)]
)
def test_a_day_is_the_end_of_what_anybody_needs(time_ms: int, *, is_too_old: bool) -> None:
    assert sighting_of(told(time_ms=time_ms), NOW_MS).is_too_old(NOW_MS) is is_too_old
