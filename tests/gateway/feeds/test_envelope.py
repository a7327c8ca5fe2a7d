import pytest
from msgspec import Raw

from gateway.feeds import envelope
from gateway.feeds.envelope import FeedMalformed, envelope_of


def test_a_document_that_would_unfold_in_memory_is_refused_unread() -> None:
    body = b'{"data": {"bikes": [' + b"1," * (envelope.VALUES_LIMIT + 1) + b"1]}}"

    with pytest.raises(FeedMalformed, match="values"):
        envelope_of(body)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"60", 60.0),
        (b"0", 0.0),
        (b'"60"', 60.0),
        (b"1.5", 1.5),
        (b"-1", None),
        (b'"soon"', None),
        (b"null", None),
        (b"true", None),
        (b"[]", None),
        (b'"nan"', None),
        (b"1e300", None),
    ],
)
def test_durations_are_read_from_whatever_feeds_write(value: bytes, seconds: float | None) -> None:
    assert envelope.seconds_of(Raw(value)) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"1690803922", 1690803922.0),
        (b'"1690803922"', 1690803922.0),
        (b"1690803922000", 1690803922.0),
        (b'"2023-07-17T13:34:13+02:00"', 1689593653.0),
        (b'"2025-05-21T07:48:04.229881+00:00"', 1747813684.229881),
        (b'"2019-07-04T13:33:03.969Z"', 1562247183.969),
        (b'"yesterday"', None),
        (b"null", None),
        (b"{}", None),
    ],
)
def test_moments_are_read_from_whatever_feeds_write(value: bytes, seconds: float | None) -> None:
    assert envelope.moment_of(Raw(value)) == seconds
