from __future__ import annotations

import json

from protocol.geojson import collection_of


def test_longitude_comes_first_and_numbers_keep_their_text() -> None:
    value = b'{"bike_id":"1","lat":48.850000000000001,"lon":2}'
    written = collection_of(b"[%b]" % value)
    assert value in written
    (feature,) = json.loads(written)["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [2, 48.85]}
    assert feature["id"] == "1"


def test_what_has_no_place_is_no_feature() -> None:
    values = [
        {},
        {"lat": 1},
        {"lat": 1, "lon": 181},
        {"lat": True, "lon": 1},
        {"lat": "1", "lon": 1},
    ]
    assert json.loads(collection_of(json.dumps(values).encode())) == {
        "type": "FeatureCollection",
        "features": [],
    }
