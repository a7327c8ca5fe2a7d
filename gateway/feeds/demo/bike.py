"""This module owns one demo bike: where it is, what it is doing, and how full its battery is."""

from __future__ import annotations

import enum
import math
from random import Random
from typing import Final

from gateway.feeds.demo.streets import Point

_CRUISE_METERS_PER_SECOND: Final = (3.6, 6.6)
_SPEEDING_UP: Final = 0.9  # m/s in a second
_CORNER_SPEED: Final = 2.4
_BRAKING_METERS: Final = 14.0
_RED_LIGHT_SHARE: Final = 0.22
_RED_LIGHT_SECONDS: Final = (4.0, 18.0)
FULL_RANGE_METERS: Final = 46_000.0
_CHARGING_PER_SECOND: Final = 1 / 5400
_FLAT: Final = 0.08


class Doing(enum.Enum):
    """What a bike does, by its name in `vehicle_state`."""

    PARKED = "available"
    RESERVED = "reserved"
    RIDING = "on_trip"
    BROKEN = "non_operational"


class DemoBike:
    """A bike; `until_seconds` is when it has done what it is doing, if time ends it."""

    def __init__(
        self, number: int, corner: int, place: Point, until_seconds: float, dice: Random
    ) -> None:
        self.number = number
        self.id = f"demo-{number + 1:03}"
        self.corner = corner
        self.place = place
        self.doing = Doing.PARKED
        self.until_seconds = until_seconds
        self.battery = dice.uniform(0.06, 1.0)
        self.speed = 0.0
        self.heading = 0.0
        self.silent_until_seconds = 0.0
        self._dice = dice
        self._way: list[tuple[int, Point]] = []
        self._cruise = 0.0
        self._waits_until_seconds = 0.0

    def set_off(self, way: list[tuple[int, Point]]) -> None:
        """Ride along these corners, of which the first is where the bike is."""
        self.doing = Doing.RIDING
        self._way = way[1:]
        self._cruise = self._dice.uniform(*_CRUISE_METERS_PER_SECOND)

    def ride(self, now_seconds: float, passed_seconds: float) -> bool:
        """Ride on for so long; true when the end of the way is reached."""
        if now_seconds < self._waits_until_seconds:
            self.speed = 0.0
            return False
        self.speed = min(self._speed_wanted(), self.speed + _SPEEDING_UP * passed_seconds)
        left = self.speed * passed_seconds
        self.battery = max(0.0, self.battery - left / FULL_RANGE_METERS)
        while self._way:
            corner, goal = self._way[0]
            distance = self.place.distance_to(goal)
            if distance > left:
                self._move_towards(goal, left / distance)
                return False
            left -= distance
            if distance > 0:
                self._move_towards(goal, 1.0)
            self.corner = corner
            self._way.pop(0)
            if self._way and self._dice.random() < _RED_LIGHT_SHARE:
                self._waits_until_seconds = now_seconds + self._dice.uniform(*_RED_LIGHT_SECONDS)
                self.speed = 0.0
                return False
        self.speed = 0.0
        return True

    def charge(self, passed_seconds: float) -> None:
        self.battery = min(1.0, self.battery + passed_seconds * _CHARGING_PER_SECOND)

    @property
    def is_flat(self) -> bool:
        return self.battery < _FLAT

    def _speed_wanted(self) -> float:
        is_corner_near = self.place.distance_to(self._way[0][1]) < _BRAKING_METERS
        return min(self._cruise, _CORNER_SPEED) if is_corner_near else self._cruise

    def _move_towards(self, goal: Point, share: float) -> None:
        east, north = goal.east - self.place.east, goal.north - self.place.north
        self.heading = math.degrees(math.atan2(east, north)) % 360
        self.place = Point(self.place.east + east * share, self.place.north + north * share)
