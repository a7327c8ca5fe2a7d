import pytest

from gateway.sockets.binary import ATTACHMENTS_LIMIT_BYTES, BinaryEvent
from gateway.sockets.packets import packet_of
from protocol.refusals import Refusal, Refused


def event_of(text: str) -> BinaryEvent:
    return BinaryEvent(packet_of(text.encode()))


def test_an_event_is_whole_when_all_that_was_announced_has_come() -> None:
    placeholders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
    binary = event_of(f'52-17["publish",{placeholders}]')
    assert not binary.is_whole
    binary.add(b"one")
    assert not binary.is_whole
    binary.add(b"two")

    assert binary.is_whole
    assert binary.attachments == [b"one", b"two"]
    assert binary.event().name == "publish"
    assert (binary.ack_id, binary.event().ack_id) == (b"17", b"17")


def test_an_event_that_announced_nothing_is_whole_at_once() -> None:
    binary = event_of('50-["publish",1]')

    assert binary.is_whole
    assert binary.ack_id == b""
    assert [bytes(argument) for argument in binary.event().arguments] == [b"1"]


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
