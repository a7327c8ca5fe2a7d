"""This module owns how much is read of what another server answers: never more than was meant."""

from __future__ import annotations

from typing import Final

import aiohttp

_PIECE_BYTES: Final = 65_536


async def find_body(answer: aiohttp.ClientResponse, limit_bytes: int) -> bytes | None:
    """The body; None, with the rest unread, when it is longer than that.

    Counted as it is handed over: where aiohttp decompresses, a small one may unfold to any size.
    """
    body = bytearray()
    async for piece in answer.content.iter_chunked(_PIECE_BYTES):
        body += piece
        if len(body) > limit_bytes:
            return None
    return bytes(body)
