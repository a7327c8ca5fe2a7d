"""This module owns token buckets, one and by key: so much at once, then so much a second.

A bucket is kept as one number, the moment at which it will be full (the "virtual scheduling" of
ITU-T I.371, annex A), so that a bucket nobody touches needs no care. Times are seconds of any one
clock that never goes back.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

# How many of the longest unused keys a new one looks at: more than one, so that a ledger shrinks.
_LOOKS: Final = 4
# Thousands of additions to a clock that has run for weeks are off by so much; without it the last
# of a burst would be refused.
_ROUNDING_SECONDS: Final = 1e-6


class Allowance:
    """What a bucket holds, and how fast it fills; a `per_second` of 0 is no limit at all.

    `seconds_per_unit` and `depth_seconds`, the time in which an empty bucket fills, are made here
    and shared by all buckets: peers are many.
    """

    __slots__ = ("depth_seconds", "seconds_per_unit")

    def __init__(self, per_second: float, burst: float = 1.0) -> None:
        self.seconds_per_unit = 1.0 / per_second if per_second else 0.0
        self.depth_seconds = burst * self.seconds_per_unit + _ROUNDING_SECONDS


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
        if full_at_seconds < now_seconds:  # noqa: PLR1730 - to call `max` would double the cost
            full_at_seconds = now_seconds
        full_at_seconds += cost * self._seconds_per_unit
        wait_seconds = full_at_seconds - now_seconds - self._depth_seconds
        if wait_seconds > 0.0:
            return wait_seconds
        self._full_at_seconds = full_at_seconds
        return 0.0

    def left(self, now_seconds: float) -> int:
        """How many whole units can be taken right now; of no limit there is no such number."""
        missing_seconds = max(0.0, self._full_at_seconds - now_seconds)
        return int((self._depth_seconds - missing_seconds) / self._seconds_per_unit)

    def rest_seconds(self, now_seconds: float) -> float:
        """How long until it is full; 0.0 when it is."""
        return max(0.0, self._full_at_seconds - now_seconds)


class Resting(Protocol):
    """What is as good as new after a rest, and can then be forgotten."""

    def rest_seconds(self, now_seconds: float) -> float:
        """How long a rest it needs; 0.0 when none."""


Entry = TypeVar("Entry", bound=Resting)


class Ledger(Generic[Entry]):
    """Entries by a key that strangers choose: never more than `keys_limit`, each in constant time.

    The longest unused go first: what has rested at every new key, what has not only when the ledger
    is full. So nobody in debt is forgotten for a newcomer while anybody is remembered who has been
    away for as long as a bucket takes to fill.
    """

    def __init__(self, keys_limit: int) -> None:
        self._keys_limit = keys_limit
        # Not a dict: to find its first key is slow after many first keys were deleted.
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: str) -> Entry | None:
        """The entry of `key`, which is then the one used last."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry, now_seconds: float) -> None:
        """Remember `entry`, in the place of what `key` had."""
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


class Buckets:
    """One bucket of the same allowance for each key."""

    def __init__(self, allowance: Allowance, keys_limit: int) -> None:
        self._allowance = allowance
        self._ledger: Ledger[Bucket] = Ledger(keys_limit)

    def __len__(self) -> int:
        return len(self._ledger)

    def take(self, key: str, cost: float, now_seconds: float) -> float:
        """Take `cost` from the bucket of `key`; as `Bucket.take`."""
        return self.bucket_of(key, now_seconds).take(cost, now_seconds)

    def bucket_of(self, key: str, now_seconds: float) -> Bucket:
        """The bucket of `key`, a full one if it is not remembered."""
        bucket = self._ledger.find(key)
        if bucket is None:
            bucket = Bucket(self._allowance)
            self._ledger.put(key, bucket, now_seconds)
        return bucket
