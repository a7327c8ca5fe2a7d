"""This module owns how far apart two places on the earth are."""

from __future__ import annotations

import math
from typing import Final

_EARTH_RADIUS_METERS: Final = 6_371_008.8


def meters_between(lat_1: float, lon_1: float, lat_2: float, lon_2: float) -> float:
    """Great-circle distance (haversine); a few metres stay exact, which the cosine rule loses."""
    phi_1, phi_2 = math.radians(lat_1), math.radians(lat_2)
    half_north = math.sin((phi_2 - phi_1) / 2)
    half_east = math.sin(math.radians(lon_2 - lon_1) / 2)
    chord = half_north**2 + math.cos(phi_1) * math.cos(phi_2) * half_east**2
    return 2 * _EARTH_RADIUS_METERS * math.asin(math.sqrt(min(1.0, chord)))
