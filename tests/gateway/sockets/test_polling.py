import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sockets.polling import PayloadInvalid, Pollbox, packets_of, payload_of

texts = st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"]), min_size=1)
packets = st.lists(
    st.tuples(texts.filter(lambda text: text[0] != "b").map(str.encode), st.sampled_from([False]))
    | st.tuples(st.binary(), st.sampled_from([True])),
    min_size=1,
)


@given(packets)
def test_a_payload_is_taken_apart_as_it_was_put_together(written: list[tuple[bytes, bool]]) -> None:
    assert packets_of(payload_of(written)) == written


def test_the_example_of_the_protocol_is_read() -> None:
    assert packets_of(b"4hello\x1e2\x1e4world") == [
        (b"4hello", False),
        (b"2", False),
        (b"4world", False),
    ]
    assert packets_of(b"4hello\x1ebAQIDBA==") == [(b"4hello", False), (b"\x01\x02\x03\x04", True)]


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x1e", b"4a\x1e", b"\x1e4a", b"4a\x1e\x1e4b", b"b===", b"b!", b"bAQ", b"4\xff"],
)
def test_what_is_no_payload_is_refused(payload: bytes) -> None:
    with pytest.raises(PayloadInvalid):
        packets_of(payload)


async def test_what_waits_is_fetched_at_once_and_once() -> None:
    pollbox = Pollbox()
    pollbox.put(b"4a")
    pollbox.put_binary(b"\x01")

    assert await pollbox.poll() == b"4a\x1ebAQ=="
    assert pollbox.fetch() == b""


async def test_a_payload_holds_no_more_packets_than_every_client_takes() -> None:
    pollbox = Pollbox()
    for number in range(20):
        pollbox.put(b"4%d" % number)

    first = await pollbox.poll()
    assert pollbox.has_more
    assert first == b"\x1e".join(b"4%d" % number for number in range(16))
    assert await pollbox.poll() == b"416\x1e417\x1e418\x1e419"
    assert not pollbox.has_more


async def test_a_request_that_is_made_again_is_answered_with_the_same() -> None:
    pollbox = Pollbox()
    pollbox.put(b"4a")

    assert await pollbox.poll_once("first") == b"4a"
    pollbox.put(b"4b")
    assert await pollbox.poll_once("first") == b"4a"
    assert await pollbox.poll_once("second") == b"4b"


async def test_requests_without_a_stamp_are_all_new() -> None:
    pollbox = Pollbox()
    for packet in (b"4a", b"4b"):
        pollbox.put(packet)
        assert await pollbox.poll_once(None) == packet


async def test_a_poll_waits_for_what_comes_and_takes_all_of_that_turn() -> None:
    pollbox = Pollbox()
    poll = asyncio.ensure_future(pollbox.poll())
    await asyncio.sleep(0)
    assert pollbox.is_polled
    pollbox.put(b"4a")
    pollbox.put(b"4b")

    assert await poll == b"4a\x1e4b"
    assert not pollbox.is_polled


async def test_during_an_upgrade_every_poll_is_answered_at_once() -> None:
    pollbox = Pollbox()
    poll = asyncio.ensure_future(pollbox.poll())
    await asyncio.sleep(0)
    pollbox.pause(b"6")

    assert await poll == b"6"
    assert await pollbox.poll() == b"6"
    pollbox.put(b"4a")
    assert await pollbox.poll() == b"4a"


async def test_after_a_failed_upgrade_polls_wait_again() -> None:
    pollbox = Pollbox()
    pollbox.pause(b"6")
    pollbox.resume()
    poll = asyncio.ensure_future(pollbox.poll())
    await asyncio.sleep(0)
    assert pollbox.is_polled
    pollbox.put(b"4a")

    assert await poll == b"4a"


async def test_what_waits_is_given_away_when_the_upgrade_is_done() -> None:
    pollbox = Pollbox()
    pollbox.pause(b"6")
    pollbox.put(b"4a")
    pollbox.put_binary(b"b")

    assert pollbox.hand_over(b"6") == [(b"4a", False), (b"b", True)]
    assert await pollbox.poll() == b"6"


async def test_closing_answers_the_poll_that_waits() -> None:
    pollbox = Pollbox()
    poll = asyncio.ensure_future(pollbox.poll())
    await asyncio.sleep(0)
    pollbox.close(b"1")
    pollbox.close(b"1")

    assert await poll == b"1"


async def test_a_poll_that_is_given_up_loses_nothing() -> None:
    pollbox = Pollbox()
    poll = asyncio.ensure_future(pollbox.poll())
    await asyncio.sleep(0)
    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll
    pollbox.put(b"4a")

    assert await pollbox.poll() == b"4a"


def test_a_client_that_never_fetches_is_noticed() -> None:
    pollbox = Pollbox()
    pollbox.put(bytes(5 * 1024 * 1024))  # one may be as large as it is: there is no other way
    assert not pollbox.is_full
    pollbox.put(b"4")
    assert pollbox.is_full
    pollbox.fetch()
    assert not pollbox.is_full
