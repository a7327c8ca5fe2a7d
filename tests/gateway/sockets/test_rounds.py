import asyncio
import random

import pytest

from gateway.rooms.publication import Publication
from gateway.sockets import lanes, rounds
from gateway.sockets.session import Session
from protocol import codec
from tests.gateway.sockets.recorded_door import Door
from tests.gateway.sockets.recording_transport import RecordingTransport
from tests.gateway.sockets.test_lanes import numbers_of, polled

# A few of these are more than a transport takes before its peer counts as slow.
PADDING = "x" * 700


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    """Where a single peer is a crowd already, and one of them is written to in a turn."""
    monkeypatch.setattr(lanes, "PEERS_PER_TURN", 0)
    monkeypatch.setattr(rounds, "PEERS_PER_TURN", 1)
    return Door(outbox_limit_bytes=10**6)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_crowd_is_written_to_bit_by_bit(door: Door) -> None:
    transports = [door.enter(f"peer {number}", "r")[1] for number in range(10)]
    door.publish("r", 1)
    door.lanes.flush()
    for reached in range(10):
        assert sum(bool(transport.written) for transport in transports) == reached
        await turns(1)
    assert all(numbers_of(transport.texts) == [1] for transport in transports)
    assert door.metrics.deliveries_fast == 10


async def test_what_comes_meanwhile_travels_together_behind_it(door: Door) -> None:
    transports = [door.enter(f"peer {number}", "r")[1] for number in range(4)]
    for number in range(4):
        door.publish("r", number)
        door.lanes.flush()
    await turns(20)

    assert all(numbers_of(transport.texts) == [0, 1, 2, 3] for transport in transports)
    assert all(len(transport.written) == 2 for transport in transports)


async def test_a_small_audience_does_not_wait_for_a_crowd(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "PEERS_PER_TURN", 2)
    crowd = [door.enter(f"peer {number}", "crowded")[1] for number in range(5)]
    _, alone = door.enter("alone", "quiet")
    door.publish("crowded", 1)
    door.publish("quiet", 2)
    door.lanes.flush()

    assert numbers_of(alone.texts) == [2]
    assert not any(transport.written for transport in crowd)
    await turns(10)


async def test_what_has_set_out_behind_a_round_is_not_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "PEERS_PER_TURN", 2)
    door = Door()
    _, _ = door.enter("peer 1", "crowded"), door.enter("peer 2", "crowded")
    (_, late), (_, other) = door.enter("late", "late"), door.enter("other", "other")
    door.publish("crowded", 1)
    door.publish("late", 2)  # more than is written at once
    door.lanes.flush()
    door.publish("late", 3)  # it follows as soon as the round is over, which is before the flush
    door.publish("other", 4)
    await turns(10)
    door.publish("other", 5)
    await turns(10)

    assert numbers_of(late.texts) == [2, 3]
    assert numbers_of(other.texts) == [4, 5]


async def test_who_leaves_during_a_round_has_had_its_share_and_gets_no_more(door: Door) -> None:
    members = [door.enter(f"peer {number}", "r") for number in range(5)]
    door.publish("r", 1)
    door.lanes.flush()
    door.publish("r", 2)
    for session, transport in members:
        door.lanes.hand_over(session)
        assert numbers_of(transport.texts) == [1, 2]
        door.membership.unsubscribe(session, "r")
    await turns(20)

    assert all(numbers_of(transport.texts) == [1, 2] for _, transport in members)


async def test_nothing_is_written_to_who_has_gone_during_a_round(door: Door) -> None:
    members = [door.enter(f"peer {number}", "r") for number in range(3)]
    door.publish("r", 1)
    door.lanes.flush()
    for session, _ in members:
        door.membership.forget(session)
    await turns(10)

    assert not any(transport.written for _, transport in members)


async def test_a_transport_that_has_just_closed_does_not_end_the_round(door: Door) -> None:
    members = [door.enter(f"peer {number}", "r") for number in range(3)]
    members[1][1].close()
    door.publish("r", 1, author="peer 1")
    door.publish("r", 2, author="peer 2")
    door.lanes.flush()
    await turns(10)

    assert numbers_of(members[0][1].texts) == [1, 2]
    assert numbers_of(members[2][1].texts) == [1]


