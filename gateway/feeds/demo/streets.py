"""This module owns the demo city: its streets, and the quickest way from one corner to another.

The city is drawn by a seed: a crooked grid, thinned out, with avenues that run through it and a
ring. Distances are meters east and north of its middle.
"""

from __future__ import annotations

import heapq
import math
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

_COLUMNS: Final = 25
_ROWS: Final = 19
_BLOCK_METERS: Final = 190.0
_CROOKED_METERS: Final = 38.0
_TURN_RADIANS: Final = 0.21
_CLOSED_SHARE: Final = 0.13  # of the streets of the grid, so that no two blocks are alike
_AVENUES: Final = (((1, 2), (23, 16)), ((2, 16), (22, 3)), ((12, 0), (14, 18)), ((0, 9), (24, 8)))
_RING: Final = 7  # columns from the middle
_AVENUE_COST: Final = 0.62  # riders like them: what a meter costs there


class Point(NamedTuple):
    """Meters east and north of the city's middle."""

    east: float
    north: float

    def distance_to(self, other: Point) -> float:
        return math.hypot(self.east - other.east, self.north - other.north)


class Streets:
    """Corners by number, and which ones a street connects."""

    def __init__(self, dice: Random) -> None:
        self.corners = [
            _corner(column, row, dice) for row in range(_ROWS) for column in range(_COLUMNS)
        ]
        self._costs: list[dict[int, float]] = [{} for _ in self.corners]
        for row in range(_ROWS):
            for column in range(_COLUMNS):
                for beside in ((column + 1, row), (column, row + 1)):
                    if beside[0] < _COLUMNS and beside[1] < _ROWS and dice.random() > _CLOSED_SHARE:
                        self._connect(_number(column, row), _number(*beside), 1.0)
        for start, end in _AVENUES:
            self._draw_avenue(_line(start, end))
        self._draw_avenue(_ring())
        self.connected = self._reached_from(_number(_COLUMNS // 2, _ROWS // 2))

    def way(self, start: int, goal: int) -> list[int]:
        """The corners from `start` to `goal`, both of them `connected`, both included."""
        costs = {start: 0.0}
        before: dict[int, int] = {}
        waiting = [(0.0, start)]
        while waiting:
            cost, corner = heapq.heappop(waiting)
            if corner == goal:
                break
            if cost > costs[corner]:
                continue
            for beside, more in self._costs[corner].items():
                if cost + more < costs.get(beside, math.inf):
                    costs[beside], before[beside] = cost + more, corner
                    heapq.heappush(waiting, (cost + more, beside))
        way = [goal]
        while way[-1] != start:
            way.append(before[way[-1]])
        return way[::-1]

    def are_beside(self, one: int, other: int) -> bool:
        """Whether a street leads from one corner straight to the other."""
        return other in self._costs[one]

    def _connect(self, one: int, other: int, cost_per_meter: float) -> None:
        cost = self.corners[one].distance_to(self.corners[other]) * cost_per_meter
        for start, end in ((one, other), (other, one)):
            self._costs[start][end] = min(cost, self._costs[start].get(end, math.inf))

    def _draw_avenue(self, corners: list[int]) -> None:
        for one, other in pairwise(corners):
            self._connect(one, other, _AVENUE_COST)

    def _reached_from(self, middle: int) -> list[int]:
        reached, waiting = {middle}, [middle]
        while waiting:
            for beside in self._costs[waiting.pop()]:
                if beside not in reached:
                    reached.add(beside)
                    waiting.append(beside)
        return sorted(reached)


def _number(column: int, row: int) -> int:
    return row * _COLUMNS + column


def _corner(column: int, row: int, dice: Random) -> Point:
    east = (column - _COLUMNS / 2) * _BLOCK_METERS + dice.uniform(-1, 1) * _CROOKED_METERS
    north = (row - _ROWS / 2) * _BLOCK_METERS + dice.uniform(-1, 1) * _CROOKED_METERS
    cosine, sine = math.cos(_TURN_RADIANS), math.sin(_TURN_RADIANS)
    return Point(east * cosine - north * sine, east * sine + north * cosine)


def _line(start: tuple[int, int], end: tuple[int, int]) -> list[int]:
    """The corners along a straight line through the grid, each a neighbour of the one before."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    shares = [step / steps for step in range(steps + 1)]
    return [
        _number(
            round(start[0] + (end[0] - start[0]) * share),
            round(start[1] + (end[1] - start[1]) * share),
        )
        for share in shares
    ]


def _ring() -> list[int]:
    middle_column, middle_row = _COLUMNS // 2, _ROWS // 2
    angles = [2 * math.pi * step / 48 for step in range(49)]
    corners = [
        _number(
            round(middle_column + _RING * math.cos(angle)),
            round(middle_row + _RING * 0.9 * math.sin(angle)),
        )
        for angle in angles
    ]
    return [
        corner for index, corner in enumerate(corners) if index == 0 or corner != corners[index - 1]
    ]
