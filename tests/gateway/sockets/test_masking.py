from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sockets.masking import BOUNDARY, FrameUnmasked, Rest, walk
from tests.toolbox.raw_client import masked_frame

LENGTHS = (0, 1, 125, 126, 127, 300, 65_535, 65_536, 70_000)
frames = st.lists(st.sampled_from(LENGTHS), max_size=5).map(
    lambda sizes: [masked_frame(bytes(size)) for size in sizes]
)


def walk_in_pieces(stream: bytes, cuts: list[int]) -> Rest:
    """Where the walk ends; raises with the place in the whole stream."""
    rest: Rest = BOUNDARY
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        try:
            rest = walk(stream[start:end], rest)
        except FrameUnmasked as unmasked:
            raise FrameUnmasked(start + unmasked.place) from unmasked
    return rest


@given(frames, st.lists(st.integers(0, 400_000), max_size=12))
def test_masked_frames_however_they_are_cut_are_no_offence(
    stream: list[bytes], cuts: list[int]
) -> None:
    assert walk_in_pieces(b"".join(stream), cuts) == BOUNDARY


@given(frames, st.integers(0, 127), st.lists(st.integers(0, 400_000), max_size=12))
def test_the_first_frame_that_is_not_masked_is_found_however_it_is_cut(
    stream: list[bytes], flag: int, cuts: list[int]
) -> None:
    masked = b"".join(stream)
    with pytest.raises(FrameUnmasked) as found:
        walk_in_pieces(masked + bytes((0x81, flag)) + bytes(300), cuts)

    # A cut between the two bytes: what came of the first one is already handed on.
    assert found.value.place == len(masked) + (len(masked) + 1 in cuts)


@pytest.mark.parametrize(
    "header",
    [b"", b"\x81", b"\x81\xfe", b"\x81\xfe\x01", b"\x81\xff" + bytes(7)],
    ids=lambda header: header.hex(),
)
def test_a_part_of_a_header_is_kept_for_the_next_read(header: bytes) -> None:
    assert (walk(masked_frame("before") + header, BOUNDARY) or b"") == header


def test_the_rest_of_a_frame_is_counted_down() -> None:
    frame = masked_frame(bytes(1000))
    rest = walk(frame[:10], BOUNDARY)

    assert rest == len(frame) - 10
    assert walk(bytes(300), rest) == rest - 300
