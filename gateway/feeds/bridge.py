"""This module owns the bridge: it follows the feeds of one system and keeps one room in step.

Every feed is read in a task of its own, at its own pace; what they show is put together in one
picture, and what the picture shows anew is told to the room. A feed that breaks leaves its last
usable reading in the picture: nothing is taken off the map because a server had a bad day.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from typing import Final

import aiohttp
import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from gateway.feeds.discovery import Discovery, Feed, discover
from gateway.feeds.envelope import FeedMalformed
from gateway.feeds.gbfs import STATION_INFORMATION, STATION_STATUS, Document
from gateway.feeds.options import BridgeOptions
from gateway.feeds.picture import Fleet, Picture, fleet_of
from gateway.feeds.progress import Progress, Step, progress_for
from gateway.feeds.publisher import Publisher
from gateway.feeds.reader import Reader, Reading, Trouble
from gateway.feeds.replay import documents_in, gap_seconds
from gateway.feeds.schedule import LONGEST_SECONDS, SHORTEST_SECONDS, backoff_seconds
from gateway.feeds.source import FetchFailed, shown, source_of
from gateway.feeds.teller import Teller

PLACES_WAIT_SECONDS: Final = 10.0

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class BridgeResult(msgspec.Struct, frozen=True):
    """What a run came to: what the room shows, what it was told, and what went wrong."""

    vehicles: int
    stations: int
    published: int
    removed: int
    accepted: int
    repeated: int
    superseded: int
    refused: int
    skipped: int
    snapshots: int
    troubles: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 when something was read and nothing went wrong."""
        return 0 if self.snapshots and not self.troubles else 1


async def run_bridge(options: BridgeOptions) -> BridgeResult:
    """Run until done (`once`, replay) or cancelled; troubles of feeds and gateway do not raise."""
    headers = {"User-Agent": "paceline-bridge"}
    async with aiohttp.ClientSession(headers=headers) as session:
        with progress_for(options.room) as progress:
            bridge = Bridge(options, session, progress)
            if options.replay_path is not None:
                await bridge.replay()
            elif options.once:
                await bridge.follow_once()
            else:
                await bridge.follow_forever()
            return bridge.result()


