import pytest

from gateway.sockets.roster import Roster
from gateway.sockets.server import Server


@pytest.fixture
def roster() -> Roster:
    manager: Roster = Server().manager
    manager.initialize()
    return manager


async def let_in(roster: Roster, eio_sid: str, namespace: str = "/ops") -> str:
    sid: str = await roster.pre_connect(eio_sid, namespace)
    await roster.connect(sid, namespace)
    return sid


async def test_whoever_is_not_accepted_yet_hears_no_broadcast(roster: Roster) -> None:
    inside = await let_in(roster, "one")
    pending: str = await roster.pre_connect("two", "/ops")

    assert [sid for sid, _ in roster.get_participants("/ops", None)] == [inside]
    assert [sid for sid, _ in roster.get_participants("/ops", pending)] == [pending]

    await roster.connect(pending, "/ops")
    assert {sid for sid, _ in roster.get_participants("/ops", None)} == {inside, pending}


async def test_a_peer_s_rooms_are_known_from_its_side(roster: Roster) -> None:
    sid = await let_in(roster, "one")
    await roster.enter_room(sid, "/ops", "a")
    await roster.enter_room(sid, "/ops", "b")
    await roster.leave_room(sid, "/ops", "a")

    assert set(roster.get_rooms(sid, "/ops")) == {sid, "b"}


async def test_leaving_touches_no_room_but_one_s_own(roster: Roster) -> None:
    sid, other = await let_in(roster, "one"), await let_in(roster, "two")
    await roster.enter_room(sid, "/ops", "shared")
    await roster.enter_room(other, "/ops", "shared")
    for number in range(1000):
        await roster.enter_room(other, "/ops", f"room {number}")
    touched = list[str]()
    original = roster.basic_leave_room

    def watched(sid: str, namespace: str, room: str) -> None:
        touched.append(room)
        original(sid, namespace, room)

    roster.basic_leave_room = watched  # type: ignore[method-assign] # looks over its shoulder

    await roster.disconnect(sid, "/ops", ignore_queue=True)

    assert set(touched) == {None, sid, "shared"}
    assert [sid for sid, _ in roster.get_participants("/ops", "shared")] == [other]
    assert not roster.is_connected(sid, "/ops")


async def test_nothing_is_left_of_those_who_came_and_went(roster: Roster) -> None:
    for number in range(10):
        sid = await let_in(roster, f"engine {number}")
        await roster.enter_room(sid, "/ops", f"room {number}")
        await roster.disconnect(sid, "/ops", ignore_queue=True)

    assert roster.rooms == {}
    assert roster.pending_connect == {}
    assert roster.pending_disconnect == {}
    assert roster._rooms_of == {}  # noqa: SLF001 - that it is empty shows nowhere else


async def test_an_ack_that_nobody_waits_for_is_dropped(roster: Roster) -> None:
    sid = await let_in(roster, "one")
    answered = list[object]()
    ack_id = roster._generate_ack_id(sid, answered.append)  # noqa: SLF001 - as `call` does

    await roster.trigger_callback(sid, 0, [])
    await roster.trigger_callback(sid, 999, [])
    await roster.trigger_callback("nobody", 1, [])
    await roster.trigger_callback(sid, ack_id, ["answer"])
    await roster.trigger_callback(sid, ack_id, ["twice"])

    assert answered == ["answer"]
    assert roster._generate_ack_id(sid, answered.append) == ack_id + 1  # noqa: SLF001
