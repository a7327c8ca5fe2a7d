"""This module owns rounds: a batch's way through a crowd, some hundred peers in each loop turn.

To write to thousands takes tens of milliseconds, in which nobody else would be heard. A round
keeps the peers that an audience had when the batch was handed over, and who of them still waits;
what comes to the audience meanwhile gathers behind it. So a peer gets its batches in order, each
once, whatever becomes of the audience; one that is to be sent something by itself, or that is
about to read other rooms, is given its share of every round first (`catch_up`).
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.rooms.membership import Audience, Peer
    from gateway.rooms.publication import Publication

# About 3 ms of system calls, which is what others may have to wait for. A count and not a time:
# uvloop makes the calls at the end of the turn, where no clock of ours sees them.
PEERS_PER_TURN: Final = 512

# A publication, its frame, and what stands behind it.
Item = tuple["Publication", bytes, bytes]
Batch = Sequence[Item]


class Round:
    """A batch, its bytes, and the peers that still wait for it."""

    __slots__ = ("audience", "batch", "data", "waiting")

    def __init__(
        self, audience: Audience, batch: Batch, data: bytes, but_not: Collection[Peer]
    ) -> None:
        self.audience = audience
        self.batch = batch
        self.data = data
        self.waiting: dict[Peer, None] = {**dict.fromkeys(audience.fast), **audience.slow}
        for peer in but_not:
            self.waiting.pop(peer, None)


class Rounds:
    """The rounds under way, the oldest first; `give` hands one peer its share of one round.

    It says whether that was written at once; `note` is told how often it was, a turn at a time.
    `done` is told of an audience when the last round that it had under way is over.
    """

    def __init__(
        self,
        give: Callable[[Peer, Batch, bytes], bool],
        note: Callable[[int, Batch, bytes], None],
        done: Callable[[Audience], None],
    ) -> None:
        self._give = give
        self._note = note
        self._done = done
        self._rounds: collections.deque[Round] = collections.deque()
        self._handle: asyncio.Handle | None = None

    def __len__(self) -> int:
        return len(self._rounds)

    @property
    def audiences(self) -> list[Audience]:
        """Those that have a round under way, each once."""
        return list(dict.fromkeys(each.audience for each in self._rounds))

    def begin(self, each: Round) -> None:
        """Take on one more; it begins after all others, in the next turn of the loop."""
        self._rounds.append(each)
        each.audience.rounds += 1
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_soon(self._go_on)

    def catch_up(self, peer: Peer) -> None:
        """Give a peer all that it still waits for."""
        for each in tuple(self._rounds):
            if peer in each.waiting:
                del each.waiting[peer]
                if self._give(peer, each.batch, each.data):
                    self._note(1, each.batch, each.data)

    def _go_on(self) -> None:
        self._handle = None
        try:
            self._give_some(PEERS_PER_TURN)
        finally:  # whatever befalls one peer, the others are still waiting
            if self._rounds and self._handle is None:
                self._handle = asyncio.get_running_loop().call_soon(self._go_on)

    def _give_some(self, left: int) -> None:
        while left and self._rounds:
            each = self._rounds[0]
            written = 0
            while left and each.waiting:
                peer, _ = each.waiting.popitem()
                written += self._give(peer, each.batch, each.data)
                left -= 1
            self._note(written, each.batch, each.data)
            if not each.waiting:
                self._rounds.popleft()
                each.audience.rounds -= 1
                if not each.audience.rounds:
                    self._done(each.audience)
