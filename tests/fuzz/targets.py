"""This module owns THE table of what is fuzzed without a network, and how one input is judged."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

from tests.fuzz import content_targets, link_targets, packet_targets, token_targets
from tests.fuzz.judge import judging
from tests.fuzz.link_targets import Door

TIME_LIMIT_SECONDS: Final = 0.5  # of processor time, for inputs of a few kilobytes
INPUT_LIMIT_BYTES: Final = 4096
# What a mutation that knows nothing would take long to find.
TOKENS: Final = (
    *(b'"roomId"', b'"bike_id"', b'"op":"remove"', b'"_placeholder":true', b'"num":0', b"null"),
    *(b'"event"', b'"data"', b'"since"', b'"snapshot":true', b'"timestamp"', b"1e999", b"-0"),
    *(b"\\ud800", b"\\udc00", b"\\u0000", b"\x1e", b"\xff", b"\xc2\x85", b"\xef\xbb\xbf", b"NaN"),
    *(b"9" * 309, b"[" * 101, b'{"":' * 101, b"/ops,", b"51-", b'42["', b"2probe", b"eyJ", b"="),
    *(b'"__proto__"', b'"join-room"', b'"publish"', b'"token"', b'"bike-update"', b'"leave-room"'),
)


class Target(NamedTuple):
    """A check that returns for good and for refused input, and raises for a bug; where to begin."""

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


NAMES: Final = (
    *("packet", "payload", "json", "event", "update", "placeholders", "cursor", "patches"),
    *("report", "link", "token", "door"),
)


@contextlib.contextmanager
def targets() -> Iterator[dict[str, Target]]:
    """All of them by name, while the context is open."""
    packet, content, link = packet_targets, content_targets, link_targets
    with judging() as judge, contextlib.closing(Door(judge)) as door:
        checks = (
            Target(partial(packet.check_packet, judge), packet.PACKET_SEEDS),
            Target(packet.check_payload, packet.PAYLOAD_SEEDS),
            Target(partial(content.check_json, judge), content.JSON_SEEDS),
            Target(partial(content.check_event, judge), content.EVENT_SEEDS),
            Target(partial(content.check_update, judge), content.UPDATE_SEEDS),
            Target(partial(content.check_placeholders, judge), content.PLACEHOLDER_SEEDS),
            Target(content.check_cursor, content.CURSOR_SEEDS),
            Target(content.check_patches, content.PATCH_SEEDS),
            Target(partial(content.check_report, judge), content.REPORT_SEEDS),
            Target(link.check_link, link.LINK_SEEDS),
            Target(token_targets.check_token, token_targets.TOKEN_SEEDS),
            Target(door.check, link.DOOR_SEEDS),
        )
        yield dict(zip(NAMES, checks, strict=True))


def judge_input(target: Target, data: bytes) -> None:
    """Raise AssertionError, or whatever escaped, when the input shows a bug or takes too long."""
    took_seconds = _seconds_of(target, data)
    if took_seconds > TIME_LIMIT_SECONDS:  # once more: a collection of garbage may have fallen in
        took_seconds = min(took_seconds, _seconds_of(target, data))
    assert took_seconds <= TIME_LIMIT_SECONDS, f"took {took_seconds:.2f} s"


def _seconds_of(target: Target, data: bytes) -> float:
    began = time.thread_time()
    target.check(data)
    return time.thread_time() - began
