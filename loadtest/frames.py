"""This module owns the WebSocket frames of a load-test client (RFC 6455), as far as one needs.

A client masks what it sends. A server does not, so what arrives can be walked in place; the walk
that has to be fast stands unrolled in `rider.py`, the one here is for the handshake and for
payloads that are looked at.
"""

from functools import cache
from os import urandom
from typing import Final

TEXT: Final = 0x81
# Lengths from 126 on stand in two more bytes, those of 16 bits and more in eight (RFC 6455, 5.2).
_IN_TWO_BYTES: Final = 126
_IN_EIGHT_BYTES: Final = 127
_HEAD_BYTES: Final = 2
CLOSE: Final = 0x88
PING: Final = 0x89
PONG: Final = 0x8A

_KEY: Final = urandom(4)


@cache
def _mask_of(length: int) -> int:
    return int.from_bytes((_KEY * (length // 4 + 1))[:length])


def masked(payload: bytes, opcode: int = TEXT) -> bytes:
    """A whole masked client frame.

    One key serves the process: the server's work is the same for any key.
    """
    length = len(payload)
    body = (int.from_bytes(payload) ^ _mask_of(length)).to_bytes(length)
    if length < _IN_TWO_BYTES:
        return bytes((opcode, 0x80 | length)) + _KEY + body
    if length < 1 << 16:
        return bytes((opcode, 0xFE)) + length.to_bytes(2) + _KEY + body
    return bytes((opcode, 0xFF)) + length.to_bytes(8) + _KEY + body


def extent_of(data: bytes, position: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `position` starts and stops; None if incomplete."""
    end = len(data)
    if end - position < _HEAD_BYTES:
        return None
    length, start = data[position + 1], position + 2
    if length == _IN_TWO_BYTES:
        length, start = int.from_bytes(data[start : start + 2]), start + 2
    elif length == _IN_EIGHT_BYTES:
        length, start = int.from_bytes(data[start : start + 8]), start + 8
    return None if start + length > end else (start, start + length)


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The complete frames of `data` as (first byte, payload), and what is left over."""
    frames: list[tuple[int, bytes]] = []
    position = 0
    while (extent := extent_of(data, position)) is not None:
        start, stop = extent
        frames.append((data[position], data[start:stop]))
        position = stop
    return frames, data[position:]
