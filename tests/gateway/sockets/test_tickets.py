from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.memory_sessions import MemorySessions
from gateway.broker.sessions import Record
from gateway.sockets import tickets
from gateway.sockets.session import Session
from gateway.sockets.tickets import Ticket, TicketOffice
from protocol.cursor import Cursor
from tests.gateway.sockets.recorded_door import Door
from tests.toolbox import virtual_time

KEY, HOLDER = "key", "subject ann"


class Store(MemorySessions):
    """Counts, and is away when it is told to be."""

    def __init__(self) -> None:
        super().__init__(120.0, time.monotonic)
        self.saves: list[list[Record]] = []
        self.is_away = False
        self.is_quick = asyncio.Event()
        self.is_quick.set()

    async def save(self, entries: Sequence[tuple[str, Record]]) -> list[str]:
        await self.is_quick.wait()
        if self.is_away:
            raise BrokerUnavailable
        self.saves.append([record for _, record in entries])
        return await super().save(entries)


class Desk:
    """One peer with a ticket, at a door."""

    def __init__(self) -> None:
        self.door = Door()
        self.store = Store()
        self.lost: list[Session] = []
        self.office = TicketOffice(self.store, "worker")
        self.session, _ = self.door.enter("peer")
        self.session.has_offsets = True
        self.door.membership.add(self.session)
        self.ticket = self.office.issue(self.session, KEY, HOLDER, self.office.next_keeper())

    def join(self, room: str, offset: int | None = None) -> None:
        subscription = self.door.membership.subscribe(self.session, room)
        if offset is not None:
            subscription.confirmed = Cursor("epoch", offset, 0)
        place = Cursor("epoch", offset or 0, 0)
        subscription.catch_up(place)
        self.door.membership.rooms[room].stand_at(place)
        self.door.membership.go_live(subscription)

    async def saved(self) -> dict[str, str]:
        await self.ticket.kept()
        return self.store.saves[-1][-1].rooms


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    await desk.office.stop()
    desk.door.engine.wheel.stop()


async def test_a_record_says_who_it_is_and_how_far_it_has_come(desk: Desk) -> None:
    desk.join("a", 3)
    desk.join("b")

    assert await desk.saved() == {"a": "epoch.3.00000000", "b": ""}
    claimed = await desk.store.claim(KEY, HOLDER, "elsewhere.1")
    subject = desk.session.identity.subject
    assert claimed == Record("peer", subject, HOLDER, "worker.1", _places(desk.ticket))


async def test_all_changes_of_a_turn_are_one_save(desk: Desk) -> None:
    tickets = [desk.ticket]
    for number in range(5):
        session, _ = desk.door.enter(f"peer {number}")
        tickets.append(desk.office.issue(session, f"key {number}", HOLDER, f"worker.x{number}"))
    for _ in range(3):
        for ticket in tickets:
            ticket.note()
    await desk.ticket.kept()

    assert [len(records) for records in desk.store.saves] == [6]


async def test_what_has_changed_just_before_the_end_is_saved_as_it_was(desk: Desk) -> None:
    desk.join("a", 3)
    desk.ticket.note()
    desk.office.drop(desk.ticket)
    desk.door.membership.forget(desk.session)
    desk.ticket.note()  # by something that was still under way
    await desk.ticket.kept()
    await desk.office.stop()

    assert [record.rooms for records in desk.store.saves for record in records] == [
        {"a": "epoch.3.00000000"}
    ]


async def test_who_goes_while_its_record_is_in_line_is_saved_as_it_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "_SESSIONS_PER_SAVE", 1)
    desk.join("a", 3)
    other, _ = desk.door.enter("other")
    desk.office.issue(other, "another key", HOLDER, "worker.x").note()
    desk.ticket.note()
    desk.store.is_quick.clear()
    await asyncio.sleep(0)  # the other one's is being saved
    desk.office.drop(desk.ticket)
    desk.door.membership.forget(desk.session)
    desk.store.is_quick.set()
    await desk.office.stop()

    assert [record.rooms for records in desk.store.saves for record in records] == [
        {},
        {"a": "epoch.3.00000000"},
    ]


async def test_who_waits_is_told_when_it_cannot_be_saved(desk: Desk) -> None:
    desk.store.is_away = True
    with pytest.raises(BrokerUnavailable):
        await desk.ticket.kept()
    desk.store.is_away = False
    await desk.office.renew()

    assert len(desk.store.saves) == 1


async def test_who_does_not_come_back_leaves_nothing_and_nobody_waiting(desk: Desk) -> None:
    waiting = asyncio.create_task(desk.ticket.kept())
    await asyncio.sleep(0)
    desk.office.drop(desk.ticket)
    desk.office.end(desk.ticket)
    async with asyncio.timeout(5):
        await waiting
        await desk.office.stop()

    assert len(desk.store) == 0


async def test_what_an_answered_ping_has_proved_is_confirmed(desk: Desk) -> None:
    desk.join("a", 1)
    desk.join("b")
    desk.door.publish("a", 1)
    await asyncio.sleep(0)  # it is written
    ticket, connection = desk.ticket, desk.session.connection
    ticket.confirm(100.0)
    desk.door.publish("a", 2)
    await asyncio.sleep(0)
    ticket.confirm(110.0)
    assert _places(ticket) == {"a": "epoch.1.00000000", "b": ""}, "nothing is proved"
    connection.proved_seconds = 100.0
    ticket.confirm(120.0)
    assert _places(ticket) == {"a": "epoch.1.00000000", "b": ""}, "the ping was not behind it"
    connection.proved_seconds = 105.0
    ticket.confirm(130.0)

    assert _places(ticket) == {"a": "epoch.1.00000000", "b": "epoch.0.00000000"}
    assert await desk.saved() == _places(ticket)
    connection.proved_seconds = 131.0
    ticket.confirm(140.0)
    assert _places(ticket) == {"a": "epoch.2.00000000", "b": "epoch.0.00000000"}


async def test_what_waits_to_be_written_is_not_proved(desk: Desk) -> None:
    desk.join("a", 0)
    desk.door.publish("a", 1)
    desk.ticket.confirm(100.0)  # it is gathered, and not written
    desk.session.connection.proved_seconds = 200.0
    desk.ticket.confirm(210.0)

    assert _places(desk.ticket) == {"a": "epoch.0.00000000"}


def _places(ticket: Ticket) -> dict[str, str]:
    return ticket.record().rooms


async def test_who_is_taken_over_without_having_been_told_learns_it_from_the_store(
    desk: Desk,
) -> None:
    desk.office.start(1000.0, desk.lost.append)
    await desk.ticket.kept()
    await desk.store.claim(KEY, HOLDER, "elsewhere.1")
    await desk.office.renew()

    assert desk.lost == [desk.session]


def test_records_are_saved_again_while_their_peers_are_there() -> None:
    async def pass_time() -> Desk:
        desk = Desk()
        desk.office.start(40.0, desk.lost.append)
        await asyncio.sleep(130.0)
        await desk.office.stop()
        desk.door.engine.wheel.stop()
        return desk

    desk = virtual_time.run(pass_time())

    assert len(desk.store.saves) == 3
    assert desk.lost == []
