"""This module owns the walk from frame to frame that finds one a client did not mask.

RFC 6455, section 5.1: "The server MUST close the connection upon receiving a frame that is not
masked." aiohttp's reader takes either, and does not tell. The walk looks at headers alone, about a
tenth of a microsecond for each; where it could lose count, the reader has broken off before.
"""

from __future__ import annotations

from typing import Final, TypeAlias

# Where a read ended: bytes of a frame still to come, or the part of a header that has come.
Rest: TypeAlias = int | bytes
BOUNDARY: Final = 0

# The second byte of a frame is its mask bit and its length, or one of two numbers for longer ones.
_MASK: Final = 0x80
_LENGTH_IN_2_BYTES: Final = _MASK | 126
_SHORT_HEADER_BYTES: Final = 6  # the key's four are of it


class FrameUnmasked(Exception):
    """A frame is not masked; what stands before `place` is in order."""

    def __init__(self, place: int) -> None:
        self.place = place
        super().__init__(place)


def walk(data: bytes, rest: Rest) -> Rest:
    """Go through one read, from where the last one ended; return where this one ends.

    Raises `FrameUnmasked`; its place is 0 when the frame's header began in an earlier read.
    """
    if isinstance(rest, bytes):
        return _walk_from(rest, data)
    start, length_bytes = rest, len(data)
    last = length_bytes - 1
    while start < last:
        flag = data[start + 1]
        if flag == _LENGTH_IN_2_BYTES:  # first, as updates are of this size
            if length_bytes < start + 4:
                break
            start += (data[start + 2] << 8 | data[start + 3]) + 8
        elif flag < _LENGTH_IN_2_BYTES:
            if flag < _MASK:
                raise FrameUnmasked(start)
            start += flag - _MASK + _SHORT_HEADER_BYTES
        else:
            if length_bytes < start + 10:
                break
            start += int.from_bytes(data[start + 2 : start + 10], "big") + 14
    return start - length_bytes if start >= length_bytes else data[start:]


def _walk_from(header: bytes, data: bytes) -> Rest:
    try:
        return walk(header + data, BOUNDARY)
    except FrameUnmasked as unmasked:
        raise FrameUnmasked(max(0, unmasked.place - len(header))) from None
