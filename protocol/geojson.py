"""This module owns a room's present state as GeoJSON (RFC 7946): a point for each bike or station.

Longitude comes first there, the opposite of every other format around. What has no place is left
out.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from protocol import bikes

MEDIA_TYPE: Final = "application/geo+json"
_LAT_LIMIT_DEGREES: Final = 90
_LON_LIMIT_DEGREES: Final = 180

_decode_values = msgspec.json.Decoder(list[Raw]).decode
_decode_fields = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def collection_of(values: bytes) -> bytes:
    """The FeatureCollection of a snapshot; each value is a feature's properties, as it came."""
    features = [feature for value in _decode_values(values) if (feature := _feature_of(value))]
    return _encode({"type": "FeatureCollection", "features": features})


def _feature_of(value: Raw) -> dict[str, object] | None:
    fields = _decode_fields(value)
    lat, lon = fields.get("lat"), fields.get("lon")
    if not _is_degrees(lat, _LAT_LIMIT_DEGREES) or not _is_degrees(lon, _LON_LIMIT_DEGREES):
        return None
    return {
        "type": "Feature",
        "id": bikes.key_of(fields),
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": value,
    }


def _is_degrees(value: object, limit: int) -> bool:
    return type(value) in (int, float) and -limit <= value <= limit  # type: ignore[operator] # a number
