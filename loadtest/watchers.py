"""This module owns the looking: members that read every delivery, and verdicts on what they saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from loadtest.measurement import Check
from loadtest.rider import SENT, UPDATED

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.crew import Crew
    from loadtest.measurement import Measurement

_PROMPT_SECONDS: Final = 0.2
_SENT_DIGITS: Final = 16


class Seen(msgspec.Struct):
    """The fields of a delivery that the checks are about; all others are let be."""

    vehicle_id: str = ""
    timestamp: int = 0
    serial: int = -1


_decode_seen: Final = msgspec.json.Decoder(Seen).decode


class Watch:
    """What the watchers of one run have seen."""

    def __init__(self) -> None:
        self.published: dict[bytes, bytes] = {}
        self.looked_at = 0
        self.identical = 0
        self.equal = 0
        self.older = 0
        self.repeats = 0

    def remember(self, body: bytes, sent_ns: int) -> None:
        """Keep the object of a bike-update packet, without its array."""
        self.published[b"%d" % sent_ns] = body[body.index(b",") + 1 : -1]

    def compare(self, payload: bytes) -> None:
        if not payload.startswith(UPDATED):
            return
        self.looked_at += 1
        delivered = payload[len(UPDATED) : -1]
        at = delivered.find(SENT) + len(SENT)
        original = self.published.get(delivered[at : at + _SENT_DIGITS])
        if delivered == original:
            self.identical += 1
        elif original is not None and msgspec.json.decode(delivered) == msgspec.json.decode(
            original
        ):
            self.equal += 1

    def order_of_one(self) -> Callable[[bytes], None]:
        """A look at the order in which one member gets the updates of each bike."""
        newest: dict[str, Seen] = {}

        def look(payload: bytes) -> None:
            if not payload.startswith(UPDATED):
                return
            self.looked_at += 1
            seen = _decode_seen(payload[len(UPDATED) : -1])
            last = newest.get(seen.vehicle_id)
            if last is not None and seen.timestamp < last.timestamp:
                self.older += 1
                return
            self.repeats += last is not None and seen.serial == last.serial
            newest[seen.vehicle_id] = seen

        return look

    def verdicts(self, crew: Crew, measured: Measurement) -> list[Check]:
        return [
            Check(name, *_VERDICTS[name](self, crew, measured)) for name in crew.scenario.checks
        ]


def watch(crew: Crew) -> Watch:
    """Seat the watchers that the scenario's checks need."""
    seen = Watch()
    checks = crew.scenario.checks
    listeners = crew.listeners()[: crew.scenario.watchers]
    if "verbatim" in checks:
        crew.on_publish = seen.remember
        for rider in listeners:
            rider.on_text = seen.compare
    elif "monotone-per-bike" in checks:
        for rider in listeners:
            rider.on_text = seen.order_of_one()
    return seen


def _verbatim(seen: Watch, _crew: Crew, _measured: Measurement) -> tuple[bool, str]:
    rest = seen.looked_at - seen.identical - seen.equal
    detail = (
        f"{seen.identical} of {seen.looked_at} byte for byte, "
        f"{seen.equal} more with equal values, {rest} not"
    )
    return 0 < seen.looked_at == seen.identical, detail


def _not_to_its_author(_seen: Watch, crew: Crew, _measured: Measurement) -> tuple[bool, str]:
    own = sum(rider.received for rider, _room in crew.publishers())
    return own == 0, f"{own} deliveries to the only publisher of a room"


def _monotone(seen: Watch, _crew: Crew, _measured: Measurement) -> tuple[bool, str]:
    return (
        seen.looked_at > 0 and seen.older == 0,
        f"{seen.older} of {seen.looked_at} deliveries went back in time",
    )


def _repeats_dropped(seen: Watch, _crew: Crew, _measured: Measurement) -> tuple[bool, str]:
    return (
        seen.looked_at > 0 and seen.repeats == 0,
        f"{seen.repeats} of {seen.looked_at} deliveries were repeats",
    )


def _no_connection_lost(_seen: Watch, crew: Crew, _measured: Measurement) -> tuple[bool, str]:
    return crew.tally.closed == 0, f"{crew.tally.closed} connections were closed by the server"


def _prompt(_seen: Watch, crew: Crew, _measured: Measurement) -> tuple[bool, str]:
    p95_seconds = crew.tally.latency.quantile(0.95) / 1e9
    return 0 < p95_seconds < _PROMPT_SECONDS, f"p95 {p95_seconds * 1000:.1f} ms"


_VERDICTS: Final[dict[str, Callable[[Watch, Crew, Measurement], tuple[bool, str]]]] = {
    "verbatim": _verbatim,
    "not-to-its-author": _not_to_its_author,
    "monotone-per-bike": _monotone,
    "repeats-dropped": _repeats_dropped,
    "no-connection-lost": _no_connection_lost,
    "p95-below-200-ms": _prompt,
}
