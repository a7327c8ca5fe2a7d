"""This module owns the command `python -m loadtest`: campaigns from options to report."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from loadtest import options, report, screen
from loadtest.campaign import compare
from loadtest.servers import raise_file_limit


def main(arguments: list[str] | None = None) -> int:
    parser = options.parser()
    chosen = parser.parse_args(arguments)
    console = Console()
    if chosen.scenario == ["list"]:
        screen.print_table_of_scenarios(console)
        return 0
    try:
        terms = options.terms_of(chosen)
    except ValueError as mistake:
        parser.error(str(mistake))
    results = []
    for scenario in options.scenarios_of(chosen, raise_file_limit()):
        with screen.Board(console, scenario, terms) as board:
            result = compare(scenario, terms, board.take_turn, board.show)
        results.append(result)
        screen.print_result(console, result)
    if chosen.report:
        page, numbers = report.write(results, Path(chosen.report))
        console.print(f"report: {page}", f"numbers: {numbers}", sep="\n", soft_wrap=True)
    return 0 if all(result.measurements for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
