"""This module owns how fast peers, identities and addresses may go, and whose haste ends in goodbye.

A bucket holds a burst and fills again at a steady rate. It is kept as one number, the moment at
which it will be full (the "virtual scheduling" form of ITU-T I.371, annex A), so that a bucket
nobody touches needs no care. Times are seconds of any one clock that never goes back.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from gateway.identity import Identity, Role
from gateway.settings import Settings
from protocol.refusals import Refusal, Refused

# Addresses, or identities, that one worker tells apart; about 350 bytes each.
KEYS_LIMIT: Final = 65_536
# How many of the longest unused keys each new one looks at: more than one, so that a table shrinks.
_LOOKS: Final = 4
# A refused message of this size tries our patience twice as much as an empty one.
_PATIENCE_UNIT_BYTES: Final = 1024.0


class Allowance(msgspec.Struct, frozen=True):
    """So much at once, then so much a second; a `per_second` of 0 is no limit at all."""

    per_second: float
    burst: float = 1.0

    @property
    def seconds_per_unit(self) -> float:
        return 1.0 / self.per_second if self.per_second else 0.0

    @property
    def depth_seconds(self) -> float:
        """How long an empty bucket takes to be full."""
        return self.burst * self.seconds_per_unit


NO_LIMIT: Final = Allowance(0.0)
# Refusals that a peer is forgiven. The burst is what an honest client, a long way off, may have
# sent by the time it hears the first no; a flood is through with it in a tenth of a second.
PATIENCE: Final = Allowance(per_second=100.0, burst=1000.0)


class Bucket:
    """What is left of one allowance; full at first. The arithmetic of no limit needs no branch."""

    __slots__ = ("_depth_seconds", "_full_at_seconds", "_seconds_per_unit")

    def __init__(self, allowance: Allowance) -> None:
        self._seconds_per_unit = allowance.seconds_per_unit
        self._depth_seconds = allowance.depth_seconds
        self._full_at_seconds = -math.inf

    def take(self, cost: float, now_seconds: float) -> float:
        """Take `cost` and return 0.0; or take nothing and return how many seconds to wait for it.

        A cost above the burst is never allowed, however long one waits.
        """
        full_at_seconds = self._full_at_seconds
        if full_at_seconds < now_seconds:
            full_at_seconds = now_seconds
        full_at_seconds += cost * self._seconds_per_unit
        wait_seconds = full_at_seconds - now_seconds - self._depth_seconds
        if wait_seconds > 0.0:
            return wait_seconds
        self._full_at_seconds = full_at_seconds
        return 0.0

    def rest_seconds(self, now_seconds: float) -> float:
        """How long until it is full; 0.0 when it is."""
        return max(0.0, self._full_at_seconds - now_seconds)


class Resting(Protocol):
    """What is as good as new after a rest, and can then be forgotten."""

    def rest_seconds(self, now_seconds: float) -> float:
        """How long a rest it needs; 0.0 when none."""


Entry = TypeVar("Entry", bound=Resting)


class Ledger(Generic[Entry]):
    """Entries by a key that strangers choose: never more than `keys_limit`, at O(1) for each.

    The longest unused go first: those that have rested at every new key, one that has not only when
    the table is full. So nobody in debt is forgotten for the sake of a newcomer as long as anybody
    has been away for the time that a bucket takes to fill.
    """

    def __init__(self, make: Callable[[], Entry], keys_limit: int = KEYS_LIMIT) -> None:
        self._make = make
        self._keys_limit = keys_limit
        # Not a dict: finding its first key is slow after many first keys were deleted.
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def of(self, key: str, now_seconds: float) -> Entry:
        """The entry of `key`, made new when there is none."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._make()
            self.put(key, entry, now_seconds)
        else:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry, now_seconds: float) -> None:
        """Keep `entry`, in place of what `key` had."""
        entries = self._entries
        entries.pop(key, None)
        for oldest in list(islice(entries, _LOOKS)):
            if not entries[oldest].rest_seconds(now_seconds):
                del entries[oldest]
        if len(entries) >= self._keys_limit:
            entries.popitem(last=False)
        entries[key] = entry

    def pop(self, key: str) -> Entry | None:
        """Give the entry of `key` away, if there is one."""
        return self._entries.pop(key, None)


class PeerPace:
    """How fast one peer may go, and how much of our patience is left."""

    __slots__ = ("_bytes", "_identities", "_joins", "_messages", "_patience", "_subject")

    def __init__(
        self,
        messages: Bucket,
        message_bytes: Bucket,
        joins: Bucket,
        identities: Ledger[Bucket] | None = None,
        subject: str = "",
    ) -> None:
        self._messages = messages
        self._bytes = message_bytes
        self._joins = joins
        self._patience = Bucket(PATIENCE)
        self._identities = identities  # shared by all peers of the worker; None: no such limit
        self._subject = subject

    def take_message(self, size_bytes: int, now_seconds: float) -> float:
        """Take one message of that size; 0.0, or how many seconds to wait for it."""
        wait_seconds = self._messages.take(1.0, now_seconds) or self._bytes.take(
            size_bytes, now_seconds
        )
        if self._identities is None or wait_seconds:
            return wait_seconds
        return self._identities.of(self._subject, now_seconds).take(1.0, now_seconds)

    def take_join(self, now_seconds: float) -> float:
        """Take one join, besides the message that asks for it; 0.0, or the seconds to wait."""
        return self._joins.take(1.0, now_seconds)

    def try_patience(self, size_bytes: int, now_seconds: float) -> bool:
        """Count a refused message of that size; False when it is time for `Goodbye.TOO_FAST`."""
        cost = 1.0 + size_bytes / _PATIENCE_UNIT_BYTES
        return not self._patience.take(cost, now_seconds)

    def rest_seconds(self, now_seconds: float) -> float:
        """How long until everything is forgotten; 0.0 when nothing is held against the peer."""
        buckets = (self._messages, self._bytes, self._joins, self._patience)
        return max(bucket.rest_seconds(now_seconds) for bucket in buckets)


class Pacing:
    """The limits of one worker, and the memory of those whom they have stopped."""

    def __init__(self, settings: Settings, keys_limit: int = KEYS_LIMIT) -> None:
        self._messages, self._bytes, self._joins = peer_allowances_of(settings)
        per_identity = Allowance(
            settings.messages_per_second_per_identity, settings.messages_burst_per_identity
        )
        handshakes = Allowance(
            settings.handshakes_per_second_per_address, settings.handshakes_burst_per_address
        )
        self._identities: Ledger[Bucket] | None = None
        if per_identity.per_second:
            self._identities = Ledger(lambda: Bucket(per_identity), keys_limit)
        self._addresses: Ledger[Bucket] | None = None
        if handshakes.per_second:
            self._addresses = Ledger(lambda: Bucket(handshakes), keys_limit)
        self._sent_off: OrderedDict[str, PeerPace] = OrderedDict()
