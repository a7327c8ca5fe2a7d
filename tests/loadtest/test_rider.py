import asyncio
import json
from time import monotonic_ns

import pytest

from loadtest import frames
from loadtest.rider import SENT_BASE, Refusal, Rider, Tally


class RecordedTransport(asyncio.Transport):
    """Keeps what a rider sends, as the payloads that a server would read."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        frame = bytes(data)
        start = 2 if frame[1] & 0x7F < 126 else 4
        key, body = frame[start : start + 4], frame[start + 4 :]
        self.sent.append(bytes(byte ^ key[index % 4] for index, byte in enumerate(body)))


def framed(*texts: str) -> bytes:
    stream = b""
    for text in texts:
        payload = text.encode()
        length = len(payload)
        head = bytes((length,)) if length < 126 else b"\x7e" + length.to_bytes(2)
        stream += bytes((frames.TEXT,)) + head + payload
    return stream


def delivery(sent_ns: int, filler: str = "") -> str:
    body = {"roomId": "city:paris", "filler": filler, "sent_ns": sent_ns}
    return "42" + json.dumps(["bike-updated", body], separators=(",", ":"))


def connected(sample_mask: int = 0) -> tuple[Rider, Tally, RecordedTransport]:
    # An origin in the past, so that a payload can have left before now.
    tally = Tally(monotonic_ns() - 10**9)
    rider, transport = Rider(tally, sample_mask), RecordedTransport()
    rider.connection_made(transport)
    return rider, tally, transport


@pytest.mark.parametrize("step", [1, 3, 50, 10_000])
def test_deliveries_are_counted_however_the_stream_is_cut(step: int) -> None:
    rider, tally, _ = connected()
    stream = framed(*(delivery(SENT_BASE, "x" * (n * 40)) for n in range(10)))
    for start in range(0, len(stream), step):
        rider.data_received(stream[start : start + step])
    assert rider.received == tally.latency.count == 10


def test_only_one_of_several_deliveries_is_looked_into() -> None:
    rider, tally, _ = connected(sample_mask=3)
    rider.data_received(framed(*[delivery(SENT_BASE)] * 10))
    assert (rider.received, tally.latency.count) == (10, 2)


def test_latency_is_the_time_since_the_payload_says_it_was_sent() -> None:
    rider, tally, _ = connected()
    rider.data_received(framed(delivery(tally.now() - 5_000_000)))
    assert 5_000_000 <= tally.latency.largest < 1_000_000_000


def test_a_ping_among_deliveries_is_answered() -> None:
    rider, _, transport = connected()
    rider.data_received(framed(delivery(SENT_BASE), "2", delivery(SENT_BASE)))
    assert transport.sent == [b"3"]
    assert rider.received == 2


def test_other_events_are_counted_by_name_and_not_as_deliveries() -> None:
    rider, tally, _ = connected()
    rider.data_received(framed('42["room-reset",{"roomId":"city:paris"}]'))
    assert rider.received == 0
    assert tally.others == {'42["room-reset"': 1}


def test_an_acknowledged_publication_leaves_the_flight_and_lets_the_next_one_start() -> None:
    rider, tally, transport = connected()
    heard: list[Rider] = []
    rider.on_ack = heard.append
    rider.publish(b'["bike-update",{}]', tally.now())
    rider.data_received(framed('431[{"data":{}}]'))
    assert transport.sent == [b'421["bike-update",{}]']
    assert (tally.sent, tally.acked, rider.waiting_acks, heard) == (1, 1, 0, [rider])


def test_a_refused_publication_is_counted_by_its_code() -> None:
    rider, tally, _ = connected()
    rider.publish(b'["bike-update",{}]', tally.now())
    rider.data_received(framed('431[{"error":{"code":"FORBIDDEN","message":"no"}}]'))
    assert tally.refusals == {"FORBIDDEN": 1}


async def test_a_request_gives_its_answer_and_a_refused_one_raises() -> None:
    rider, _, _ = connected()
    asked = asyncio.create_task(rider.ask("join-room", "city:paris"))
    refused = asyncio.create_task(rider.ask("join-room", "city:rome"))
    await asyncio.sleep(0)
    rider.data_received(framed('431[{"data":1}]', '432[{"error":{"code":"FORBIDDEN"}}]'))
    assert await asked == b'[{"data":1}]'
    with pytest.raises(Refusal, match="FORBIDDEN"):
        await refused


async def test_a_lost_connection_ends_the_requests_that_wait() -> None:
    rider, tally, _ = connected()
    asked = asyncio.create_task(rider.ask("join-room", "city:paris"))
    await asyncio.sleep(0)
    rider.connection_lost(None)
    with pytest.raises(Refusal, match="closed"):
        await asked
    assert tally.closed == 1
