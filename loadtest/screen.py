"""This module owns what the terminal shows: progress of a campaign, and its result as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from loadtest.measurement import median_or_zero
from loadtest.report import shown_metrics
from loadtest.scenarios import TABLE

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.campaign import Terms
    from loadtest.measurement import Measurement, Metric, Result
    from loadtest.plan import Progress as Step
    from loadtest.scenarios import Scenario


class Board:
    """A bar for the whole scenario and one for the phase that runs."""

    def __init__(self, console: Console, scenario: Scenario, terms: Terms) -> None:
        console.print(
            f"\n[bold]{scenario.name}[/]  {scenario.title}  ({scenario.members:,} members)"
        )
        columns = (TextColumn("{task.description:<32}"), BarColumn(36), TimeElapsedColumn())
        self._bars = Progress(*columns, console=console, transient=True)
        self._turns = self._bars.add_task("starting", total=terms.rounds * len(terms.targets))
        self._phase = self._bars.add_task("", total=1.0)
        self._turns_taken = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def take_turn(self, peer: str, round_number: int) -> None:
        label = f"{peer}, round {round_number}"
        self._bars.update(self._turns, description=label, completed=self._turns_taken)
        self._turns_taken += 1

    def show(self, step: Step) -> None:
        self._bars.update(
            self._phase, description=f"  {step.phase}", completed=step.done, total=step.total
        )


def print_table_of_scenarios(console: Console) -> None:
    table = Table("scenario", "what happens", "members", "told per", box=None)
    for scenario in TABLE.values():
        table.add_row(scenario.name, scenario.title, f"{scenario.members:,}", scenario.unit)
    console.print(table)


def print_result(console: Console, result: Result) -> None:
    shown = shown_metrics(result)
    table = Table(box=None, header_style="dim")
    table.add_column("server")
    for heading in (
        f"{result.scenario.unit}/s",
        "server",
        "load",
        *(_heading(metric, result) for metric in shown),
    ):
        table.add_column(heading, justify="right")
    for peer in result.peers:
        if result.of(peer):
            table.add_row(peer, *_row(result, peer, shown))
    console.print(table)
    for remark in result.remarks():
        console.print(f"  [yellow]![/] {remark}", highlight=False, soft_wrap=True)
    for measured in (result.of(peer)[-1] for peer in result.peers if result.of(peer)):
        for check in measured.checks:
            mark = "[green]kept[/]  " if check.passed else "[red]broken[/]"
            console.print(
                f"  {mark} {measured.peer}: {check.name}: {check.detail}",
                highlight=False,
                soft_wrap=True,
            )


def _heading(metric: Metric, result: Result) -> str:
    return f"{metric.label.format(unit=result.scenario.unit)}, {metric.unit}"


def _row(result: Result, peer: str, shown: list[Metric]) -> list[str]:
    rounds: list[Measurement] = result.of(peer)
    rate = median_or_zero([measured.units_per_second for measured in rounds])
    server = median_or_zero([measured.server_share for measured in rounds])
    load = median_or_zero([measured.swarm_share for measured in rounds])
    return [
        f"{rate:,.0f}" if result.scenario.has_rate else "",
        f"{server:.0%}",
        f"{load:.0%}",
        *(_cell(result, peer, metric) for metric in shown),
    ]


def _cell(result: Result, peer: str, metric: Metric) -> str:
    """The median, and behind it how many times the first server's number it is."""
    value = f"{result.median_of(peer, metric):,.2f}"
    if peer == result.peers[0]:
        return value
    times = median_or_zero(result.ratios_of(peer, metric))
    return f"{value} (x{times:.2f})" if times else value
