import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sockets import frames
from tests.toolbox.raw_client import BINARY, CLOSE, PONG, TEXT, Frame, take_frame

LENGTHS_AT_THE_EDGES = [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 70_000]


def test_the_example_of_the_rfc_is_met_to_the_byte() -> None:
    assert frames.text_frame(b"Hello") == bytes.fromhex("810548656c6c6f")
    assert frames.binary_frame(bytes(256))[:4] == bytes.fromhex("827e0100")
    assert frames.binary_frame(bytes(65_536))[:10] == bytes.fromhex("827f0000000000010000")


@pytest.mark.parametrize("length", LENGTHS_AT_THE_EDGES)
def test_every_length_is_read_back(length: int) -> None:
    payload = bytes(length)

    assert take_frame(frames.text_frame(payload)) == (Frame(TEXT, payload), b"")
    assert take_frame(frames.binary_frame(payload)) == (Frame(BINARY, payload), b"")
    assert take_frame(frames.message_frame(payload)) == (Frame(TEXT, b"4" + payload), b"")


@given(st.lists(st.binary(max_size=300)))
def test_frames_written_one_after_the_other_are_told_apart(payloads: list[bytes]) -> None:
    data = b"".join(map(frames.binary_frame, payloads))
    read = []
    while (taken := take_frame(data)) is not None:
        frame, data = taken
        read.append(frame.payload)

    assert read == payloads
    assert data == b""


def test_control_frames_carry_their_payload() -> None:
    assert take_frame(frames.pong_frame(b"abc")) == (Frame(PONG, b"abc"), b"")
    assert take_frame(frames.close_frame(1009)) == (Frame(CLOSE, b"\x03\xf1"), b"")
