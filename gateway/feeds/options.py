"""This module owns what an operator may ask of the bridge, and checks it."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.feeds.source import is_url
from protocol.rooms import is_room_name

DEFAULT_GATEWAY_URL: Final = "http://127.0.0.1:8080"


class BridgeOptionsInvalid(ValueError):
    """The options make no sense; the message lists every mistake, one a line."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BridgeOptions:
    """One run of the bridge: either it follows `address`, or it replays a recording."""

    room: str
    address: str | None = None
    gateway_url: str = DEFAULT_GATEWAY_URL
    token: str | None = dataclasses.field(default=None, repr=False)
    once: bool = False
    interval_seconds: float | None = None
    replay_path: Path | None = None
    speed: float = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `paceline bridge gbfs`."""
    parser.add_argument(
        "address",
        nargs="?",
        help="gbfs.json, a folder with feed files, or one feed; a URL or a path",
    )
    parser.add_argument("--room", required=True, help="the room that shows the fleet")
    parser.add_argument(
        "--url",
        help=f"the gateway (PACELINE_URL; default {DEFAULT_GATEWAY_URL}). "
        "A token, when it wants one, comes from PACELINE_TOKEN",
    )
    parser.add_argument(
        "--once", action="store_true", help="read everything once; exit status 0 if all went well"
    )
    parser.add_argument(
        "--interval",
        type=float,
        metavar="SECONDS",
        help="time between readings, instead of each feed's own ttl (within 5 to 300)",
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="SERIES",
        help="play recorded documents instead, one a line (.ndjson or .ndjson.gz)",
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="of the replay; 0 is as fast as possible"
    )


def options_from(namespace: argparse.Namespace, environ: Mapping[str, str]) -> BridgeOptions:
    """Check and combine; raises `BridgeOptionsInvalid` with all mistakes at once."""
    options = BridgeOptions(
        room=namespace.room,
        address=namespace.address,
        gateway_url=namespace.url or environ.get("PACELINE_URL") or DEFAULT_GATEWAY_URL,
        token=environ.get("PACELINE_TOKEN", "").strip() or None,
        once=namespace.once,
        interval_seconds=namespace.interval,
        replay_path=namespace.replay,
        speed=namespace.speed,
    )
    mistakes = list(_mistakes_of(options))
    if mistakes:
        raise BridgeOptionsInvalid("\n".join(mistakes))
    return options


def _mistakes_of(options: BridgeOptions) -> Iterator[str]:
    if (options.address is None) == (options.replay_path is None):
        yield "give either an address or --replay SERIES"
    if not is_room_name(options.room):
        yield "--room must be 1 to 200 printable characters"
    if not is_url(options.gateway_url):
        yield "--url (PACELINE_URL) must begin with http:// or https://"
    if options.token is not None and not (options.token.isascii() and options.token.isprintable()):
        yield "PACELINE_TOKEN holds characters that no token has"
    interval = options.interval_seconds
    if interval is not None and not (math.isfinite(interval) and interval > 0):
        yield "--interval must be a number of seconds above 0"
    if not (math.isfinite(options.speed) and options.speed >= 0):
        yield "--speed must be 0 or more"
