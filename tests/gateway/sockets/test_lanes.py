import asyncio
import json
import random

import pytest

from gateway.rooms.outbox import ANSWERS_LIMIT_BYTES
from gateway.rooms.publication import Op, Publication
from gateway.sockets.lanes import WINDOW_LIMIT_SECONDS
from gateway.sockets.rounds import PEERS_PER_TURN
from gateway.sockets.session import Session
from protocol import codec
from protocol.refusals import Goodbye
from tests.gateway.sockets.recorded_door import HIGH_WATER_BYTES, Door
from tests.gateway.sockets.recording_transport import link_of


@pytest.fixture
def door() -> Door:
    return Door()


def numbers_of(texts: list[str]) -> list[object]:
    return [
        json.loads(text[2:])[1]["number"]
        for text in texts
        if text.startswith(('42["bike-updated"', '42["own-event"'))
    ]


def polled(session: Session) -> list[str]:
    assert session.connection.pollbox is not None
    payload = session.connection.pollbox.fetch()
    return payload.decode().split("\x1e") if payload else []


async def test_all_of_an_audience_get_the_same_bytes_in_one_write(door: Door) -> None:
    (_, one), (_, two) = door.enter("one", "r"), door.enter("two", "r")
    for number in range(3):
        door.publish("r", number)
    assert one.written == []
    door.lanes.flush()

    assert one.written == two.written
    assert len(one.written) == 1
    assert numbers_of(one.texts) == [0, 1, 2]
    assert door.metrics.deliveries_fast == 6
    assert door.metrics.bytes_sent == 2 * len(one.written[0])


async def test_the_author_alone_does_not_get_its_own(door: Door) -> None:
    (_, author), (_, other) = door.enter("author", "r"), door.enter("other", "r")
    (_, elsewhere) = door.enter("elsewhere", "r", "s")
    door.publish("r", 1, author="author")
    door.publish("r", 2, author="other")
    door.publish("r", 3)
    door.publish("r", 4, author="somebody on another worker")
    door.lanes.flush()

    assert numbers_of(author.texts) == [2, 3, 4]
    assert numbers_of(other.texts) == [1, 3, 4]
    assert numbers_of(elsewhere.texts) == [1, 2, 3, 4]


async def test_a_slow_author_does_not_get_its_own_either(door: Door) -> None:
    session = door.enter_polling("author", "r")
    door.publish("r", 1, author="author")
    door.publish("r", 2)
    door.lanes.flush()
    door.lanes.drain(session)

    assert numbers_of(polled(session)) == [2]


