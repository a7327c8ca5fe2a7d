import gzip
import json
from pathlib import Path

import pytest

from gateway.feeds.gbfs import Document
from gateway.feeds.replay import documents_in, gap_seconds
from gateway.feeds.source import FetchFailed
from tests.gateway.feeds import system

LINES = [
    json.dumps(system.document("bikes", [system.bike(n) for n in range(count)])) for count in (3, 2)
]


async def read(path: Path, limit_bytes: int = 100_000) -> tuple[list[int], list[tuple[int, str]]]:
    skipped: list[tuple[int, str]] = []

    def skip(number: int, reason: str) -> None:
        skipped.append((number, reason))

    counts = [
        len(document.entities)
        async for document in documents_in(path, skip, limit_bytes=limit_bytes)
    ]
    return counts, skipped


@pytest.mark.parametrize("name", ["series.ndjson", "series.ndjson.gz", "misnamed.txt"])
async def test_a_recording_is_read_line_by_line_compressed_or_not(
    tmp_path: Path, name: str
) -> None:
    text = "\n".join(LINES).encode()
    (tmp_path / name).write_bytes(text if name == "series.ndjson" else gzip.compress(text))

    assert await read(tmp_path / name) == ([3, 2], [])


async def test_unusable_lines_are_skipped_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "series.ndjson"
    listed = json.dumps(system.discovery({"free_bike_status": "https://example.com"}))
    path.write_text("\n".join([LINES[0], "", "half a li", listed, '{"data": {}}', LINES[1]]))

    counts, skipped = await read(path)
    assert counts == [3, 2]
    assert [number for number, _ in skipped] == [3, 4, 5]


async def test_a_recording_that_is_missing_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="No such file"):
        await read(tmp_path / "missing")


async def test_a_damaged_archive_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "series.ndjson.gz"
    path.write_bytes(gzip.compress("\n".join(LINES).encode())[:-20])

    with pytest.raises(FetchFailed, match="damaged"):
        await read(path)


async def test_a_line_without_end_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "series.ndjson"
    path.write_bytes(b"x" * 1_001)

    with pytest.raises(FetchFailed, match="longer than 1000"):
        await read(path, limit_bytes=1_000)


def at(updated_seconds: float | None) -> Document:
    return Document("free_bike_status", {}, updated_seconds=updated_seconds)


@pytest.mark.parametrize(
    ("before", "after", "speed", "gap"),
    [
        (None, at(100), 1, 0),
        (at(100), at(400), 1, 300),
        (at(100), at(400), 60, 5),
        (at(100), at(400), 0, 0),
        (at(400), at(100), 1, 0),
        (at(None), at(100), 1, 0),
        (at(100), at(None), 1, 0),
    ],
)
def test_documents_follow_each_other_in_their_own_time(
    before: Document | None, after: Document, speed: float, gap: float
) -> None:
    assert gap_seconds(before, after, speed) == gap
