"""Which coding a client wants, and how a body gets into it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Final

import brotli
import pytest
from backports import zstd

from gateway.codings import CODINGS, Coding, coding_for, compressed
from tests.toolbox.programs import REPOSITORY

_READERS: Final[dict[Coding, Callable[[bytes], bytes]]] = {
    "zstd": zstd.decompress,
    "br": brotli.decompress,
    "gzip": gzip.decompress,
}


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br, gzip", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, br;q=0.5, zstd;q=0.1", "gzip"),
        ("gzip; q=0.2 , br ;q=0.3", "br"),
        ("zstd;q=0, br;q=0.000, gzip;q=0.001", "gzip"),
        ("*", "zstd"),
        ("*;q=0.5, br", "br"),
        ("zstd;q=0, *", "br"),
        ("*;q=0", None),
        ("identity", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity;q=0", None),
        ("deflate, compress", None),
        ("gzip;q=high", None),
        ("gzip;q=nan", None),
        ("gzip;q=-1, br;q=2", None),
        ("gzip;level=9", None),
        (",,;=,;q=,gzip", "gzip"),
        ("gzipped", None),
        ("\xff" * 8000, None),
    ],
)
def test_the_coding_is_what_the_client_wants_most(accepted: str, coding: Coding | None) -> None:
    assert coding_for(accepted) == coding


def test_only_what_is_offered_is_chosen_and_of_equals_the_first() -> None:
    assert coding_for("gzip, br, zstd", ("br", "zstd")) == "br"
    assert coding_for("gzip, zstd", ("br",)) is None


@pytest.mark.parametrize("coding", CODINGS)
def test_each_coding_can_be_read_and_what_is_made_once_is_no_larger(coding: Coding) -> None:
    body = (REPOSITORY / "protocol" / "openapi.yaml").read_bytes()
    quick, small = compressed(body, coding), compressed(body, coding, once=True)

    assert _READERS[coding](quick) == _READERS[coding](small) == body
    assert len(small) <= len(quick) < len(body) / 4
    assert compressed(body, coding) == quick, "the same body has the same form"
