"""This module owns how everybody is sent off: a few at a time, each with a time to come back at."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.sockets.session import Session
from protocol.refusals import Goodbye

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.rooms.membership import Peer
    from gateway.sockets.lanes import Lanes

Leaver = TypeVar("Leaver")

_BATCH_SECONDS: Final = 0.1
# A gateway with few peers need not take its time: so many may leave with each batch.
_BATCH_LEAST_PEERS: Final = 10
# On top of the spreading over batches, for clients that come back at once.
_RETURN_SPREAD_MS: Final = 2000


def batch_size(peer_count: int, seconds_left: float) -> int:
    """How many have to leave now for all to have left in time."""
    batches_left = max(1, math.ceil(seconds_left / _BATCH_SECONDS))
    return max(_BATCH_LEAST_PEERS, math.ceil(peer_count / batches_left))


async def in_batches(
    staying: Callable[[], Sequence[Leaver]],
    see_off: Callable[[Leaver], None],
    spread_seconds: float,
) -> None:
    """See off all who stay, also those that come meanwhile, within `spread_seconds`.

    Those who stand first in `staying()` go first; who is seen off has to be gone from it.
    """
    loop = asyncio.get_running_loop()
    end_seconds = loop.time() + spread_seconds
    while True:
        left = staying()
        size = batch_size(len(left), end_seconds - loop.time())
        for leaver in left[:size]:
            see_off(leaver)
        if len(left) <= size:
            return
        await asyncio.sleep(_BATCH_SECONDS)


async def send_off(peers: Mapping[str, Peer], lanes: Lanes, spread_seconds: float) -> None:
    """Say goodbye to all `peers` within `spread_seconds`; who has been here for longest goes first.

    Each is told to come back at a time of its own.
    """

    def staying() -> list[Session]:
        sessions = [peer for peer in peers.values() if isinstance(peer, Session)]
        return [session for session in sessions if not session.connection.closed]

    def see_off(session: Session) -> None:
        wait_ms = random.randrange(_RETURN_SPREAD_MS)  # noqa: S311 - spreading, not secrecy
        lanes.dismiss(session, Goodbye.SHUTTING_DOWN, wait_ms)

    await in_batches(staying, see_off, spread_seconds)
