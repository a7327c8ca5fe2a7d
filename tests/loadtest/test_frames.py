import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import frames


def unmask(frame: bytes) -> bytes:
    """What a server reads, by the words of RFC 6455, section 5.3."""
    length = frame[1] & 0x7F
    start = 2 + {126: 2, 127: 8}.get(length, 0)
    key, body = frame[start : start + 4], frame[start + 4 :]
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(body))


def server_frame(payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((frames.TEXT, length)) + payload
    if length < 65_536:
        return bytes((frames.TEXT, 126)) + length.to_bytes(2) + payload
    return bytes((frames.TEXT, 127)) + length.to_bytes(8) + payload


@given(st.binary(max_size=400))
def test_a_server_that_unmasks_a_frame_gets_the_payload(payload: bytes) -> None:
    assert unmask(frames.masked(payload)) == payload


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_announces_its_length_and_that_it_is_masked(length: int) -> None:
    frame = frames.masked(b"x" * length)
    short = frame[1] & 0x7F
    announced = int.from_bytes(frame[2 : {126: 4, 127: 10}[short]]) if short > 125 else short
    assert announced == length
    assert frame[1] & 0x80


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(min_value=0))
def test_frames_come_whole_however_the_stream_is_cut(payloads: list[bytes], cut: int) -> None:
    stream = b"".join(map(server_frame, payloads))
    cut %= len(stream) + 1
    first, rest = frames.split(stream[:cut])
    second, rest = frames.split(rest + stream[cut:])
    assert [payload for _, payload in first + second] == payloads
    assert rest == b""


def test_a_frame_with_a_long_head_is_incomplete_until_its_head_is_there() -> None:
    stream = server_frame(b"x" * 70_000)
    for end in (1, 2, 5, 9, 10, len(stream) - 1):
        assert frames.extent_of(stream[:end], 0) is None
    assert frames.extent_of(stream, 0) == (10, 70_010)
