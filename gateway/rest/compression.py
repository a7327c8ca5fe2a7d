"""This module owns which answers are compressed, and how that is told.

Only what `GET` answers. Whatever gives out a secret, a token or a key, is an answer to `POST`, and
how small a secret is beside what a stranger has sent along must tell nobody anything (BREACH).
Besides, no page of another site can ask for any of them: nothing here is authenticated by a cookie.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import hdrs, web

from gateway.codings import coding_for, compressed

LEAST_BYTES: Final = 1024  # below it a packet is a packet
_LONG_BYTES: Final = 65_536  # takes milliseconds, which others need not wait for
_READING: Final = frozenset({"GET", "HEAD"})
_ENDPOINT: Final = "/socket.io/"  # packets of sockets, on their way to one peer
_TYPES: Final = frozenset(
    {"application/json", "application/javascript", "application/yaml", "image/svg+xml"}
)


def may_be_compressed(request: web.Request, response: web.StreamResponse) -> bool:
    """Whether it depends on what the client wants in which form this is sent."""
    if not isinstance(response, web.Response) or response.prepared:
        return False  # a stream of events is sent as it comes
    body = response.body
    return (
        isinstance(body, bytes)
        and len(body) >= LEAST_BYTES
        and request.method in _READING
        and hdrs.CONTENT_ENCODING not in response.headers
        and request.path != _ENDPOINT
        and (response.content_type in _TYPES or response.content_type.startswith("text/"))
    )


async def compress(request: web.Request, response: web.StreamResponse) -> None:
    """Bring an answer that may be compressed into the form that the client wants."""
    assert isinstance(response, web.Response), "it may be compressed"
    response.headers.add(hdrs.VARY, hdrs.ACCEPT_ENCODING)
    coding = coding_for(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    if coding is None:
        return
    body = response.body
    assert isinstance(body, bytes), "it may be compressed"
    if len(body) > _LONG_BYTES:
        response.body = await asyncio.to_thread(compressed, body, coding)
    else:
        response.body = compressed(body, coding)
    response.headers[hdrs.CONTENT_ENCODING] = coding
    tag = response.headers.get(hdrs.ETAG)
    if tag is not None:  # another form is another representation: RFC 9110, section 8.8.3.3
        response.headers[hdrs.ETAG] = f'{tag[:-1]}-{coding}"'
