"""This module owns the sampling of offences: bad input is worth a line, a flood of it is not."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

_WINDOW_SECONDS = 60.0
_EVERYONE = "*"

_log = structlog.stdlib.get_logger("paceline.offences")


class _Window:
    """One minute of one kind of offence, by one address or by everyone."""

    __slots__ = ("began_seconds", "seen", "written")

    def __init__(self, began_seconds: float) -> None:
        self.began_seconds = began_seconds
        self.seen = 0
        self.written = 0


class Offences:
    """Writes at most so many lines a minute for one kind of offence; counts what it leaves out.

    One address may cause `lines_per_address` of them, all addresses together `lines_per_kind`.
    How many were left out is told when the minute is over and anything else is noted.
    """

    def __init__(
        self,
        lines_per_address: int = 5,
        lines_per_kind: int = 100,
        windows_limit: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lines_per_address = lines_per_address
        self._lines_per_kind = lines_per_kind
        self._windows_limit = windows_limit
        self._clock = clock
        # In the order in which they began, hence in the order in which they end.
        self._windows: dict[tuple[str, str], _Window] = {}

    def note(self, kind: str, address: str, **details: object) -> None:
        """Write one warning named `kind`, unless there were enough. `kind` comes from our code."""
        now_seconds = self._clock()
        self._close_windows(now_seconds)
        everyone = self._window(kind, _EVERYONE, now_seconds)
        everyone.seen += 1
        if len(self._windows) < self._windows_limit or (kind, address) in self._windows:
            own = self._window(kind, address, now_seconds)
            own.seen += 1
            if own.written >= self._lines_per_address:
                return
        else:
            own = _Window(now_seconds)  # too many addresses to tell apart: one limit for them all
        if everyone.written >= self._lines_per_kind:
            return
        own.written += 1
        everyone.written += 1
        _log.warning(kind, address=address, **details)

    def flush(self) -> None:
        """Tell what was left out, without waiting for the end of the minute."""
        self._close_windows(float("inf"))

    def _window(self, kind: str, address: str, now_seconds: float) -> _Window:
        window = self._windows.get((kind, address))
        if window is None:
            window = self._windows[kind, address] = _Window(now_seconds)
        return window

    def _close_windows(self, now_seconds: float) -> None:
        while self._windows:
            key = next(iter(self._windows))
            window = self._windows[key]
            if now_seconds - window.began_seconds < _WINDOW_SECONDS:
                return
            del self._windows[key]
            self._tell_of(key, window)

    def _tell_of(self, key: tuple[str, str], window: _Window) -> None:
        kind, address = key
        suppressed = window.seen - window.written
        # One line for each kind and none for each address: those may be as many as a flood has.
        if suppressed and address == _EVERYONE:
            _log.warning("offences_suppressed", kind=kind, suppressed=suppressed)