class Bridge:
    """One system, one room."""

    def __init__(
        self, options: BridgeOptions, session: aiohttp.ClientSession, progress: Progress
    ) -> None:
        self._options = options
        self._session = session
        self._progress = progress
        self._picture = Picture()
        publisher = Publisher(session, options.gateway_url, options.room, options.token)
        self._tellers: dict[Fleet, Teller] = {
            "vehicles": Teller(publisher),
            "stations": Teller(publisher),
        }
        self._readers: dict[Feed, Reader] = {}
        self._troubles: dict[str, str] = {}
        self._publishing = {
            fleet: Trouble("publishing", fleet=fleet, gateway=shown(options.gateway_url))
            for fleet in self._tellers
        }
        self._discovering = Trouble("discovery", address=shown(options.address or ""))
        self._places_tried = asyncio.Event()
        self._skipped = 0
        self._snapshots = 0

    def result(self) -> BridgeResult:
        """What came of it so far."""
        tallies = [teller.tally for teller in self._tellers.values()]

        def total(name: str) -> int:
            return sum(getattr(tally, name) for tally in tallies)

        return BridgeResult(
            vehicles=self._tellers["vehicles"].shown,
            stations=self._tellers["stations"].shown,
            published=total("published"),
            removed=total("removed"),
            accepted=total("accepted"),
            repeated=total("repeated"),
            superseded=total("superseded"),
            refused=total("refused"),
            skipped=self._skipped,
            snapshots=self._snapshots,
            troubles=tuple(f"{what}: {why}" for what, why in self._troubles.items()),
        )

    async def follow_once(self) -> None:
        """Read every feed once, and tell the room."""
        found = await self._discover()
        if found is not None:
            self._expect(found.feeds)
            await asyncio.gather(*(self._step(self._reader_of(feed)) for feed in found.feeds))

    async def follow_forever(self) -> None:
        """Read every feed at its own pace, and see now and then whether they are still the same."""
        found = await self._discover_another(())
        while True:
            self._expect(found.feeds)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._read_forever(feed)) for feed in found.feeds]
                found = await self._discover_another(found.feeds)
                for task in tasks:
                    task.cancel()

    async def replay(self) -> None:
        """Tell a recording's documents one after the other, in the rhythm of their own time."""
        path = self._options.replay_path
        assert path is not None
        before: Document | None = None
        try:
            async for document in documents_in(path, self._skip_line):
                await asyncio.sleep(gap_seconds(before, document, self._options.speed))
                before = document
                await self._take(document.feed, Reading(0.0, document))
        except FetchFailed as error:
            self._note("replay", str(error))
            _log.warning("replay failed", reason=str(error))

    def _skip_line(self, number: int, reason: str) -> None:
        self._skipped += 1
        _log.warning("line skipped", number=number, reason=reason)

    async def _discover(self) -> Discovery | None:
        assert self._options.address is not None
        try:
            found = await discover(self._options.address, partial(source_of, self._session))
        except (FetchFailed, FeedMalformed) as error:
            self._note("discovery", str(error))
            self._discovering.fail(str(error))
            return None
        self._note("discovery", None)
        self._discovering.heal()
        return found

    async def _discover_another(self, known: Sequence[Feed]) -> Discovery:
        """Wait until the address stands for feeds other than the known ones."""
        wait = 0.0 if not known else LONGEST_SECONDS
        while True:
            await asyncio.sleep(wait)
            found = await self._discover()
            if found is None:
                first = self._options.interval_seconds or SHORTEST_SECONDS
                fraction = random.random()  # noqa: S311 - jitter
                wait = backoff_seconds(self._discovering.failures, fraction, first=first)
            elif found.feeds != tuple(known):
                return found
            else:
                wait = LONGEST_SECONDS

    def _expect(self, feeds: Sequence[Feed]) -> None:
        if STATION_INFORMATION not in {feed.name for feed in feeds}:
            self._places_tried.set()

    def _reader_of(self, feed: Feed) -> Reader:
        """The feed's reader, the same one each time: it knows what the server said last."""
        if feed not in self._readers:
            source = source_of(self._session, feed.address)
            interval_seconds = self._options.interval_seconds
            self._readers[feed] = Reader(feed, source, interval_seconds=interval_seconds)
        return self._readers[feed]

    async def _read_forever(self, feed: Feed) -> None:
        reader = self._reader_of(feed)
        while True:
            try:
                pause_seconds = await self._step(reader)
            except Exception:  # noqa: BLE001 - one feed may not end the others
                # A bug in the reading of this feed; the others have no part in it.
                _log.exception("reading a feed went wrong", feed=feed.name)
                pause_seconds = LONGEST_SECONDS
            await asyncio.sleep(pause_seconds)

    async def _step(self, reader: Reader) -> float:
        """Read a feed, tell the room, and answer how long to wait before doing so again."""
        name = reader.feed.name
        try:
            reading = await reader.read()
        finally:
            if name == STATION_INFORMATION:
                self._places_tried.set()
        self._note(name, reading.trouble)
        if name == STATION_STATUS and reading.document is not None:
            await self._wait_for_places()
        await self._take(name, reading)
        return reading.pause_seconds

    async def _wait_for_places(self) -> None:
        """Or all stations would be told twice at the start, the first time without a place."""
        try:
            async with asyncio.timeout(PLACES_WAIT_SECONDS):
                await self._places_tried.wait()
        except TimeoutError:
            self._places_tried.set()  # a server that hangs is waited for once

    async def _take(self, name: str, reading: Reading) -> None:
        """Put a reading into the picture and tell the room all that is owed, also from before."""
        document = reading.document
        if document is not None and self._picture.take(document):
            self._snapshots += 1
            self._skipped += document.skipped
        told = await self._tell(fleet_of(name))
        shown_count = self._tellers[fleet_of(name)].shown
        skipped = 0 if document is None else document.skipped
        step = Step(name, shown_count, told, skipped, reading.trouble, reading.pause_seconds)
        self._progress.show(step)

    async def _tell(self, fleet: Fleet) -> int:
        view = self._picture.view_of(fleet)
        if view is None:
            return 0
        teller = self._tellers[fleet]
        told = await teller.tell(view)
        trouble = teller.tally.trouble
        self._note(f"publishing {fleet}", trouble)
        if trouble is None:
            self._publishing[fleet].heal()
        else:
            self._publishing[fleet].fail(trouble)
        return told

    def _note(self, what: str, trouble: str | None) -> None:
        """Keep the present trouble of one thing for the result; None is the end of it."""
        self._troubles.pop(what, None)
        if trouble is not None:
            self._troubles[what] = trouble
