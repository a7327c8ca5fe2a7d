"""This module owns WebSocket frames as a server sends them (RFC 6455, section 5.2): never masked.

The bytes of a frame are the same for every recipient, so a publication's frame is built once.
"""

from __future__ import annotations

import struct
from typing import Final

_TEXT: Final = 0x81  # FIN and opcode 1
_BINARY: Final = 0x82
_CLOSE: Final = 0x88
_PONG: Final = 0x8A
_LENGTH_16_BITS: Final = 126
_LENGTH_64_BITS: Final = 127

_pack_short = struct.Struct("!BB").pack
_pack_medium = struct.Struct("!BBH").pack
_pack_long = struct.Struct("!BBQ").pack
# Nearly every frame: with the type of its Engine.IO packet behind the header.
_MESSAGE: Final = ord("4")
_pack_short_message = struct.Struct("!BBB").pack
_pack_medium_message = struct.Struct("!BBHB").pack
_pack_long_message = struct.Struct("!BBQB").pack


def text_frame(payload: bytes) -> bytes:
    """A text message; `payload` is UTF-8."""
    return _header(_TEXT, len(payload)) + payload


def message_frame(packet: bytes) -> bytes:
    """A Socket.IO packet inside an Engine.IO message (type 4) inside a text frame."""
    length = len(packet) + 1
    if length < _LENGTH_16_BITS:
        return _pack_short_message(_TEXT, length, _MESSAGE) + packet
    if length < 1 << 16:
        return _pack_medium_message(_TEXT, _LENGTH_16_BITS, length, _MESSAGE) + packet
    return _pack_long_message(_TEXT, _LENGTH_64_BITS, length, _MESSAGE) + packet


def event_frames(packet: bytes, attachments: tuple[bytes, ...] = ()) -> bytes:
    """A Socket.IO packet and the binary attachments that follow it."""
    if not attachments:
        return message_frame(packet)
    return message_frame(packet) + b"".join(map(binary_frame, attachments))


def binary_frame(payload: bytes) -> bytes:
    """A binary message."""
    return _header(_BINARY, len(payload)) + payload


def pong_frame(payload: bytes) -> bytes:
    """The answer to a WebSocket ping (at most 125 bytes)."""
    return _header(_PONG, len(payload)) + payload


def close_frame(code: int) -> bytes:
    """The last frame of a connection."""
    return _header(_CLOSE, 2) + code.to_bytes(2, "big")


def _header(first_byte: int, length: int) -> bytes:
    if length < _LENGTH_16_BITS:
        return _pack_short(first_byte, length)
    if length < 1 << 16:
        return _pack_medium(first_byte, _LENGTH_16_BITS, length)
    return _pack_long(first_byte, _LENGTH_64_BITS, length)
