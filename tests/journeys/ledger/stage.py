"""A run: a fleet with members and publishers, something that is broken meanwhile, and the verdict.

    async with on_stage(folder, 7, workers_of(folder, 3, REDIS_URL=...)) as stage:
        async with stage.fault("a worker is killed"):
            ...
    assert stage.verdict.anomalies == []

Leaving the context is the quiet end: what was broken is whole again, a last publication goes to
every room, and everybody is waited for, though not for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp

from tests.journeys.ledger.attendance import Attendance
from tests.journeys.ledger.members import RawMember
from tests.journeys.ledger.official import OfficialMember
from tests.journeys.ledger.publishers import Backend, Desk, Publisher, Rider, session_for_many
from tests.journeys.ledger.readings import Reach
from tests.journeys.ledger.records import Book, ForeignBook, Record, in_order
from tests.journeys.ledger.verdict import Verdict, judge
from tests.toolbox import programs
from tests.toolbox.fleet import MEMBER, Fleet, lag_of, until_ready
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.riders import RiderProcess

LOOK_SECONDS: Final = 0.1
PRESENCE_SECONDS: Final = 10.0
LAG_SECONDS: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who takes part. The rate is that of each publisher, on average, while all is well."""

    rooms: int = 4
    raw_members: int = 8
    official_members: int = 2
    javascript_members: int = 4
    transports: str = "websocket"
    balancer: str = "haproxy"
    backends: int = 4
    riders: int = 2
    pause_seconds: float = 0.1
    patience_seconds: float = 15.0  # how long everybody is waited for, before the verdict


class Stage:
    """What a journey may do while everything goes on."""

    def __init__(self, fleet: Fleet, book: Book, dice: Random, cast: Cast) -> None:
        self.fleet, self.book, self.dice, self.cast = fleet, book, dice, cast
        self.company = contextlib.AsyncExitStack()  # what stays until the verdict
        self.rooms = [f"room:{number}" for number in range(cast.rooms)]
        self.verdict: Verdict
        self.records: list[Record] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._publishing: set[asyncio.Task[None]] = set()
        self._foreign: list[ForeignBook] = []
        self._pairs_of_all = 0  # (member, room)

    @contextlib.asynccontextmanager
    async def fault(self, name: str, *, may_reset: bool = False) -> AsyncIterator[None]:
        """Something is broken from the beginning of this context to its end."""
        self.book.note("nemesis", "fault_start", reason=name, may_reset=may_reset)
        try:
            yield
        finally:
            self.book.note("nemesis", "fault_stop", reason=name)

    def a_worker(self) -> GatewayProcess:
        return self.dice.choice(self.fleet.workers)

    def received_since(self, at: float) -> set[tuple[str, str]]:
        """(member, room) of what has been received of what was published after that moment."""
        records = self._records_since(at)
        begun = {record.id for record in records if record.kind == "pub_invoke"}
        return {
            (record.who, record.room)
            for record in records
            if record.kind == "recv" and record.id in begun
        }

    def expect(self, pairs: int, book: ForeignBook | None = None) -> None:
        """Reckon with so many more readings, which another process may keep the book of."""
        self._pairs_of_all += pairs
        self._foreign += [] if book is None else [book]

    async def until_all_are_in(
        self, since: float = 0.0, patience_seconds: float | None = None
    ) -> None:
        """Return when every member has joined all its rooms since then."""
        async with asyncio.timeout(patience_seconds or self.cast.patience_seconds):
            while self.join_count_since(since) < self._pairs_of_all:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(LOOK_SECONDS)

    async def until_all_hear(self, since: float | None = None) -> None:
        """Return when every member has something of each room that was begun since then, or now."""
        at = time.monotonic() if since is None else since
        async with asyncio.timeout(self.cast.patience_seconds):
            while len(self.received_since(at)) < self._pairs_of_all:  # noqa: ASYNC110 - the same
                await asyncio.sleep(LOOK_SECONDS)

    def join_count_since(self, at: float) -> int:
        """How many pairs of a member and a room have joined since then."""
        records = self._records_since(at)
        return len({(record.who, record.room) for record in records if record.kind == "join_ok"})

    # ---- how it begins and ends

    def begin(self, work: Coroutine[Any, Any, None], *, publishes: bool = False) -> None:
        task = asyncio.create_task(work)
        (self._publishing if publishes else self._tasks).add(task)

    async def end_publishing(self) -> None:
        await _end(self._publishing)

    async def end(self) -> None:
        await _end(self._tasks)

    async def observe_lag_forever(self) -> None:
        while True:
            for index, worker in enumerate(self.fleet.workers):
                name = f"worker {index}"
                if (lag := await lag_of(worker)) is not None:
                    self.book.note("observer", "lag", reason=name, seconds=lag.late_seconds)
                    self.book.note("observer", "busy", reason=name, seconds=lag.busy_seconds)
            await asyncio.sleep(LAG_SECONDS)

    def all_records(self) -> list[Record]:
        return in_order(self._books())

    def _records_since(self, at: float) -> list[Record]:
        return [
            record
            for book in self._books()
            for record in book[bisect_right(book, at, key=lambda record: record.at) :]
        ]

    def _books(self) -> list[list[Record]]:
        return [self.book.records, *(book.read() for book in self._foreign)]


