"""This module owns versions over HTTP (RFC 9110, section 13): `ETag`, `If-Match`, `If-None-Match`.

The tag of a resource is its version in quotation marks. A change without `If-Match` is made to what
the resource is by then, and no change of anybody is lost for it: so none has to be demanded.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final

from aiohttp import web

_TAGS: Final = re.compile(r'\s*(W/)?"([!\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')
_VERSION: Final = re.compile(r"[1-9][0-9]{0,15}")


def tag_of(version: int) -> str:
    """The value of `ETag`."""
    return f'"{version}"'


def versions_wanted(request: web.Request) -> Container[int] | None:
    """The versions that `If-Match` allows; None: any.

    A weak tag never matches (section 13.1.1), nor does one that no version has, nor what is no list
    of tags: whoever sent it meant some version, and nobody knows which one.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    return frozenset(version for is_weak, version in _tags_of(header) if not is_weak)


def is_known(request: web.Request, version: int) -> bool:
    """Whether `If-None-Match` says that the client has this version already."""
    header = request.headers.get("If-None-Match")
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return any(version == known for _, known in _tags_of(header))


def _tags_of(header: str) -> list[tuple[bool, int]]:
    """Each tag's weakness and version, 0 for a tag of no version; none when it is no list."""
    tags, position = [], 0
    while position < len(header):
        found = _TAGS.match(header, position)
        if found is None:
            return []
        is_version = _VERSION.fullmatch(found[2]) is not None
        tags.append((found[1] is not None, int(found[2]) if is_version else 0))
        position = found.end()
    return tags
