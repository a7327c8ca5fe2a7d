"""This module owns all streams of one worker: what the hub has to do with them, and how many."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

import msgspec

from gateway.rest.stream import Stream, event_of
from gateway.rooms.pacing import network_of
from protocol import streams
from protocol.events import GoodbyeNotice
from protocol.refusals import Goodbye, Refusal, Refused

if TYPE_CHECKING:
    from gateway.identity import Identity
    from gateway.metrics import Metrics
    from gateway.rooms.membership import Peer
    from gateway.rooms.publication import Publication
    from gateway.settings import Settings

_PEER_ID_BYTES: Final = 15
RETURN_MS: Final = 2000  # how long clients wait before they come back, unless they are told
_RETURN_SPREAD_MS: Final = 2000

_encode = msgspec.json.Encoder().encode


class Streams:
    """What the hub needs of a door, for those of its peers that are streams."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._open: dict[Stream, None] = {}  # who has been here for longest comes first
        self._per_address: dict[str, int] = {}
        self._per_subject: dict[str, int] = {}
        self._last: tuple[Publication, bytes] | None = None
        self.is_accepting = True

    def __len__(self) -> int:
        return len(self._open)

    def open(self, identity: Identity, address: str, abort: Callable[[], None]) -> Stream:
        """Make a stream; `close` has to follow. Raises `Refused` when there are too many."""
        if not self.is_accepting:
            raise Refused(Refusal.UNAVAILABLE, retry_after_ms=_spread_ms())
        network, settings = network_of(address), self._settings
        _check(self._per_address, network, settings.connections_per_address_limit, "address")
        subject = identity.subject
        _check(self._per_subject, subject, settings.connections_per_identity_limit, "identity")
        stream = Stream(
            secrets.token_urlsafe(_PEER_ID_BYTES),
            identity,
            network,
            settings.outbox_limit_bytes,
            settings.write_high_water_bytes,
            abort,
        )
        self._per_address[network] = self._per_address.get(network, 0) + 1
        self._per_subject[subject] = self._per_subject.get(subject, 0) + 1
        self._open[stream] = None
        return stream

    def close(self, stream: Stream) -> None:
        """Forget a stream; a second call does nothing."""
        stream.close()
        if stream in self._open:
            del self._open[stream]
            _count_out(self._per_address, stream.address)
            _count_out(self._per_subject, stream.identity.subject)

    # ---- from the hub

    def send(self, peer: Peer, publication: Publication) -> None:
        """Send a publication to one stream; what it is written as is made once for all of them."""
        last = self._last
        if last is None or last[0] is not publication:
            self._last = last = (publication, event_of(publication))
        self._metrics.deliveries_streams += 1
        if not cast("Stream", peer).put(publication, last[1]):
            self.dismiss(peer, Goodbye.TOO_SLOW)

    def dismiss(self, peer: Peer, goodbye: Goodbye, reconnect_after_ms: int | None = None) -> None:
        """Say goodbye and end."""
        stream = cast("Stream", peer)
        if not stream.is_over:
            self._metrics.note_goodbye(goodbye)
            stream.end(last_words_of(goodbye, reconnect_after_ms))

    # ---- going away

    def staying(self) -> Sequence[Stream]:
        """Those that nobody has seen off yet."""
        return [stream for stream in self._open if not stream.is_over]

    def see_off(self, stream: Stream) -> None:
        """Ask a stream to come back, to another worker, at a time of its own."""
        self.dismiss(stream, Goodbye.SHUTTING_DOWN, _spread_ms())


def last_words_of(goodbye: Goodbye, reconnect_after_ms: int | None = None) -> bytes:
    """How a stream ends: with the time after which it may come back, where that was chosen."""
    if reconnect_after_ms is None:
        return streams.event_of("goodbye", _encode(GoodbyeNotice(goodbye.code, goodbye.reason)))
    notice = GoodbyeNotice(goodbye.code, goodbye.reason, reconnect_after_ms)
    return streams.retry_of(reconnect_after_ms) + streams.event_of("goodbye", _encode(notice))


def _spread_ms() -> int:
    return 1 + random.randrange(_RETURN_SPREAD_MS)  # noqa: S311 - spreading, not secrecy


def _check(counts: dict[str, int], key: str, limit: int, whose: str) -> None:
    if limit and counts.get(key, 0) >= limit:
        raise Refused(Refusal.TOO_FAST, f"This {whose} has too many streams.")


def _count_out(counts: dict[str, int], key: str) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]
