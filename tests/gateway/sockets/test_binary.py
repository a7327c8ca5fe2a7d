import pytest

from gateway.sockets.binary import ATTACHMENTS_LIMIT_BYTES, BinaryEvent
from gateway.sockets.packets import packet_of
from protocol import events
from protocol.refusals import Refusal, Refused


def event_of(text: str) -> BinaryEvent:
    return BinaryEvent(packet_of(text.encode()))


def test_an_event_is_whole_when_all_that_was_announced_has_come() -> None:
    placeholders = '[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    binary = event_of(f'52-17["publish",{{"roomId":"r","event":"e","data":{placeholders}}}]')
    assert not binary.is_whole
    binary.add(b"one")
    assert not binary.is_whole
    binary.add(b"two")

    assert binary.is_whole
    assert binary.attachments == [b"one", b"two"]
    event = binary.event()
    assert isinstance(event, events.Publish)
    assert bytes(event.data) == placeholders.encode()
    assert binary.ack_id == b"17"


def test_an_event_that_announced_nothing_is_whole_at_once() -> None:
    binary = event_of('50-["publish",{"roomId":"r","event":"e","data":1}]')

    assert binary.is_whole
    assert binary.ack_id == b""
    assert binary.event().room_id == "r"


def test_an_update_with_attachments_is_no_bike_s_state() -> None:
    binary = event_of('51-["bike-update",{"roomId":"r","bike_id":"b","op":"remove"}]')
    binary.add(b"picture")
    event = binary.event()

    assert isinstance(event, events.BikeUpdate)
    assert (event.key, event.removes) == (None, False)
    assert event.payload == b'{"roomId":"r","bike_id":"b","op":"remove"}'


def test_an_event_that_takes_no_attachments_is_refused() -> None:
    binary = event_of('50-["presence","r"]')

    with pytest.raises(Refused, match="takes no binary attachments"):
        binary.event()


@pytest.mark.parametrize("refused_at", [0, 1, 2])
def test_an_event_that_was_refused_on_the_way_keeps_nothing_and_waits_for_the_rest(
    refused_at: int,
) -> None:
    too_fast = Refused(Refusal.TOO_FAST, retry_after_ms=5)
    packet = packet_of(b'52-7["publish",{"roomId":"r","event":"e"}]')
    binary = BinaryEvent(packet, too_fast if refused_at == 0 else None)
    binary.add(b"one", too_fast if refused_at == 1 else None)
    assert not binary.is_whole
    binary.add(b"two", Refused(Refusal.TOO_FAST) if refused_at else None)

    assert binary.is_whole
    assert len(binary.attachments) <= 1
    with pytest.raises(Refused) as refused:
        binary.event()
    assert (refused.value is too_fast) == (refused_at < 2)


def test_what_is_too_much_is_not_kept_and_refused() -> None:
    binary = event_of('53-["publish",1]')
    for _ in range(3):
        binary.add(bytes(ATTACHMENTS_LIMIT_BYTES // 2 + 1))

    assert sum(map(len, binary.attachments)) <= ATTACHMENTS_LIMIT_BYTES
    with pytest.raises(Refused) as refused:
        binary.event()
    assert refused.value.refusal is Refusal.TOO_LARGE


@pytest.mark.parametrize("number", ["-1", "1", "0.5", '"0"', "null", "true"])
def test_a_placeholder_that_points_nowhere_is_refused(number: str) -> None:
    binary = event_of(f'51-["publish",{{"_placeholder":true,"num":{number}}}]')
    binary.add(b"data")

    with pytest.raises(Refused) as refused:
        binary.event()
    assert refused.value.refusal is Refusal.MALFORMED
