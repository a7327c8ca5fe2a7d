"""This module owns what a tracker's report comes to: where, when, and what else is known of it.

Pure: the time is an argument. Field names and units are those of a live bike (`protocol/bikes.py`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from protocol.bodies import invalid

# A phone without a network keeps its reports and sends them later; what is older is of no use to
# those who watch.
OLDEST_SECONDS: Final = 86_400
# A phone's clock may be a little ahead of ours.
EARLIEST_SECONDS: Final = 300

# What else a phone says is left out where it makes no sense: -1 stands for "not known" in most.
_RANGES: Final = {
    "speed": (0.0, 60.0),  # m/s
    "heading": (0.0, 360.0),  # degrees
    "altitude": (-500.0, 9000.0),  # meters
    "horizontal_accuracy": (0.0, 1_000_000.0),  # meters
    "current_fuel_percent": (0.0, 1.0),  # of the phone, which is all that is known of the bike's
}
_DIGITS: Final = 3


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a program has said, in our units, and not checked yet."""

    lat: float | None
    lon: float | None
    time_ms: float | None  # since 1970
    speed: float | None = None
    heading: float | None = None
    altitude: float | None = None
    horizontal_accuracy: float | None = None
    current_fuel_percent: float | None = None


class Sighting(msgspec.Struct, frozen=True):
    """A tracker at a place and a time."""

    lat: float
    lon: float
    time_ms: int  # since 1970
    more: dict[str, float]

    def is_too_old(self, now_ms: int) -> bool:
        """Whether nobody needs it any more."""
        return self.time_ms < now_ms - OLDEST_SECONDS * 1000

    def payload(self, bike_id: str) -> bytes:
        """The bike-update that it comes to, without its room."""
        update: dict[str, Any] = {
            "vehicle_id": bike_id,
            "lat": self.lat,
            "lon": self.lon,
            "timestamp": self.time_ms,
            **self.more,
        }
        return msgspec.json.encode(update)


def sighting_of(told: Told, now_ms: int) -> Sighting:
    """What was told, checked; raises `Refused` (INVALID) with every field that is wrong."""
    lat, lon, time_ms = told.lat, told.lon, told.time_ms
    bad: dict[str, str] = {}
    if lat is None or not -90 <= lat <= 90:  # noqa: PLR2004 - degrees
        bad["lat"] = "Expected a latitude, -90 to 90 degrees."
    if lon is None or not -180 <= lon <= 180:  # noqa: PLR2004 - degrees
        bad["lon"] = "Expected a longitude, -180 to 180 degrees."
    if time_ms is None:
        bad["timestamp"] = "Expected the time of the location."
    elif not time_ms >= 0:
        bad["timestamp"] = "Expected a time since 1970."
    elif time_ms > now_ms + EARLIEST_SECONDS * 1000:
        bad["timestamp"] = "This lies in the future: look at the phone's clock."
    if bad:
        raise invalid(bad)
    assert lat is not None and lon is not None and time_ms is not None, "none of them is bad"  # noqa: PT018 - one reason
    return Sighting(lat, lon, round(time_ms), _sensible(told))


def _sensible(told: Told) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, (least, most) in _RANGES.items():
        value: float | None = getattr(told, name)
        if value is not None and least <= value <= most:
            found[name] = round(value, _DIGITS)
    return found
