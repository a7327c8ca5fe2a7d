"""This module owns one worker process as its supervisor sees it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.workers.berth import READY


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
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(limit_seconds):
                return await self._reader.readline() == READY
        return False

    def order(self, order: bytes) -> None:
        """Tell it something; it may have ended."""
        with contextlib.suppress(OSError):
            self._writer.write(order)

    async def ended(self) -> None:
        """Wait until it has ended."""
        await asyncio.shield(self._ending)

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

    async def _end(self) -> None:
        await self._process.wait()
        self._writer.close()
