"""This module owns recordings: GBFS documents, one a line, plain or compressed."""

from __future__ import annotations

import asyncio
import gzip
import io
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from gateway.feeds.envelope import FeedMalformed
from gateway.feeds.gbfs import Document, parse
from gateway.feeds.listing import DISCOVERY, name_of
from gateway.feeds.source import BODY_LIMIT_BYTES, FetchFailed

_GZIP_MAGIC: Final = b"\x1f\x8b"


async def documents_in(
    path: Path, skip: Callable[[int, str], None], *, limit_bytes: int = BODY_LIMIT_BYTES
) -> AsyncIterator[Document]:
    """Read a recording; `skip` is told the number of every unusable line, and why.

    Raises `FetchFailed` when the file cannot be read on.
    """
    number = 0
    file = await asyncio.to_thread(_opened, path)
    with file:
        while line := await asyncio.to_thread(_line_of, file, limit_bytes):
            number += 1
            if line.isspace():
                continue
            try:
                yield _document_of(line)
            except FeedMalformed as error:
                skip(number, str(error))


def gap_seconds(before: Document | None, after: Document, speed: float) -> float:
    """How long to wait between two documents, by their own time; 0 where they tell none."""
    if before is None or speed == 0:
        return 0.0
    if before.updated_seconds is None or after.updated_seconds is None:
        return 0.0
    return max(after.updated_seconds - before.updated_seconds, 0.0) / speed


def _document_of(line: bytes) -> Document:
    feed = name_of(line, "")
    if feed is None or feed == DISCOVERY:
        raise FeedMalformed("neither vehicles nor stations")
    return parse(feed, line)


def _opened(path: Path) -> io.BufferedIOBase:
    try:
        with path.open("rb") as file:
            is_compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        return gzip.open(path) if is_compressed else path.open("rb")
    except OSError as error:
        raise FetchFailed(error.strerror or type(error).__name__) from error


def _line_of(file: io.BufferedIOBase, limit_bytes: int) -> bytes:
    try:
        line = file.readline(limit_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FetchFailed("the recording is damaged") from error
    if len(line) > limit_bytes:
        raise FetchFailed(f"a line is longer than {limit_bytes} bytes")
    return line
