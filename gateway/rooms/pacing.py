"""This module owns how fast peers, identities and addresses may go, and whose haste is the end.

Of a peer: messages, their bytes, joins. Of an identity: the messages of all its peers. Of an
address: handshakes. A peer that is stopped hears `TOO_FAST`, and goodbye when our patience is
through. A backend (role `service`) has no limits as a peer: its token was given by the operator, it
speaks for many, and what it sends is wanted. As an identity it has the limits of all others.
"""

from __future__ import annotations

import math
from ipaddress import IPv6Address, ip_address
from typing import Final

from gateway.identity import Identity, Role
from gateway.rooms.buckets import Allowance, Bucket, Buckets, Ledger
from gateway.settings import Settings
from protocol.refusals import Refusal, Refused

# Addresses, or identities, that one worker tells apart.
KEYS_LIMIT: Final = 65_536
# Refusals that a peer is forgiven. The burst is what an honest client, a long way off, may have
# sent by the time it hears the first no; a flood is through with it in a tenth of a second.
PATIENCE: Final = Allowance(per_second=100.0, burst=1000.0)
# A refused message of this size counts twice: to read it and drop it costs that much more.
_PATIENCE_UNIT_BYTES: Final = 1024.0
# One home or one machine is given a whole such network, so it counts as one address (RFC 6177).
_HOST_BITS: Final = 64

# Whoever needs less of a rest than this has spent so little that it need not be remembered.
_WORTH_REMEMBERING_SECONDS: Final = 0.1

_NO_LIMIT: Final = Allowance(per_second=0.0)


class PeerPace:
    """How fast one peer may go, and how much of our patience is left."""

    __slots__ = (
        "_bytes",
        "_identities",
        "_joins",
        "_messages",
        "_patience",
        "_subject",
        "is_free",
    )

    def __init__(
        self,
        allowances: tuple[Allowance, Allowance, Allowance],
        subject: str,
        identities: Buckets | None,
    ) -> None:
        self._messages, self._bytes, self._joins = map(Bucket, allowances)
        self._patience: Bucket | None = None  # nearly nobody ever needs it
        self._subject = subject
        self._identities = identities  # of all peers together; None: no such limit
        # Whether there is no limit to what it may say: it need not be asked for each message.
        self.is_free = identities is None and not any(
            allowance.seconds_per_unit for allowance in allowances[:2]
        )

    def take_message(self, size_bytes: int, now_seconds: float) -> float:
        """Take one message of that size; 0.0, or how many seconds to wait for it."""
        wait_seconds = self._messages.take(1.0, now_seconds) or self._bytes.take(
            size_bytes, now_seconds
        )
        if wait_seconds or self._identities is None:
            return wait_seconds
        return self._identities.take(self._subject, 1.0, now_seconds)

    def take_join(self, now_seconds: float) -> float:
        """Take one join, besides the message that asks for it; 0.0, or the seconds to wait."""
        return self._joins.take(1.0, now_seconds)

    def try_patience(self, size_bytes: int, now_seconds: float) -> bool:
        """Count a refused message of that size; False when it is time for `Goodbye.TOO_FAST`."""
        if self._patience is None:
            self._patience = Bucket(PATIENCE)
        cost = 1.0 + size_bytes / _PATIENCE_UNIT_BYTES
        return not self._patience.take(cost, now_seconds)

    def rest_seconds(self, now_seconds: float) -> float:
        """How long until nothing is held against the peer any more; 0.0 when nothing is."""
        buckets = (self._messages, self._bytes, self._joins, self._patience)
        return max(bucket.rest_seconds(now_seconds) for bucket in buckets if bucket is not None)


class Pacing:
    """The limits of one worker, and its memory of who left with little to spend."""

    def __init__(self, settings: Settings, keys_limit: int = KEYS_LIMIT) -> None:
        self._of_peers = (
            Allowance(settings.messages_per_second_per_peer, settings.messages_burst_per_peer),
            Allowance(settings.bytes_per_second_per_peer, settings.bytes_burst_per_peer),
            Allowance(settings.joins_per_second_per_peer, settings.joins_burst_per_peer),
        )
        self._identities = _buckets_of(
            settings.messages_per_second_per_identity,
            settings.messages_burst_per_identity,
            keys_limit,
        )
        self._addresses = _buckets_of(
            settings.handshakes_per_second_per_address,
            settings.handshakes_burst_per_address,
            keys_limit,
        )
        self._callers = _buckets_of(
            settings.messages_per_second_per_peer, settings.messages_burst_per_peer, keys_limit
        )
        self._gone: Ledger[PeerPace] = Ledger(keys_limit)

    def take_handshake(self, address: str, now_seconds: float) -> float:
        """Take one new connection from `address`; 0.0, or how many seconds to wait for it."""
        if self._addresses is None:
            return 0.0
        return self._addresses.take(network_of(address), 1.0, now_seconds)

    def take_report(self, identity: Identity, now_seconds: float) -> float:
        """Take one message of who comes without a socket; 0.0, or the seconds to wait for it."""
        wait_seconds = 0.0
        if self._callers is not None and identity.role is not Role.SERVICE:
            wait_seconds = self._callers.take(identity.subject, 1.0, now_seconds)
        if wait_seconds or self._identities is None:
            return wait_seconds
        return self._identities.take(identity.subject, 1.0, now_seconds)

    def pace_of(self, identity: Identity) -> PeerPace:
        """The pace of a new peer; who was here just now finds its buckets as far as they refilled.

        Otherwise to come back would be a way to a full burst.
        """
        pace = self._gone.pop(identity.subject)
        if pace is not None:
            return pace
        is_backend = identity.role is Role.SERVICE
        allowances = (_NO_LIMIT, _NO_LIMIT, _NO_LIMIT) if is_backend else self._of_peers
        return PeerPace(allowances, identity.subject, self._identities)

    def remember(self, identity: Identity, pace: PeerPace, now_seconds: float) -> None:
        """Keep the pace of a peer that is gone, for when it comes back; not when it went slowly."""
        if pace.rest_seconds(now_seconds) < _WORTH_REMEMBERING_SECONDS:
            return
        self._gone.put(identity.subject, pace, now_seconds)


def network_of(address: str) -> str:
    """What counts as one address: all of IPv4's 32 bits, and the network part of IPv6's 128."""
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    assert isinstance(parsed, IPv6Address), "IPv4 has no colons"
    if parsed.ipv4_mapped is not None:  # how a socket for both tells of an IPv4 peer
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> _HOST_BITS << _HOST_BITS)}/{_HOST_BITS}"


def too_fast(wait_seconds: float) -> Refused:
    """The no to what has to wait for so long."""
    return Refused(Refusal.TOO_FAST, retry_after_ms=ms_of(wait_seconds))


def ms_of(wait_seconds: float) -> int:
    """Whole milliseconds, never fewer than were meant: who comes too early is refused again."""
    return math.floor(wait_seconds * 1000) + 1


def _buckets_of(per_second: int, burst: int, keys_limit: int) -> Buckets | None:
    return Buckets(Allowance(per_second, burst), keys_limit) if per_second else None
