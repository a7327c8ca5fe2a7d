"""This module owns two well-behaved peers in a process of their own, and how they get on.

`python -m tests.fuzz.canary PORT` publishes until its standard input ends, then prints one line:
how many publications were sent, how many came, and the times they took, in ms. A time in which this
process itself was not given a processor says nothing about the gateway, and is left out.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Final

from tests.toolbox.raw_client import RawSocket
from tests.toolbox.strict_gateway import BYSTANDER, ask, entered

_EVERY_SECONDS: Final = 0.05
_LATE_SECONDS: Final = 0.02
_LAST_WAIT_SECONDS: Final = 3.0
_LIFE_SECONDS: Final = 86_400.0  # longer than anybody lets strangers in


class Canary:
    """Counts what it sends and what comes."""

    def __init__(self) -> None:
        self.sent = 0
        self.times_ms: list[float] = []
        self.received = 0
        self._noisy_until_seconds = 0.0

    async def sing(self, source: RawSocket, stop: asyncio.Event) -> None:
        """Publish steadily; notice when the machine is too busy to do so."""
        due = time.monotonic()
        while not stop.is_set():
            due += _EVERY_SECONDS
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            if now - due > _LATE_SECONDS:
                self._noisy_until_seconds, due = now + _EVERY_SECONDS, now
            self.sent += 1
            body = json.dumps({"roomId": "canary", "sent": now})
            source.say(f'42["bike-update",{body}]')

    async def listen(self, listener: RawSocket) -> None:
        """Take the times."""
        while True:
            text = await listener.hear(_LIFE_SECONDS)
            now = time.monotonic()
            if text.startswith('42["bike-updated"'):
                self.received += 1
                sent = json.loads(text[2:])[1]["sent"]
                if sent > self._noisy_until_seconds:
                    self.times_ms.append(1000 * (now - sent))


async def _stay_alive(source: RawSocket) -> None:
    """It has no questions, so nothing but pings comes, and those are answered on the way."""
    await source.hear(_LIFE_SECONDS)


async def main(port: int) -> None:
    """Run until standard input ends."""
    canary, stop = Canary(), asyncio.Event()
    listener, source = await entered(port, BYSTANDER), await entered(port, BYSTANDER)
    await ask(listener, "join-room", "canary")
    print("ready", flush=True)  # noqa: T201 - to the process that waits for it
    listening = asyncio.create_task(canary.listen(listener))
    alive = asyncio.create_task(_stay_alive(source))
    singing = asyncio.create_task(canary.sing(source, stop))
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await singing
    deadline = time.monotonic() + _LAST_WAIT_SECONDS
    while canary.received < canary.sent and time.monotonic() < deadline:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0.01)
    problem = next((repr(task.exception()) for task in (listening, alive) if task.done()), None)
    result = {"sent": canary.sent, "received": canary.received, "problem": problem}
    print(json.dumps(result | {"times_ms": sorted(canary.times_ms)}))  # noqa: T201
    for task in (listening, alive):
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
