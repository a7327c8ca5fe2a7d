"""This module owns the command line: its options, and what they make of the table of scenarios."""

from __future__ import annotations

import argparse
import os
from urllib.parse import urlsplit

import msgspec

from loadtest.campaign import Target, Terms
from loadtest.handshake import Address
from loadtest.scenarios import BENCH, TABLE, Scenario
from loadtest.servers import COMMANDS, GATEWAY
from loadtest.tokens import SECRET

# Open files that a load process needs for itself, or that a server holds beside its connections.
_SPARE_FILES = 200


def parser() -> argparse.ArgumentParser:
    names = [*TABLE, "bench", "all", "list"]
    peers = [name for name in COMMANDS if name != GATEWAY]
    made = argparse.ArgumentParser(
        prog="python -m loadtest",
        description="Measure the gateway, and others beside it, at the same work.",
        epilog=f"scenarios: {', '.join(names)}",
    )
    add = made.add_argument
    add("scenario", nargs="+", choices=names, metavar="SCENARIO", help="see below, or `list`")
    add("--peer", action="append", default=[], choices=peers, help="compare with; may be repeated")
    add("--no-gateway", action="store_true", help="only peers, held against the first of them")
    add("--url", help="a running gateway, whose tokens are signed with $PACELINE_JWT_SECRET")
    add("--pid", type=int, default=0, help="with --url: the process whose CPU and memory are read")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="setting of the gateway")
    add("--rounds", type=_count, default=3, help="turns of every server (default 3)")
    add("--seconds", type=_amount, help="length of the measured window")
    add("--members", type=_count, help="members in all")
    add("--rate", type=_amount, help="publications a second of a paced scenario")
    add("--short", action="store_true", help="the short version, as `bench` runs it")
    add(
        "--report", default="reports", metavar="DIR", help="where to (default reports); '' for none"
    )
    return made


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _amount(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def terms_of(options: argparse.Namespace) -> Terms:
    """Whom to measure and how. Raises ValueError for options that contradict each other."""
    targets = [Target(peer) for peer in dict.fromkeys(options.peer)]
    secret = SECRET
    if options.url:
        targets = [_target_at(options.url, options.pid), *targets]
        secret = os.environ.get("PACELINE_JWT_SECRET", "").split(",")[0].strip() or SECRET
        if len(targets) > 1 and secret != SECRET:
            raise ValueError("--url with a secret of its own cannot be compared in the same run")
    elif not options.no_gateway:
        targets = [Target(GATEWAY, dict(map(_setting_of, options.set))), *targets]
    if not targets:
        raise ValueError("--no-gateway needs a --peer")
    return Terms(targets, options.rounds, secret)


def _target_at(text: str, pid: int) -> Target:
    url = urlsplit(text)
    if url.scheme not in {"http", "ws"} or not url.hostname:
        raise ValueError(
            "--url takes http://host:port; TLS would be measured along with the server"
        )
    return Target(GATEWAY, addresses=(Address(url.hostname, url.port or 80),), pid=pid)


def _setting_of(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set takes NAME=VALUE, not {text!r}")
    return name, value


def scenarios_of(options: argparse.Namespace, file_limit: int) -> list[Scenario]:
    names = list(dict.fromkeys(options.scenario))
    short = options.short or "bench" in names
    if "bench" in names:
        names = [*BENCH]
    elif "all" in names:
        names = [*TABLE]
    rows = [TABLE[name].shortened() if short else TABLE[name] for name in names]
    return [_adapted(row, options, file_limit) for row in rows]


def _adapted(row: Scenario, options: argparse.Namespace, file_limit: int) -> Scenario:
    members = max(options.members or row.members, row.rooms * row.publishers_per_room + 1)
    return msgspec.structs.replace(
        row,
        members=min(members, file_limit - _SPARE_FILES),
        seconds=options.seconds or row.seconds,
        publications_per_second=row.publications_per_second
        and (options.rate or row.publications_per_second),
    )