@pytest.mark.parametrize("seed", range(20))
async def test_every_peer_reads_all_its_rooms_in_the_order_of_publishing_and_none_else(
    door: Door, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - repeatable
    rooms = ["a", "b", "c", "d"]
    peers = {
        f"peer {number}": (
            own := dice.sample(rooms, dice.randint(1, 4)),
            door.enter(f"peer {number}", *own)[1],
        )
        for number in range(12)
    }
    said: list[tuple[int, str, str | None]] = []
    for number in range(60):
        room, author = dice.choice(rooms), dice.choice([*peers, None])
        said.append((number, room, author))
        door.publish(room, number, author=author)
        if dice.random() < 0.1:
            door.lanes.flush()
    door.lanes.flush()

    for name, (own, transport) in peers.items():
        expected = [number for number, room, author in said if room in own and author != name]
        assert numbers_of(transport.texts) == expected, name
    door.engine.wheel.stop()


@pytest.mark.parametrize("peers", [1, PEERS_PER_TURN + 1], ids=["at once", "in rounds"])
async def test_an_audience_that_fails_strands_none_of_the_others(door: Door, peers: int) -> None:
    (_, before), (_, failing) = door.enter("before", "a"), door.enter("failing", "b")
    after = [door.enter(f"after {number}", "c")[1] for number in range(peers)]

    def fail(_data: bytes) -> None:
        raise LookupError("a bug")

    session = door.membership.peers["failing"]
    door.membership.change_lane(session, fail)
    for number in range(2):
        for room in ("a", "b", "c"):
            door.publish(room, number)
    with pytest.raises(LookupError):
        door.lanes.flush()
    for room in ("a", "c"):
        door.publish(room, 2)
    async with asyncio.timeout(15):
        while not all(each.written for each in after):  # noqa: ASYNC110 - they tell nobody
            await asyncio.sleep(0)

    assert numbers_of(before.texts) == [0, 1, 2]
    assert numbers_of(failing.texts) == []
    assert {tuple(numbers_of(each.texts)) for each in after} == {(0, 1, 2)}


async def test_what_is_for_one_peer_comes_after_what_was_gathered_for_it(door: Door) -> None:
    session, transport = door.enter("one", "live")
    door.membership.subscribe(session, "catching-up")
    door.publish("live", 1)
    packet = codec.packet_of("bike-updated", b'{"number":2}')
    door.lanes.send(session, Publication("catching-up", "e", 1, 0, "bike-updated", packet))
    door.lanes.flush()

    assert numbers_of(transport.texts) == [1, 2]


async def test_a_flush_before_going_live_keeps_the_past_from_a_newcomer(door: Door) -> None:
    door.enter("one", "r")
    door.publish("r", "before")
    door.lanes.flush()
    _, newcomer = door.enter("newcomer", "r")
    door.publish("r", "after")
    door.lanes.flush()

    assert numbers_of(newcomer.texts) == ["after"]


async def test_the_batch_that_makes_a_peer_slow_reaches_it_once(door: Door) -> None:
    (session, transport), (_, other) = door.enter("slow", "r"), door.enter("other", "r")
    transport.is_stuck = True
    door.publish("r", "x" * HIGH_WATER_BYTES)
    door.lanes.flush()
    assert session.write is None, "it is in the slow lane now"
    transport.release()

    assert numbers_of(transport.texts) == ["x" * HIGH_WATER_BYTES]
    assert numbers_of(other.texts) == numbers_of(transport.texts)


async def test_a_peer_that_caught_up_gets_what_waited_and_is_fast_again(door: Door) -> None:
    session, transport = door.enter("slow", "r")
    transport.is_stuck = True
    door.publish("r", "x" * HIGH_WATER_BYTES)
    door.lanes.flush()
    for number in range(20):
        door.publish("r", number, event="own-event")
        door.lanes.flush()
    assert len(transport.written) == 1
    assert session.outbox
    transport.release()

    assert session.outbox is None
    assert session.write is not None
    assert session.audience is not None
    assert session in session.audience.fast
    door.publish("r", "live")
    door.lanes.flush()
    assert numbers_of(transport.texts)[1:] == [*range(20), "live"]
    assert door.metrics.deliveries_slow == 20


async def test_a_peer_that_is_slow_again_while_it_catches_up_stays_slow(door: Door) -> None:
    session, transport = door.enter("slow", "r")
    transport.is_stuck = True
    door.publish("r", "x" * HIGH_WATER_BYTES)
    door.lanes.flush()
    for number in range(8):
        door.publish("r", f"{number}" * 1000)
        door.lanes.flush()
    transport.release()
    transport.is_stuck = True
    assert session.outbox is None or not session.outbox, "all of it was taken in one go"
    door.publish("r", "y" * 2 * HIGH_WATER_BYTES)
    door.lanes.flush()
    door.publish("r", "last")
    door.lanes.flush()
    assert session.outbox
    transport.release()

    assert [str(number)[0] for number in numbers_of(transport.texts)] == [*"x01234567yl"]


async def test_of_a_slow_peer_s_bikes_only_the_newest_state_waits(door: Door) -> None:
    session, transport = door.enter("slow", "r")
    transport.is_stuck = True
    door.publish("r", "x" * HIGH_WATER_BYTES)
    door.lanes.flush()
    for number in range(100):
        door.publish("r", number, key=f"bike {number % 2}")
    door.publish("r", "removed", key="bike 0", op=Op.REMOVE)
    door.lanes.flush()
    assert session.outbox is not None
    assert len(session.outbox) == 3
    transport.release()

    assert numbers_of(transport.texts)[1:] == [98, 99, "removed"]


async def test_a_peer_that_reads_nothing_costs_a_bounded_memory_and_a_goodbye(door: Door) -> None:
    session, transport = door.enter("stuck", "r")
    _, other = door.enter("other", "r")
    transport.is_stuck = True
    for number in range(100):
        door.publish("r", f"{number:<1000}", event="own-event")
        door.lanes.flush()
    waiting = sum(map(len, transport.written))
    assert waiting < HIGH_WATER_BYTES + 2000
    assert session.connection.closed
    assert transport.is_closing()
    assert session.id not in door.membership.peers
    goodbye = json.loads(transport.texts[-1][2:])
    assert goodbye[0] == "goodbye"
    assert goodbye[1]["code"] == Goodbye.TOO_SLOW.code
    assert len(numbers_of(other.texts)) == 100, "the others lose nothing"
    assert door.metrics.goodbyes[str(Goodbye.TOO_SLOW.code)] == 1
    door.engine.wheel.stop()


async def test_what_it_was_sent_last_is_cut_off_when_it_still_reads_nothing(door: Door) -> None:
    _, transport = door.enter("stuck", "r")
    transport.is_stuck = True
    for _ in range(100):
        door.publish("r", "x" * 1000, event="own-event")
        door.lanes.flush()
    assert not transport.is_aborted
    for entries in list(door.engine.wheel._slots.values()):  # noqa: SLF001 - no waiting for it
        for due in entries:
            due(1e9)

    assert transport.is_aborted
    door.engine.wheel.stop()


async def test_who_may_not_come_back_is_told_so_in_socket_io_s_own_way(door: Door) -> None:
    (removed, last_words), (sent_off, come_back) = door.enter("a", "r"), door.enter("b", "r")
    door.lanes.dismiss(removed, Goodbye.REMOVED)
    door.lanes.dismiss(sent_off, Goodbye.SHUTTING_DOWN, 1500)

    assert [text[:2] for text in last_words.texts] == ["42", "41"]
    assert [text[:2] for text in come_back.texts] == ["42"]
    assert json.loads(come_back.texts[0][2:])[1] == {
        "code": 3000,
        "reason": Goodbye.SHUTTING_DOWN.reason,
        "reconnectAfterMs": 1500,
    }
    assert door.membership.peers == {}


async def test_a_peer_on_polling_gets_everything_when_it_polls(door: Door) -> None:
    session = door.enter_polling("one", "r", "s")
    for number, room in enumerate("rsrs"):
        door.publish(room, number)
        door.lanes.flush()
    assert polled(session) == []
    door.lanes.drain(session)

    assert numbers_of(polled(session)) == [0, 1, 2, 3]


async def test_an_upgrade_brings_a_peer_into_the_fast_lane_without_a_hole(door: Door) -> None:
    session = door.enter_polling("one", "r")
    door.publish("r", 1)
    door.lanes.flush()
    link, transport = link_of(door.engine, session.connection)
    assert session.connection.probe(link)
    session.connection.hear_text(link, b"2probe")
    door.publish("r", 2)
    door.lanes.flush()
    session.connection.hear_text(link, b"5")
    door.publish("r", 3)
    door.lanes.flush()

    assert transport.texts[0] == "3probe"
    assert numbers_of(transport.texts) == [1, 2, 3]
    assert session.outbox is None
    door.engine.wheel.stop()


async def test_an_answer_does_not_overtake_what_waits(door: Door) -> None:
    session = door.enter_polling("one", "r")
    door.publish("r", 1, key="bike")
    door.lanes.flush()
    door.lanes.answer(session, b'30[{"data":1}]', is_place=True)
    door.publish("r", 2, key="bike")
    door.lanes.flush()
    door.lanes.drain(session)

    assert polled(session) == [
        '42["bike-updated",{"number":1}]',
        '430[{"data":1}]',
        '42["bike-updated",{"number":2}]',
    ]


async def test_answers_that_nobody_fetches_are_bounded(door: Door) -> None:
    session = door.enter_polling("one", "r")
    door.publish("r", 1)
    door.lanes.flush()
    for _ in range(3):
        door.lanes.answer(session, b"30[" + b"1" * ANSWERS_LIMIT_BYTES + b"]")

    assert session.connection.closed


async def test_one_write_that_fails_does_not_take_the_others_publications(door: Door) -> None:
    (_, broken), (_, fine) = door.enter("broken", "r"), door.enter("fine", "r")
    broken.abort()  # its end has not been told to the protocol yet
    door.publish("r", 1)
    door.lanes.flush()

    assert numbers_of(fine.texts) == [1]


async def test_an_idle_gateway_waits_for_nothing_and_a_busy_one_no_longer_than_its_window(
    door: Door,
) -> None:
    _, transport = door.enter("one", "r")
    door.publish("r", 1)
    await asyncio.sleep(0)
    assert numbers_of(transport.texts) == [1]
    for number in range(2, 500):
        door.publish("r", number)
    await asyncio.sleep(WINDOW_LIMIT_SECONDS + 0.05)

    assert len(numbers_of(transport.texts)) == 499
