"""Readers over HTTP: each answer is counted, and those that are none are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.courses.reads import Reader, Reads
from loadtest.histogram import Histogram
from tests.loadtest.test_command import measure


class Wire:
    """What is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)


@pytest.fixture
def reads() -> Reads:
    return Reads(Histogram())


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def reader(reads: Reads, wire: Wire) -> Reader:
    reader = Reader(reads, b"GET / HTTP/1.1\r\n\r\n")
    reader.connection_made(wire)  # type: ignore[arg-type] # all that it does is write
    reader.ask()
    return reader


def test_an_answer_in_pieces_is_one_and_the_next_request_follows_it(
    reader: Reader, reads: Reads, wire: Wire
) -> None:
    for piece in (b"HTTP/1.1 200 OK\r\ncontent-le", b"ngth: 5\r\n\r\nhe", b"ll"):
        reader.data_received(piece)
    assert (reads.answers, len(wire.sent)) == (0, 1)
    reader.data_received(b"o")
    assert (reads.answers, len(wire.sent), reads.latency.count) == (1, 2, 1)


def test_an_answer_that_is_none_is_named_and_not_counted(reader: Reader, reads: Reads) -> None:
    reader.data_received(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")
    assert (reads.answers, reads.others) == (0, {"HTTP/1.1 429 Too Many Requests": 1})


def test_after_the_end_nobody_asks_nor_counts_as_lost(
    reader: Reader, reads: Reads, wire: Wire
) -> None:
    reads.is_running = False
    reader.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    reader.connection_lost(None)
    assert (len(wire.sent), reads.closed) == (1, 0)


def test_a_tiny_run_reads_from_a_real_server(tmp_path: Path) -> None:
    arguments = ("--peer", "bare-aiohttp", "--members", "4", "--seconds", "1")
    result = measure(tmp_path, "reads", *arguments)
    (measured,) = result.of("bare-aiohttp")
    assert measured.units > 10
    assert measured.refusals == {}
    assert set(result.failures) == {"python-socketio"}, "it has no users"
