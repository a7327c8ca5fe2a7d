"""This module owns one worker process as its supervisor sees it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from gateway.workers.berth import CLOSED, READY

_LOOK_SECONDS: Final = 1.0


class Program(NamedTuple):
    """How a worker is started; what follows are `--slot`, `--listeners` and `--line`."""

    command: Sequence[str]
    environ: Mapping[str, str]


class Child:
    """A worker process. Its status is that of `subprocess`: below 0 it is the signal's number."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self.started_seconds = asyncio.get_running_loop().time()
        self._lines = 0  # how many it has said
        self._ready, self._closed = asyncio.Event(), asyncio.Event()
        self._hearing = asyncio.create_task(self._hear())
        self._ending = asyncio.create_task(self._end())

    @classmethod
    async def start(cls, program: Program, slot: int, listeners: Sequence[socket.socket]) -> Child:
        """Start one, with a line to it, and sockets to listen at. Raises `OSError`."""
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as unless_started, theirs:
            unless_started.enter_context(ours)
            descriptors = [listener.fileno() for listener in listeners]
            process = await asyncio.create_subprocess_exec(
                *program.command,
                f"--slot={slot}",
                f"--listeners={','.join(map(str, descriptors))}",
                f"--line={theirs.fileno()}",
                env=dict(program.environ),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[*descriptors, theirs.fileno()],
                # What a terminal sends to everybody at once is the supervisor's to pass on.
                start_new_session=True,
            )
            unless_started.pop_all()
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer)

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """How it ended; None while it lives."""
        return self._process.returncode

    async def is_ready(self, limit_seconds: float) -> bool:
        """Wait until it serves; False when it has ended instead, or taken too long."""
        await self._until(self._ready, limit_seconds)
        return self._ready.is_set()

    async def closed(self) -> None:
        """Wait until it accepts no more connections, or has ended."""
        await self._until(self._closed)

    async def _until(self, said: asyncio.Event, limit_seconds: float | None = None) -> None:
        """Wait until it has said something, or will say nothing any more."""
        waiting = asyncio.create_task(said.wait())
        await asyncio.wait(
            [waiting, self._hearing], timeout=limit_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        waiting.cancel()

    def order(self, order: bytes) -> None:
        """Tell it something; it may have ended."""
        if not self._writer.is_closing():
            self._writer.write(order)

    async def ended(self) -> None:
        """Wait until it has ended."""
        await asyncio.shield(self._ending)

    async def ended_or_stuck(self, limit_seconds: float) -> bool:
        """Wait until it has ended; True when it serves and has said nothing for so long instead.

        Counted in turns of our own: a machine that was asleep is no worker's fault.
        """
        heard, quiet_seconds = self._lines, 0.0
        while quiet_seconds < limit_seconds:
            await asyncio.wait([self._ending], timeout=_LOOK_SECONDS)
            if self._ending.done():
                return False
            if self._lines == heard and self._ready.is_set():
                quiet_seconds += _LOOK_SECONDS
            else:
                heard, quiet_seconds = self._lines, 0.0
        return True

    async def ended_within(self, limit_seconds: float) -> None:
        """Wait until it has ended, by itself or by SIGKILL."""
        _, living = await asyncio.wait([self._ending], timeout=limit_seconds)
        if living:
            self.kill()
            await self.ended()

    def kill(self) -> None:
        """SIGKILL; harmless when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _hear(self) -> None:
        with contextlib.suppress(OSError):
            async for line in self._reader:
                self._lines += 1
                if line == READY:
                    self._ready.set()
                elif line == CLOSED:
                    self._closed.set()

    async def _end(self) -> None:
        await self._process.wait()
        self._writer.close()
        await self._hearing
