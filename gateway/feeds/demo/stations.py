"""This module owns the demo city's stations: docks, and the bikes that stand in them."""

from __future__ import annotations

from random import Random
from typing import Final

from gateway.feeds.demo.streets import Streets

STATION_COUNT: Final = 26
_LEAST_APART_METERS: Final = 420.0
_NAMES: Final = (
    "Harbour", "Old Market", "Mill Lane", "Observatory", "Fern Street", "Town Hall", "Printworks",
    "Botanic Garden", "Lock Gate", "Theatre", "Granary", "North Bridge", "Lime Court", "Foundry",
    "Library", "Tram Depot", "Orchard", "University", "Chapel Hill", "Riverside", "Museum", "Quay",
    "Bakers' Row", "Gasworks", "Windmill", "South Gate",
)  # fmt: skip


class Station:
    """One station at a corner; `bikes` are the numbers of those that stand in its docks."""

    def __init__(self, number: int, corner: int, docks: int) -> None:
        self.id = f"demo-station-{number + 1:02}"
        self.name = _NAMES[number % len(_NAMES)]
        self.corner = corner
        self.docks = docks
        self.bikes: set[int] = set()

    @property
    def free_docks(self) -> int:
        return self.docks - len(self.bikes)


def stations_in(streets: Streets, dice: Random) -> list[Station]:
    """Stations spread over the city, no two of them close together."""
    corners: list[int] = []
    candidates = dice.sample(streets.connected, len(streets.connected))
    for corner in candidates:
        place = streets.corners[corner]
        if all(
            place.distance_to(streets.corners[other]) > _LEAST_APART_METERS for other in corners
        ):
            corners.append(corner)
    return [
        Station(number, corner, dice.choice((6, 8, 8, 10, 12)))
        for number, corner in enumerate(corners[:STATION_COUNT])
    ]
