"""This module owns the command: `python -m loadtest SCENARIO`, its options, and what it prints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from rich.console import Console

from loadtest import report, screen
from loadtest.campaign import Target, Terms, compare
from loadtest.handshake import Address
from loadtest.scenarios import BENCH, TABLE, Scenario
from loadtest.servers import COMMANDS, GATEWAY, raise_file_limit
from loadtest.tokens import SECRET


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console()
    if options.scenario == ["list"]:
        screen.print_table_of_scenarios(console)
        return 0
    limit = raise_file_limit()
    terms = Terms(_targets_of(options), options.rounds, options.secret)
    results = []
    for scenario in _scenarios_of(options, limit):
        with screen.Board(console, scenario, terms) as board:
            result = compare(scenario, terms, board.take_turn, board.show)
        results.append(result)
        screen.print_result(console, result)
    if options.report:
        page, numbers = report.write(results, Path(options.report))
        console.print(f"report: {page}   numbers: {numbers}", highlight=False, soft_wrap=True)
    return 0 if any(result.measurements for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest", description="Measure the gateway, and others beside it."
    )
    names = [*TABLE, "bench", "all", "list"]
    add = parser.add_argument
    add(
        "scenario",
        nargs="+",
        choices=names,
        metavar="SCENARIO",
        help=f"one or more of: {', '.join(names)}",
    )
    add(
        "--peer",
        action="append",
        default=[],
        choices=[name for name in COMMANDS if name != GATEWAY],
        help="a server to compare with; may be repeated",
    )
    add(
        "--no-gateway",
        action="store_true",
        help="only the peers; the first of them is what the others are held against",
    )
    add("--url", help="measure the server at this address instead of starting the gateway")
    add("--pid", type=int, default=0, help="with --url: the process whose CPU and memory are read")
    add(
        "--secret",
        default=SECRET,
        help="with --url: the HS256 secret that its tokens are signed with",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an environment setting for the gateway",
    )
    add("--rounds", type=int, default=3, help="how often every server has its turn (default 3)")
    add("--seconds", type=float, help="length of the measured window")
    add("--members", type=int, help="members instead of the scenario's")
    add("--short", action="store_true", help="the short version, as `bench` runs it")
    add(
        "--report",
        default="reports",
        metavar="DIR",
        help="where the report goes (default reports/)",
    )
    return parser  # fmt: skip


def _targets_of(options: argparse.Namespace) -> list[Target]:
    targets = [Target(peer) for peer in dict.fromkeys(options.peer)]
    if options.url:
        url = urlsplit(options.url)
        address = Address(url.hostname or "127.0.0.1", url.port or 80)
        return [Target(GATEWAY, address=address, pid=options.pid), *targets]
    if options.no_gateway:
        return targets or sys.exit("--no-gateway needs a --peer")
    settings = dict(setting.split("=", 1) for setting in options.set)
    return [Target(GATEWAY, settings), *targets]


def _scenarios_of(options: argparse.Namespace, file_limit: int) -> list[Scenario]:
    names = list(dict.fromkeys(options.scenario))
    short = options.short or "bench" in names
    names = [*BENCH] if "bench" in names else [*TABLE] if "all" in names else names
    return [
        _adapted(TABLE[name].shortened() if short else TABLE[name], options, file_limit)
        for name in names
    ]


def _adapted(scenario: Scenario, options: argparse.Namespace, file_limit: int) -> Scenario:
    if options.seconds:
        scenario = msgspec.structs.replace(scenario, seconds=options.seconds)
    if options.members:
        scenario = msgspec.structs.replace(scenario, members=options.members)
    room_for = file_limit - 200
    if scenario.members > room_for:
        sys.stderr.write(
            f"{scenario.name}: {room_for} instead of {scenario.members} members "
            f"({file_limit} open files allowed)\n"
        )
        scenario = msgspec.structs.replace(scenario, members=room_for)
    return scenario


if __name__ == "__main__":
    sys.exit(main())
