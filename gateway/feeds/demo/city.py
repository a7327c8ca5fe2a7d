"""This module owns the demo city as a whole: who rides where, and what there is to tell of it.

Nothing here reads a clock: `step` is told what time it is. The same seed and the same times give
the same city.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from gateway.feeds.demo.bike import FULL_RANGE_METERS, DemoBike, Doing
from gateway.feeds.demo.stations import Station, stations_in
from gateway.feeds.demo.streets import Point, Streets

BIKES_LIMIT: Final = 5_000
_MIDDLE_LAT: Final = 48.8606
_MIDDLE_LON: Final = 2.3376
_METERS_PER_DEGREE: Final = 111_320.0

_DOCKED_AT_FIRST: Final = 0.55
_KEPT_FREE_AT_FIRST: Final = 2  # docks of each station
_RIDING_AT_FIRST: Final = 0.4
_PAUSE_SECONDS: Final = (60.0, 1200.0)
_RESERVED_SECONDS: Final = (15.0, 60.0)
_BROKEN_SECONDS: Final = (240.0, 900.0)
_RESERVED_SHARE: Final = 0.3  # of rides, those that somebody booked before
_TO_A_STATION: Final = 0.7
_SILENCE_PER_SECOND: Final = 1 / 900  # phones go into tunnels
_SILENT_SECONDS: Final = (40.0, 150.0)
_PARKED_TELLS_EVERY_SECONDS: Final = 300.0

Update = dict[str, Any]  # JSON, field by field as GBFS and MDS name them


class City:
    """Bikes and stations; `step` moves them on and answers what has changed."""

    def __init__(self, bikes: int, seed: int) -> None:
        self._dice = Random(seed)  # noqa: S311 - it has to repeat itself, not to keep a secret
        self.streets = Streets(self._dice)
        self.stations = stations_in(self.streets, self._dice)
        self.bikes = [self._new_bike(number) for number in range(bikes)]
        self._station_at = {station.corner: station for station in self.stations}
        self._told_seconds: dict[int, float] = {}
        self._changed_stations: set[str] = {station.id for station in self.stations}
        self._last_seconds: float | None = None

    def step(self, now_seconds: float) -> list[Update]:
        """Let the time since the last step pass; the updates, of stations first.

        `now_seconds` is in seconds since 1970, and never less than before.
        """
        passed_seconds = 0.0 if self._last_seconds is None else now_seconds - self._last_seconds
        is_first, self._last_seconds = self._last_seconds is None, now_seconds
        if is_first:
            for bike in self.bikes:
                bike.until_seconds += now_seconds
        changed = [bike for bike in self.bikes if self._move(bike, now_seconds, passed_seconds)]
        told = [self._update_of(bike, now_seconds) for bike in changed]
        return [*self._station_updates(now_seconds), *told]

    # ---- what bikes do

    def _move(self, bike: DemoBike, now_seconds: float, passed_seconds: float) -> bool:
        """Let one bike do what it does; whether there is something to tell of it."""
        if bike.doing is Doing.RIDING:
            if bike.ride(now_seconds, passed_seconds):
                self._arrive(bike, now_seconds)
                return True
            return self._is_heard(bike, now_seconds, passed_seconds)
        if self._station_of(bike) is not None:
            bike.charge(passed_seconds)
        if now_seconds >= bike.until_seconds:
            self._begin_next(bike, now_seconds)
            return True
        return now_seconds >= self._told_seconds.get(bike.number, 0.0) + _PARKED_TELLS_EVERY_SECONDS

    def _is_heard(self, bike: DemoBike, now_seconds: float, passed_seconds: float) -> bool:
        if now_seconds < bike.silent_until_seconds:
            return False
        if self._dice.random() < passed_seconds * _SILENCE_PER_SECOND:
            bike.silent_until_seconds = now_seconds + self._dice.uniform(*_SILENT_SECONDS)
        return True

    def _begin_next(self, bike: DemoBike, now_seconds: float) -> None:
        if bike.doing is Doing.BROKEN:
            bike.battery = 1.0  # somebody came by with a fresh one
            self._rest(bike, now_seconds)
        elif bike.is_flat:
            bike.doing = Doing.BROKEN
            bike.until_seconds = now_seconds + self._dice.uniform(*_BROKEN_SECONDS)
        elif bike.doing is Doing.PARKED and self._dice.random() < _RESERVED_SHARE:
            bike.doing = Doing.RESERVED
            bike.until_seconds = now_seconds + self._dice.uniform(*_RESERVED_SECONDS)
        else:
            self._set_off(bike)

    def _set_off(self, bike: DemoBike) -> None:
        station = self._station_of(bike)
        if station is not None:
            station.bikes.discard(bike.number)
            self._changed_stations.add(station.id)
        goal = bike.corner
        while goal == bike.corner:
            goal = self._some_goal()
        way = self.streets.way(bike.corner, goal)
        bike.set_off([(corner, self.streets.corners[corner]) for corner in way])

    def _some_goal(self) -> int:
        free = [station.corner for station in self.stations if station.free_docks > 0]
        if free and self._dice.random() < _TO_A_STATION:
            return self._dice.choice(free)
        return self._dice.choice(self.streets.connected)

    def _arrive(self, bike: DemoBike, now_seconds: float) -> None:
        station = self._station_at.get(bike.corner)
        if station is not None and station.free_docks > 0:
            station.bikes.add(bike.number)
            self._changed_stations.add(station.id)
        bike.silent_until_seconds = 0.0
        self._rest(bike, now_seconds)

    def _rest(self, bike: DemoBike, now_seconds: float) -> None:
        bike.doing = Doing.PARKED
        bike.until_seconds = now_seconds + self._dice.uniform(*_PAUSE_SECONDS)

    def _station_of(self, bike: DemoBike) -> Station | None:
        station = self._station_at.get(bike.corner)
        return station if station is not None and bike.number in station.bikes else None

    def _new_bike(self, number: int) -> DemoBike:
        free = [station for station in self.stations if station.free_docks > _KEPT_FREE_AT_FIRST]
        if free and self._dice.random() < _DOCKED_AT_FIRST:
            station = self._dice.choice(free)
            station.bikes.add(number)
            corner = station.corner
        else:
            corner = self._dice.choice(self.streets.connected)
        is_about_to_ride = self._dice.random() < _RIDING_AT_FIRST
        rests_seconds = 0.0 if is_about_to_ride else self._dice.uniform(*_PAUSE_SECONDS)
        place = self.streets.corners[corner]
        return DemoBike(number, corner, place, rests_seconds, self._dice)

    # ---- what is told

    def _update_of(self, bike: DemoBike, now_seconds: float) -> Update:
        self._told_seconds[bike.number] = now_seconds
        station = self._station_of(bike)
        lat, lon = lat_and_lon(bike.place)
        return {
            "bike_id": bike.id,
            "lat": lat,
            "lon": lon,
            "vehicle_state": bike.doing.value,
            "speed": round(bike.speed, 1),
            "heading": round(bike.heading),
            "station_id": None if station is None else station.id,
            "vehicle_type_id": "ebike",
            "current_fuel_percent": round(bike.battery, 3),
            "current_range_meters": round(bike.battery * FULL_RANGE_METERS, -2),
            "timestamp": round(now_seconds * 1000),
        }

    def _station_updates(self, now_seconds: float) -> Iterator[Update]:
        for station in self.stations:
            key = -1 - station.corner  # beside the numbers of bikes
            is_due = (
                now_seconds >= self._told_seconds.get(key, 0.0) + _PARKED_TELLS_EVERY_SECONDS / 2
            )
            if station.id not in self._changed_stations and not is_due:
                continue
            self._told_seconds[key] = now_seconds
            lat, lon = lat_and_lon(self.streets.corners[station.corner])
            yield {
                "station_id": station.id,
                "name": station.name,
                "lat": lat,
                "lon": lon,
                "num_vehicles_available": len(station.bikes),
                "num_docks_available": station.free_docks,
                "is_installed": True,
                "is_renting": True,
                "is_returning": True,
                "last_reported": round(now_seconds),
            }
        self._changed_stations.clear()


def lat_and_lon(place: Point) -> tuple[float, float]:
    """Degrees, to six digits: a tenth of a meter."""
    lat = _MIDDLE_LAT + place.north / _METERS_PER_DEGREE
    per_degree = _METERS_PER_DEGREE * math.cos(math.radians(_MIDDLE_LAT))
    return round(lat, 6), round(_MIDDLE_LON + place.east / per_degree, 6)
