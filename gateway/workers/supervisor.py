"""This module owns the workers of one host: it starts them, replaces them, and sees them off.

It serves nobody itself. A worker that ends unasked is started again: at once, and after a growing
pause when it does not live long. One that is stuck is ended: it serves nobody, and what comes to
its sockets waits for its successor. SIGTERM and SIGINT have all of them leave; SIGHUP replaces one
after the other, each by one that serves before it has to go.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from gateway.workers.berth import HURRY, LEAVE, LEAVE_UNANNOUNCED, REPLACED
from gateway.workers.child import Child, Program
from gateway.workers.listening import SharedPort

logger = structlog.get_logger(__name__)

_FAILED: Final = 1
_LONG_LIFE_SECONDS: Final = 30.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 15.0
# Longer, and the connections that wait at a worker's sockets are better off with the others.
_PATIENCE_OF_CLIENTS_SECONDS: Final = 1.0


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """How long a worker may take, in seconds."""

    start: float = 60.0
    silence: float = 30.0
    leave: float


def pause_after(short_lives: int) -> float:
    """How long to wait before a worker is started again, after so many that ended early."""
    if short_lives < 2:  # noqa: PLR2004 - once is an accident
        return 0.0
    pause_seconds: float = _FIRST_PAUSE_SECONDS * 2 ** min(short_lives - 2, 10)
    return min(pause_seconds, _LONGEST_PAUSE_SECONDS)


class Supervisor:
    """So many workers at one port."""

    def __init__(self, program: Program, port: SharedPort, count: int, times: Times) -> None:
        self._program = program
        self._times = times
        self._slots = [_Slot(number, port) for number in range(count)]
        self._stop = asyncio.Event()
        self._stop_order = LEAVE
        self._tending: list[asyncio.Task[None]] = []
        self._rolling: asyncio.Task[None] | None = None

    async def run(self, announce: Callable[[], None]) -> int:
        """Supervise until SIGTERM or SIGINT; return the exit status.

        That is 0 when every worker went politely. `announce` is called once all of them serve.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop, LEAVE)
        loop.add_signal_handler(signal.SIGINT, self.stop, LEAVE_UNANNOUNCED)
        loop.add_signal_handler(signal.SIGHUP, self.roll)
        try:
            children = [await self._start(slot) for slot in self._slots]
            ready = await asyncio.gather(*(child.is_ready(self._times.start) for child in children))
            if not any(ready):
                logger.error("! no worker could be started")
                await self._see_off()
                return max(_FAILED, *(child.status or 0 for child in children))
            announce()
            self._tending = [asyncio.create_task(self._tend(slot)) for slot in self._slots]
            await self._stop.wait()
            logger.info("= stopping")
            for task in (tasks := [*self._tending, *filter(None, [self._rolling])]):
                task.cancel()
            await asyncio.wait(tasks)
            return await self._see_off()
        finally:
            for slot in self._slots:
                slot.close()

    def stop(self, order: bytes) -> None:
        """Have all workers leave; asked again, have it over with."""
        if self._stop.is_set():
            for slot in self._slots:
                slot.order(HURRY)
        self._stop_order = order
        self._stop.set()

    def roll(self) -> None:
        """Replace one worker after the other; asked too early or while it is done, do nothing."""
        if not self._tending or (self._rolling is not None and not self._rolling.done()):
            logger.warning("! workers are being started or replaced already")
        else:
            self._rolling = asyncio.create_task(self._roll())

    # ---- the life of a slot

    async def _start(self, slot: _Slot) -> Child:
        child = await Child.start(self._program, slot.number, slot.listen())
        slot.children.append(child)
        logger.info("= worker started", slot=slot.number, process=child.process_id)
        return child

    async def _tend(self, slot: _Slot) -> None:
        """Have a worker in a slot, always."""
        loop = asyncio.get_running_loop()
        short_lives = 0
        while True:
            child = slot.children[-1]
            if await child.ended_or_stuck(self._times.silence):
                logger.error("! worker is stuck", slot=slot.number, process=child.process_id)
                child.kill()
                await child.ended()
            async with slot.lock:  # while it is being replaced, its end is nobody's concern
                slot.children.remove(child)
                life_seconds = loop.time() - child.started_seconds
                short_lives = 0 if life_seconds > _LONG_LIFE_SECONDS else short_lives + 1
                pause_seconds = pause_after(short_lives)
                # One that was asked to leave has done what it was to do.
                log = logger.error if child.status else logger.info
                log(
                    "! worker ended" if child.status else "= worker left",
                    slot=slot.number,
                    process=child.process_id,
                    status=child.status,
                    started_again_in_seconds=pause_seconds,
                )
                await self._start_after(pause_seconds, slot)

    async def _start_after(self, pause_seconds: float, slot: _Slot) -> None:
        """Start a worker, now or later; when the system cannot do it, try again and again."""
        while True:
            if pause_seconds > _PATIENCE_OF_CLIENTS_SECONDS:
                slot.close()
            await asyncio.sleep(pause_seconds)
            try:
                await self._start(slot)
            except OSError as error:
                logger.warning("! no worker to be started", slot=slot.number, why=str(error))
                pause_seconds = min(
                    2 * pause_seconds + _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS
                )
            else:
                return

    async def _roll(self) -> None:
        logger.info("= replacing workers")
        for slot in self._slots:
            async with slot.lock:
                old = slot.children[-1]
                if not await self._is_second_ready(slot):
                    logger.error("! the new worker does not start, the old ones stay")
                    return
                old.order(REPLACED)
                # The old one may take its time, and the new one is needed meanwhile.
                self._tending[slot.number].cancel()
                self._tending[slot.number] = asyncio.create_task(self._tend(slot))
            await old.ended_within(self._times.leave)
            slot.children.remove(old)
        logger.info("= workers replaced")

    async def _is_second_ready(self, slot: _Slot) -> bool:
        """Start another worker in a slot; False, and there is none, when it does not serve."""
        try:
            new = await self._start(slot)
        except OSError as error:
            logger.warning("! no worker to be started", slot=slot.number, why=str(error))
            return False
        if await new.is_ready(self._times.start):
            return True
        new.kill()
        await new.ended()
        slot.children.remove(new)
        return False

    async def _see_off(self) -> int:
        """Have all leave, and wait for it."""
        statuses = await asyncio.gather(*map(self._see_slot_off, self._slots))
        return _FAILED if any(statuses) else 0

    async def _see_slot_off(self, slot: _Slot) -> bool:
        """Whether one of its workers did not go politely."""
        slot.order(self._stop_order)
        await asyncio.gather(
            self._close_when_left(slot),
            *(child.ended_within(self._times.leave) for child in slot.children),
        )
        return any(child.status for child in slot.children)

    async def _close_when_left(self, slot: _Slot) -> None:
        """Whoever comes then is better off with a worker that is still there to answer."""
        for child in slot.children:
            await child.closed()
        slot.close()


class _Slot:
    """A place for one worker, and for a second one while the first is being replaced."""

    def __init__(self, number: int, port: SharedPort) -> None:
        self.number = number
        self.lock = asyncio.Lock()
        self.children: list[Child] = []  # the newest last
        self._port = port
        self._listeners: list[socket.socket] = []

    def listen(self) -> list[socket.socket]:
        """The sockets of the slot, which outlive its workers."""
        if not self._listeners:
            self._listeners = self._port.listen()
        return self._listeners

    def close(self) -> None:
        """Leave what comes to other slots."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    def order(self, order: bytes) -> None:
        """Tell every worker in it something."""
        for child in self.children:
            child.order(order)