async def test_what_befalls_one_peer_does_not_keep_the_others_waiting(door: Door) -> None:
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    members = [door.enter(f"peer {number}", "r") for number in range(3)]

    def fail(_data: bytes) -> None:
        raise ValueError

    door.membership.change_lane(members[1][0], fail)
    door.publish("r", 1)
    door.lanes.flush()
    await turns(10)

    assert [numbers_of(transport.texts) for _, transport in members] == [[1], [], [1]]
    assert len(faults) == 1


class Commotion:
    """Peers that come, go, stall and poll while rounds are under way, and what each should get."""

    def __init__(self, door: Door, dice: random.Random) -> None:
        self.door = door
        self.dice = dice
        self.rooms = ["a", "b", "c"]
        self.sessions: list[Session] = []
        self.transports: dict[Session, RecordingTransport] = {}
        self.polled: dict[Session, list[str]] = {}
        self.expected: dict[Session, list[object]] = {}
        self.said = 0
        for number in range(12):
            own = dice.sample(self.rooms, dice.randint(0, 3))
            if number < 3:
                session = door.enter_polling(f"peer {number}", *own)
                self.polled[session] = []
            else:
                session, self.transports[session] = door.enter(f"peer {number}", *own)
            self.sessions.append(session)
            self.expected[session] = []

    def _next(self) -> str:
        self.said += 1
        return f"{self.said} {PADDING}"

    def publish(self) -> None:
        room, author = self.dice.choice(self.rooms), self.dice.choice([*self.sessions, None])
        number = self._next()
        for session in self.sessions:
            if room in session.subscriptions and session is not author:
                self.expected[session].append(number)
        self.door.publish(room, number, author.id if author else None, event="own-event")

    def flush(self) -> None:
        self.door.lanes.flush()

    def send(self) -> None:
        session, number = self.dice.choice(self.sessions), self._next()
        packet = codec.packet_of("own-event", b'{"number":"%b"}' % number.encode())
        self.door.lanes.send(session, Publication("elsewhere", "e", 1, 0, "own-event", packet))
        self.expected[session].append(number)

    def join(self) -> None:
        session, room = self.dice.choice(self.sessions), self.dice.choice(self.rooms)
        if room not in session.subscriptions:
            self.door.lanes.hand_over(session)
            self.door.membership.go_live(self.door.membership.subscribe(session, room))

    def leave(self) -> None:
        session, room = self.dice.choice(self.sessions), self.dice.choice(self.rooms)
        if room in session.subscriptions:
            self.door.lanes.hand_over(session)
            self.door.membership.unsubscribe(session, room)

    def stall(self) -> None:
        self.dice.choice([*self.transports.values()]).is_stuck = True

    def release(self) -> None:
        self.dice.choice([*self.transports.values()]).release()

    def poll(self) -> None:
        session = self.dice.choice([*self.polled])
        self.door.lanes.drain(session)
        self.polled[session] += polled(session)

    async def calm_down(self) -> None:
        self.flush()
        await turns(1000)
        for transport in self.transports.values():
            transport.release()
        for session, texts in self.polled.items():
            while session.outbox:
                self.door.lanes.drain(session)
                texts.extend(polled(session))
            texts.extend(polled(session))

    def got(self, session: Session) -> list[object]:
        texts = self.polled.get(session)
        return numbers_of(self.transports[session].texts if texts is None else texts)


@pytest.mark.parametrize("seed", range(60))
async def test_whatever_happens_during_rounds_everybody_gets_everything_once_and_in_order(
    door: Door, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - repeatable
    commotion = Commotion(door, dice)
    acts = [commotion.publish] * 8 + [
        commotion.flush,
        commotion.send,
        commotion.join,
        commotion.leave,
        commotion.stall,
        commotion.release,
        commotion.poll,
    ]
    for _ in range(250):
        dice.choice(acts)()
        await turns(dice.choice([0, 0, 0, 1, 1, 4]))
    await commotion.calm_down()

    for session in commotion.sessions:
        assert commotion.got(session) == commotion.expected[session], session.id
    assert sum(map(len, commotion.expected.values())) > 300
    door.engine.wheel.stop()
