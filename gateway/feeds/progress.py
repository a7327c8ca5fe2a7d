"""This module owns how the bridge shows its work: a live table on a terminal, else log lines."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import msgspec
import structlog
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from structlog.typing import FilteringBoundLogger

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class Step(msgspec.Struct, frozen=True):
    """One reading of one feed and what the room was told in consequence."""

    feed: str
    shown: int = 0  # vehicles or stations that the room shows now
    told: int = 0
    skipped: int = 0
    trouble: str | None = None
    pause_seconds: float | None = None


class Progress(Protocol):
    """Whoever wants to see the steps."""

    def show(self, step: Step) -> None: ...


class LineProgress:
    """A log line for each step that told the room something."""

    def show(self, step: Step) -> None:
        if step.told:
            _log.info(
                "room told", feed=step.feed, told=step.told, shown=step.shown, skipped=step.skipped
            )


class TableProgress:
    """A row for each feed, renewed in place."""

    def __init__(self, room: str, live: Live) -> None:
        self._room = room
        self._live = live
        self._steps: dict[str, Step] = {}
        self._told: dict[str, int] = {}

    def show(self, step: Step) -> None:
        self._steps[step.feed] = step
        self._told[step.feed] = self._told.get(step.feed, 0) + step.told
        self._live.update(self._table())

    def _table(self) -> Table:
        table = Table("feed", "in the room", "told", "in all", "skipped", "next", "state")
        table.title = Text(f"GBFS to {self._room}")
        for step in self._steps.values():
            pause = "" if step.pause_seconds is None else f"{step.pause_seconds:.0f} s"
            counts = (step.shown, step.told, self._told[step.feed], step.skipped)
            state = Text(step.trouble or "well")  # as it is: no markup from a server far away
            table.add_row(step.feed, *map(str, counts), pause, state)
        return table


def progress_for(room: str, console: Console | None = None) -> AbstractContextManager[Progress]:
    """A table when standard output is a terminal, log lines otherwise."""
    console = console or Console(file=sys.stdout)
    if not console.is_terminal:
        return nullcontext(LineProgress())
    return _Table(room, console)


class _Table:
    """Keeps the table on the screen as long as the context lasts."""

    def __init__(self, room: str, console: Console) -> None:
        self._room = room
        self._live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> Progress:
        self._live.start()
        return TableProgress(self._room, self._live)

    def __exit__(self, *exception: object) -> None:
        self._live.stop()
