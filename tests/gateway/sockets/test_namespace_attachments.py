"""Events with binary attachments that come faster than the peer may speak."""

import asyncio
import json
from typing import Any

from tests.gateway.sockets.test_namespace import ask, entered, running
from tests.toolbox.raw_client import BINARY, RawSocket, masked_frame

PLACE = '{"_placeholder":true,"num":0}'
PICTURE = f'451-7["publish",{{"roomId":"r","event":"picture","data":{PLACE}}}]'
ALBUM = f'453-7["publish",{{"roomId":"r","event":"album","data":[{PLACE}]}}]'


async def answer_of(peer: RawSocket) -> dict[str, Any]:
    """What the ack of the event with attachments holds."""
    packet = await peer.hear()
    assert packet.startswith("437["), packet
    answer: dict[str, Any] = json.loads(packet[3:])[0]
    return answer


async def test_an_attachment_beyond_the_pace_is_refused_and_the_peer_goes_on() -> None:
    # A bucket of 5,000 bytes: the first attachment fits, and the second does not.
    async with running(
        PACELINE_MESSAGE_LIMIT_BYTES="5000",
        PACELINE_BYTES_PER_SECOND_PER_PEER="5000",
        PACELINE_BYTES_BURST_PER_PEER="5000",
    ) as (_, port):
        peer = await entered(port)
        peer.say(ALBUM)
        peer.write(masked_frame(bytes(3000), BINARY) + masked_frame(bytes(3000), BINARY))
        assert await peer.hear_all(0.1) == [], "one more is to come"
        peer.write(masked_frame(b"three", BINARY))
        answer = await answer_of(peer)

        assert answer["error"]["code"] == "TOO_FAST"
        assert answer["error"]["details"]["retryAfterMs"] > 0
        assert "data" in await ask(peer, "presence", "r")


async def test_an_event_beyond_the_pace_takes_its_attachments_with_it() -> None:
    async with running(
        PACELINE_MESSAGES_PER_SECOND_PER_PEER="20", PACELINE_MESSAGES_BURST_PER_PEER="2"
    ) as (_, port):
        peer = await entered(port)
        for number in range(2):
            assert "data" in await ask(peer, "presence", "r"), number
        peer.say(PICTURE)
        peer.write(masked_frame(b"picture", BINARY))
        assert (await answer_of(peer))["error"]["code"] == "TOO_FAST"
        await asyncio.sleep(0.2)
        peer.say(PICTURE)
        peer.write(masked_frame(b"picture", BINARY))

        assert "data" in await answer_of(peer)


async def test_whose_attachments_never_stop_is_sent_off_with_a_time_to_come_back_at() -> None:
    async with running(
        PACELINE_MESSAGES_PER_SECOND_PER_PEER="1", PACELINE_MESSAGES_BURST_PER_PEER="1"
    ) as (_, port):
        peer = await entered(port)
        for _ in range(2000):
            peer.say(PICTURE)
            peer.write(masked_frame(b"picture", BINARY))
        heard = await peer.hear_all()
        last = json.loads(heard[-1][2:])

        assert any('"TOO_FAST"' in packet for packet in heard)
        assert last[0] == "goodbye"
        assert last[1]["code"] == 3003
        assert last[1]["reconnectAfterMs"] > 0
