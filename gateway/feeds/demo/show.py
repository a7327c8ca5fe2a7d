"""This module owns the demo's run: it moves the city on and publishes, as any service would."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, Final

import aiohttp
import structlog

from gateway.feeds.demo.city import BIKES_LIMIT, City
from gateway.feeds.options import DEFAULT_GATEWAY_URL
from gateway.feeds.publisher import Publisher
from gateway.feeds.source import is_url
from protocol.rooms import is_room_name

DEFAULT_ROOM: Final = "city:demo"
_DEFAULT_BIKES: Final = 140
_DEFAULT_SEED: Final = 7
_STEP_SECONDS: Final = 1.0
_CLEARING_SECONDS: Final = 3.0
_READ_BYTES: Final = 4096

_log = structlog.get_logger(__name__)


class DemoOptionsInvalid(ValueError):
    """The options make no sense; the message lists every mistake, one a line."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """One run of the demo."""

    room: str = DEFAULT_ROOM
    gateway_url: str = DEFAULT_GATEWAY_URL
    token: str | None = dataclasses.field(default=None, repr=False)
    bikes: int = _DEFAULT_BIKES
    seed: int = _DEFAULT_SEED
    until_eof: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `paceline demo`."""
    parser.add_argument("--room", default=DEFAULT_ROOM, help=f"{DEFAULT_ROOM} unless told")
    parser.add_argument(
        "--url",
        help=f"the gateway (PACELINE_URL; default {DEFAULT_GATEWAY_URL}). "
        "A token, when it wants one, comes from PACELINE_TOKEN",
    )
    parser.add_argument("--bikes", type=int, default=_DEFAULT_BIKES, metavar="NUMBER")
    parser.add_argument("--seed", type=int, default=_DEFAULT_SEED, help="another city")
    parser.add_argument(
        "--until-eof", action="store_true", help="end when standard input does, for supervisors"
    )


def options_from(namespace: argparse.Namespace, environ: Mapping[str, str]) -> DemoOptions:
    """Check and combine; raises `DemoOptionsInvalid` with all mistakes at once."""
    options = DemoOptions(
        room=namespace.room,
        gateway_url=namespace.url or environ.get("PACELINE_URL") or DEFAULT_GATEWAY_URL,
        token=environ.get("PACELINE_TOKEN", "").strip() or None,
        bikes=namespace.bikes,
        seed=namespace.seed,
        until_eof=namespace.until_eof,
    )
    mistakes = list(_mistakes_of(options))
    if mistakes:
        raise DemoOptionsInvalid("\n".join(mistakes))
    return options


async def run_demo(options: DemoOptions) -> None:
    """Publish until cancelled, or until standard input ends.

    Whoever stops it by hand finds the room as it was before: its bikes and stations are removed.
    """
    city = City(options.bikes, options.seed)
    async with aiohttp.ClientSession(headers={"User-Agent": "paceline-demo"}) as session:
        publisher = Publisher(session, options.gateway_url, options.room, options.token)
        if options.until_eof:
            await _until_eof(show_forever(city, publisher))
            return
        try:
            await show_forever(city, publisher)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLEARING_SECONDS):
                    await publisher.publish(list(removals_of(city)))


async def show_forever(city: City, publisher: Publisher) -> None:
    """Publish what changes, once a second. A gateway that is away is waited for."""
    trouble: str | None = None
    while True:
        now_seconds = time.time()
        receipt = await publisher.publish(city.step(now_seconds))
        if receipt.trouble != trouble:
            trouble = receipt.trouble
            _log.warning("demo fleet", trouble=trouble) if trouble else _log.info(
                "demo fleet rides"
            )
        await asyncio.sleep(max(0.05, now_seconds + _STEP_SECONDS - time.time()))


def removals_of(city: City) -> Iterator[dict[str, Any]]:
    """What takes everything off the map that `step` has put there."""
    yield from ({"bike_id": bike.id, "op": "remove"} for bike in city.bikes)
    yield from ({"station_id": station.id, "op": "remove"} for station in city.stations)


async def _until_eof(work: Coroutine[Any, Any, None]) -> None:
    """Do the work until standard input ends.

    That is how a child notices that its parent is gone, however it went: the pipe closes.
    """
    descriptor = sys.stdin.fileno()
    loop = asyncio.get_running_loop()
    working = asyncio.create_task(work)

    def read() -> None:
        if not os.read(descriptor, _READ_BYTES):
            loop.remove_reader(descriptor)
            working.cancel()

    loop.add_reader(descriptor, read)
    with contextlib.suppress(asyncio.CancelledError):
        await working


def _mistakes_of(options: DemoOptions) -> Iterator[str]:
    if not is_room_name(options.room):
        yield "--room must be 1 to 200 printable characters"
    if not is_url(options.gateway_url):
        yield "--url (PACELINE_URL) must begin with http:// or https://"
    if options.token is not None and not (options.token.isascii() and options.token.isprintable()):
        yield "PACELINE_TOKEN holds characters that no token has"
    if not 1 <= options.bikes <= BIKES_LIMIT:
        yield f"--bikes must be 1 to {BIKES_LIMIT}"
