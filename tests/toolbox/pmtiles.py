"""This module owns small PMTiles files for tests: the whole world in one tile (version 3)."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping

EXTENT = 4096
_MVT, _PNG = 1, 2
_UNCOMPRESSED = 1
_HEADER_BYTES = 127
_POLYGON = 3
_MOVE_TO, _LINE_TO, _CLOSE_PATH = 1, 2, 7


def raster_archive(png: bytes, attribution: str = "") -> bytes:
    """A file whose only tile is a picture."""
    return _archive(png, _PNG, {"attribution": attribution})


def vector_archive(layers: Iterable[str], attribution: str = "") -> bytes:
    """A file whose only tile has layers of those names, each one polygon as large as the world.

    The `name` of each is that of its layer.
    """
    names = list(layers)
    described = {"attribution": attribution, "vector_layers": [{"id": name} for name in names]}
    return _archive(b"".join(_bytes_field(3, _layer(name)) for name in names), _MVT, described)


def _archive(tile: bytes, kind: int, metadata: Mapping[str, object]) -> bytes:
    described = json.dumps(metadata).encode()
    # one entry: its tile's number, how many it stands for, its length, its offset and one
    directory = b"".join(map(_varint, (1, 0, 1, len(tile), 1)))
    after_header = (directory, described, b"", tile)
    offset, places = _HEADER_BYTES, []
    for part in after_header:
        places += [offset, len(part)]
        offset += len(part)
    counts = (1, 1, 1)
    world = (-1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000)
    header = struct.pack(
        "<7sB8Q3Q6B4iB2i",
        *(b"PMTiles", 3, *places, *counts),
        *(1, _UNCOMPRESSED, _UNCOMPRESSED, kind, 0, 0),
        *(*world, 0, 0, 0),
    )
    return header + b"".join(after_header)


def _layer(name: str) -> bytes:
    """A layer of a Mapbox Vector Tile, version 2.1."""
    geometry = (
        *(_command(_MOVE_TO, 1), 0, 0),
        *(_command(_LINE_TO, 3), _zigzag(EXTENT), 0, 0, _zigzag(EXTENT), _zigzag(-EXTENT), 0),
        _command(_CLOSE_PATH, 1),
    )
    drawn = b"".join(map(_varint, geometry))
    tags = _varint(0) + _varint(0)  # the first key has the first value
    feature = _bytes_field(2, tags) + _varint_field(3, _POLYGON) + _bytes_field(4, drawn)
    return (
        _varint_field(15, 2)
        + _bytes_field(1, name.encode())
        + _bytes_field(2, feature)
        + _bytes_field(3, b"name")
        + _bytes_field(4, _bytes_field(1, name.encode()))
        + _varint_field(5, EXTENT)
    )


def _command(number: int, count: int) -> int:
    return number | count << 3


def _zigzag(number: int) -> int:
    return (number << 1) ^ (number >> 31)


def _bytes_field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
