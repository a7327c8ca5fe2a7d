"""This module owns the bodies that publishers send: their size, their fields, their faults.

The sizes and rates are those measured on real feeds: a live update 98 to 171 bytes, a station 237
to 381, a shop item 1 to 8 kB, and of a race feed 46 % exact repeats with a few steps back in time.
"""

from __future__ import annotations

from random import Random
from time import time_ns
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_BIKE: Final = (
    b'["bike-update",{"roomId":"%b","vehicle_id":"%b-%d","lat":%.6f,"lon":%.6f,"timestamp":%d,'
    b'"speed":%.1f,"heading":%d,"sent_ns":%d}]'
)
_STATION: Final = (
    b'["bike-update",{"roomId":"%b","station_id":"station-%04d","num_vehicles_available":%d,'
    b'"num_docks_available":%d,"num_vehicles_disabled":%d,"vehicle_types_available":[{"vehicle_type_id":"classic",'
    b'"count":%d},{"vehicle_type_id":"electric","count":%d}],"is_installed":true,"is_renting":true,'
    b'"is_returning":true,"timestamp":%d,"sent_ns":%d}]'
)
_ITEM: Final = (
    b'["bike-update",{"roomId":"%b","sku":"sku-%d","price":%.2f,"note":"%b","sent_ns":%d}]'
)
_DIRTY: Final = (
    b'["bike-update",{"roomId":"%b","vehicle_id":"rider-%d","lat":%.6f,"lon":%.6f,"timestamp":%d,'
    b'"speed":%.1f,"is_reserved":%d,"serial":%d,"sent_ns":%d}]'
)
# The shares of the faults in the recorded feed; steps back are rarer there, too rare for 10 s.
_REPEATED, _BACKWARDS, _NEGATIVE_SPEED = 0.46, 0.02, 0.01
# Escapes as some encoders write them: a relay that encodes anew would not give them back.
_NOTE: Final = b"Steel frame, 28 inch, mudguards \\u00e9t\\u00e9 \\u2764 "


def bikes(fleet: int) -> Callable[[str, int, int], bytes]:
    """Live updates of `fleet` bikes in each room, one after the other."""

    def make(room: str, number: int, sent_ns: int) -> bytes:
        name = room.encode()
        bike = number % fleet
        lat, lon = 48.85 + (number % 997) * 1e-5, 2.35 + (number % 991) * 1e-5
        now_ms = time_ns() // 1_000_000
        return _BIKE % (name, name, bike, lat, lon, now_ms, 4 + number % 5, number % 360, sent_ns)

    return make


def stations(fleet: int) -> Callable[[str, int, int], bytes]:
    """Dock counts of `fleet` stations."""

    def make(room: str, number: int, sent_ns: int) -> bytes:
        free = number % 19
        now_ms = time_ns() // 1_000_000
        return _STATION % (
            room.encode(), number % fleet, 19 - free, free, number % 3, free // 2, free % 7,
            now_ms, sent_ns,
        )  # fmt: skip

    return make


def shop_items() -> Callable[[str, int, int], bytes]:
    """Open payloads of 1 to 8 kB that know nothing of bikes and carry no identity."""

    def make(room: str, number: int, sent_ns: int) -> bytes:
        filler = _NOTE * (20 + number * 37 % 130)
        return _ITEM % (room.encode(), number, 5 + number % 90, filler, sent_ns)

    return make


def dirty_race(riders: int) -> Callable[[str, int, int], bytes]:
    """A race feed as it comes: exact repeats, steps back in time, negative speeds, 0 for false.

    Every stamp grows with the publications of its rider but for the faults, so that a receiver
    can tell which deliveries should not have come.
    """
    random = Random(2026)
    last: dict[int, bytes] = {}
    start_ms = time_ns() // 1_000_000

    def make(room: str, number: int, sent_ns: int) -> bytes:
        rider = number % riders
        if rider in last and random.random() < _REPEATED:
            return last[rider]
        lap = number // riders
        backwards = random.random() < _BACKWARDS
        stamp = start_ms + lap * 1000 - (5000 if backwards else 0)
        speed = -1.5 if random.random() < _NEGATIVE_SPEED else 11.0 + rider % 5
        lat, lon = 43.6 + lap * 1e-4, 1.44 + rider * 1e-5
        body = _DIRTY % (room.encode(), rider, lat, lon, stamp, speed, 0, number, sent_ns)
        if not backwards:
            last[rider] = body
        return body

    return make
