"""This module owns the question which feeds an address stands for.

An address is a discovery document (`gbfs.json`), a folder of feed files, or one feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

import msgspec

from gateway.feeds import gbfs, listing
from gateway.feeds.envelope import FeedMalformed
from gateway.feeds.source import FetchFailed, Source, is_url


class Feed(msgspec.Struct, frozen=True):
    """A feed worth reading: its GBFS name and where it lies (a URL or a path)."""

    name: str
    address: str


class Discovery(msgspec.Struct, frozen=True):
    """The feeds of an address, and for how many seconds that answer holds, if it says so."""

    feeds: tuple[Feed, ...]
    ttl_seconds: float | None = None


async def discover(address: str, source_of: Callable[[str], Source]) -> Discovery:
    """Find the feeds of vehicles and stations.

    Raises `FetchFailed` when nothing can be read, `FeedMalformed` when what is there shows neither.
    """
    if not is_url(address) and await asyncio.to_thread(Path(address).is_dir):
        return Discovery(chosen(await asyncio.to_thread(_lying_in, Path(address))))
    fetched = await source_of(address).fetch()
    if fetched is None:
        raise FetchFailed("the document did not come")
    name = listing.name_of(fetched.body, _stem_of(address))
    if name == listing.DISCOVERY:
        return await _listed_in(address, fetched.body)
    return Discovery(chosen({} if name is None else {name: address}))


def chosen(addresses: Mapping[str, str]) -> tuple[Feed, ...]:
    """The feeds to read out of all that are there: one of vehicles, and those of stations.

    A system that lists its vehicles under the old and the new name is read once, by the new.
    Raises `FeedMalformed` when nothing moves there: names and places of stations are not enough.
    """
    vehicles = [name for name in gbfs.VEHICLE_FEEDS if name in addresses][:1]
    stations = [gbfs.STATION_INFORMATION, gbfs.STATION_STATUS]
    if gbfs.STATION_STATUS not in addresses:
        stations = []
    names = [*vehicles, *(name for name in stations if name in addresses)]
    if not names:
        raise FeedMalformed("no vehicle_status, free_bike_status or station_status there")
    return tuple(Feed(name, addresses[name]) for name in names)


async def _listed_in(address: str, body: bytes) -> Discovery:
    addresses, ttl_seconds = listing.addresses_of(body)
    if is_url(address):
        # Only over HTTP: a document from elsewhere has no say about files of this machine.
        absolute = {name: _joined(address, url) for name, url in addresses.items()}
        addresses = {name: url for name, url in absolute.items() if is_url(url)}
    else:
        # A saved copy of a system: what lies beside it is meant, not what its links led to.
        lying = await asyncio.to_thread(_lying_in, Path(address).parent)
        addresses = lying or {name: url for name, url in addresses.items() if is_url(url)}
    return Discovery(chosen(addresses), ttl_seconds)


def _joined(address: str, url: str) -> str:
    try:
        return urljoin(address, url)
    except ValueError:  # half of an IPv6 address, say; then it leads nowhere
        return ""


def _lying_in(folder: Path) -> dict[str, str]:
    paths = ((name, folder / f"{name}.json") for name in gbfs.FEEDS)
    return {name: str(path) for name, path in paths if path.is_file()}


def _stem_of(address: str) -> str:
    path = urlsplit(address).path if is_url(address) else Path(address).as_posix()
    return PurePosixPath(path).stem