@contextlib.asynccontextmanager
async def on_stage(
    folder: Path,
    seed: int,
    workers: Sequence[GatewayProcess],
    cast: Cast | None = None,
    reach: Reach | None = None,
) -> AsyncIterator[Stage]:
    """A run; its verdict is there when the context has been left."""
    cast, dice = cast or Cast(), Random(seed)  # noqa: S311 - it has to repeat itself
    fleet, book = Fleet(folder, workers, cast.balancer), Book(folder / "book.jsonl")
    stage = Stage(fleet, book, dice, cast)
    async with stage.company as stack:
        stack.callback(book.close)
        stack.callback(fleet.kill)
        await fleet.start()
        await _raise_curtain(stage, folder)
        yield stage
        await _come_to_rest(stage)
    stage.records = stage.all_records()
    stage.verdict = judge(stage.records, reach)


async def _raise_curtain(stage: Stage, folder: Path) -> None:
    """Bring everybody in, and return when all hear each other."""
    cast, dice, book, url = stage.cast, stage.dice, stage.book, stage.fleet.url
    session = await stage.company.enter_async_context(session_for_many())
    stage.company.push_async_callback(stage.end)
    stage.company.push_async_callback(stage.end_publishing)
    for number in range(cast.raw_members):
        attendance = Attendance(f"raw {number}", stage.rooms, book)
        member = RawMember(attendance, stage.fleet.balancer.port, Random(dice.random()))  # noqa: S311 - the same
        stage.begin(member.live_forever())
    for number in range(cast.official_members):
        attendance = Attendance(f"python {number}", stage.rooms, book)
        stage.begin(OfficialMember(attendance, session, url, _transports_of(cast)).live_forever())
    if cast.javascript_members:
        command = [str(programs.node()), "ledger-member.mjs", url, MEMBER, cast.transports]
        written = folder / "javascript.jsonl"
        command += [str(cast.javascript_members), *stage.rooms]
        stage.company.enter_context(RiderProcess(written, *command))
        stage.expect(cast.javascript_members * cast.rooms, ForeignBook(written))
    stage.expect((cast.raw_members + cast.official_members) * cast.rooms)
    await stage.until_all_are_in()
    publishers: list[Publisher] = [
        *(Backend(f"backend {n}", book, session, url) for n in range(cast.backends)),
        *(Rider(f"rider {n}", book, session, url) for n in range(cast.riders)),
    ]
    for publisher in publishers:
        desk = Desk(publisher.name, stage.rooms, Random(dice.random()))  # noqa: S311 - the same
        work = publisher.publish_forever(desk, cast.pause_seconds, Random(dice.random()))  # noqa: S311 - the same
        stage.begin(work, publishes=True)
    stage.begin(stage.observe_lag_forever())
    await stage.until_all_hear()


def _transports_of(cast: Cast) -> list[str]:
    return ["polling", "websocket"] if cast.transports == "default" else [cast.transports]


async def _come_to_rest(stage: Stage) -> None:
    """Heal, be quiet, say a last word in every room, and wait until all have heard it."""
    for worker in stage.fleet.workers:
        await until_ready(worker)
    # who hears nothing is for the judge to tell
    with contextlib.suppress(TimeoutError):
        await stage.until_all_hear()
    await stage.end_publishing()
    at = time.monotonic()
    async with session_for_many() as session:
        closer = Backend("last word", stage.book, session, stage.fleet.url)
        desk = Desk(closer.name, stage.rooms, stage.dice)
        for room in stage.rooms:
            await closer.publish(desk.next(room))
        with contextlib.suppress(TimeoutError):
            await stage.until_all_hear(at)
        await _count_heads(stage, session)
    stage.book.note("stage", "end")


async def _count_heads(stage: Stage, session: aiohttp.ClientSession) -> None:
    """Ask who is in each room, until it is as many as there should be, or the time is over."""
    members = stage.cast.raw_members + stage.cast.official_members + stage.cast.javascript_members
    asker = Rider("head count", stage.book, session, stage.fleet.url)
    until = time.monotonic() + PRESENCE_SECONDS
    for room in stage.rooms:
        while True:
            peers = await asker.present(room)
            if (peers and len(peers) == members) or time.monotonic() > until:
                break
            await asyncio.sleep(LOOK_SECONDS)
        stage.book.note(asker.name, "presence", room=room, peers=peers)


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel all; one that had failed raises here, so that no actor dies unnoticed."""
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    tasks.clear()
    for result in results:
        if isinstance(result, Exception):
            raise result
