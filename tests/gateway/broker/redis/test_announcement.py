from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.redis import announcement
from gateway.broker.redis.announcement import AnnouncementInvalid
from gateway.rooms.publication import Draft, Op, Publication
from tests.gateway.rooms.drafts import ROOM, event, removal, update


def announced(draft: Draft, line: bytes = b"epoch 7 41 42") -> bytes:
    """What Redis makes of what a worker sends."""
    meta = announcement.meta_of(draft, "digest" if draft.op is Op.UPSERT else "")
    return line + b" %d\n" % len(meta) + meta + draft.packet


@pytest.mark.parametrize(
    "draft",
    [
        update("b1", {"lat": 48.5}, author="peer-1"),
        removal("b1"),
        event({"text": "a\nb 🚲"}, name="chat"),
        msgspec.structs.replace(event("x"), attachments=(b"\x00\n", b"")),
        msgspec.structs.replace(update("b1"), accepted_us=1_790_000_000_123_456),
        msgspec.structs.replace(update("b1"), trace=f"00-{'a' * 32}-{'b' * 16}-01"),
    ],
)
def test_what_is_read_is_what_was_announced(draft: Draft) -> None:
    before, publication = announcement.read(ROOM, announced(draft))

    assert before == 41
    assert publication == Publication(
        ROOM,
        "epoch",
        7,
        42,
        draft.event,
        draft.packet,
        draft.author,
        draft.key,
        draft.op,
        draft.attachments,
        ("digest",) if draft.op is Op.UPSERT else None,
        draft.accepted_us,
        draft.trace,
    )


def test_a_removal_by_redis_has_a_shorter_meta() -> None:
    meta = msgspec.msgpack.encode(("bike-removed", 2, "b1"))
    _, publication = announcement.read(ROOM, b"e 1 0 9 %d\n" % len(meta) + meta + b"packet")

    assert (publication.event, publication.op, publication.key) == ("bike-removed", Op.REMOVE, "b1")
    assert publication.author is None


@pytest.mark.parametrize(
    "line",
    [
        b"epoch 7 41",
        b"epoch seven 41 42",
        b"epoch 7 41 42 43",
        b"\xff\xfe 7 41 42",
        b"",
    ],
)
def test_a_line_that_no_gateway_writes_is_invalid(line: bytes) -> None:
    with pytest.raises(AnnouncementInvalid):
        announcement.read(ROOM, announced(event("x"), line))


@pytest.mark.parametrize("meta", [b"", b"\xc1", b"\x91\x05", b"\x92\xa1a\x63", b"\x92\xa1a\xff"])
def test_a_meta_that_no_gateway_writes_is_invalid(meta: bytes) -> None:
    with pytest.raises(AnnouncementInvalid):
        announcement.read(ROOM, b"epoch 7 41 42 %d\n" % len(meta) + meta + b"packet")


@given(st.binary(max_size=60))
def test_nothing_that_comes_is_more_than_invalid(data: bytes) -> None:
    with pytest.raises(AnnouncementInvalid):
        announcement.read(ROOM, data)
