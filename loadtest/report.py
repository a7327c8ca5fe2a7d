"""This module owns the report: one page that needs no other file, and its numbers as JSON."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from loadtest import plots
from loadtest.histogram import Histogram
from loadtest.measurement import METRICS, Measurement, Metric, Result, median_or_zero

if TYPE_CHECKING:
    from collections.abc import Callable

_STYLE: Final = Path(__file__).with_suffix(".css")
_COLOURED: Final = ("paceline", "node", "python-socketio", "floor")
# So many scenarios stand in the name of the file.
_NAMED: Final = 3
_METHOD: Final = (
    "Every server ran on a core of its own, freshly started for each round; the load ran on the "
    "others. Rounds were interleaved (A B A B). CPU is user and system time of the server from "
    "/proc, within the measured window, divided by the work done in it. Numbers are medians over "
    "the rounds, a ratio is the median of the ratios of the rounds; the ticks on a bar are the "
    "rounds."
)


class Numbers(msgspec.Struct, frozen=True):
    """What stands in the JSON file."""

    machine: str
    results: list[Result]


def write(results: list[Result], folder: Path) -> tuple[Path, Path]:
    """Write the page and the numbers into `folder`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    names = "-".join(result.scenario.name for result in results[:_NAMED]) + (
        "-and-more" if len(results) > _NAMED else ""
    )
    stem = f"{now:%Y%m%d-%H%M%S}-{names}"
    page, numbers = folder / f"{stem}.html", folder / f"{stem}.json"
    page.write_text(page_of(results, now), encoding="utf-8")
    numbers.write_bytes(msgspec.json.format(msgspec.json.encode(Numbers(machine(), results))))
    return page, numbers


def machine() -> str:
    """What the numbers were taken on, as far as a reader needs it to compare."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def page_of(results: list[Result], now: datetime) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Load test of {now:%Y-%m-%d}</title>"
        f"<style>{_STYLE.read_text(encoding='utf-8')}</style></head><body>"
        f'<h1>Load test</h1><p class="faint">{now:%Y-%m-%d %H:%M} UTC. {escape(machine())}</p>'
        f'<p class="faint">{_METHOD}</p>{"".join(map(_section, results))}</body></html>'
    )


def _section(result: Result) -> str:
    scenario = result.scenario
    return (
        f"<section><h2>{escape(scenario.name)}</h2><p>{escape(scenario.title)}</p>"
        f'<p class="faint">{scenario.members:,} members in {scenario.rooms:,} rooms, '
        f"{scenario.seconds:g} s a round</p>"
        f"{_table(result)}{_remarks(result)}{_checks(result)}"
        f'<div class="plots">{"".join(_figures(result))}</div></section>'
    )


def _table(result: Result) -> str:
    metrics = shown_metrics(result)
    unit = result.scenario.unit
    heads = ["server", f"{unit} /s", "server's core", "load's core"]
    heads += [f"{metric.label.format(unit=unit)}, {metric.unit}" for metric in metrics]
    rows = "".join(_table_row(result, peer, metrics) for peer in result.peers if result.of(peer))
    head = "".join(f"<th>{escape(head)}</th>" for head in heads)
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'


def _table_row(result: Result, peer: str, metrics: list[Metric]) -> str:
    rounds = result.of(peer)
    rate = plots.short(median_or_zero([measured.units_per_second for measured in rounds]))
    rate = rate if result.scenario.has_rate else ""
    server = median_or_zero([measured.server_share for measured in rounds])
    load = median_or_zero([measured.swarm_share for measured in rounds])
    cells = [
        rate,
        f"{server:.0%}",
        f"{load:.0%}",
        *(_metric_cell(result, peer, metric) for metric in metrics),
    ]
    key = f'<span class="key {_style_of(peer)}"></span>{escape(peer)}'
    return f"<tr><td>{key}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _metric_cell(result: Result, peer: str, metric: Metric) -> str:
    value = plots.short(result.median_of(peer, metric))
    ratios = result.ratios_of(peer, metric) if peer != result.peers[0] else []
    if not ratios:
        return value
    span = f"{plots.short(min(ratios))} to {plots.short(max(ratios))}"
    times = plots.short(median_or_zero(ratios))
    return f'{value}<span class="times" title="{span}">&times; {times}</span>'


def shown_metrics(result: Result) -> list[Metric]:
    """Those metrics that mean something in this scenario."""
    return [
        metric
        for metric in METRICS
        if any(metric.read(measured) for measured in result.measurements)
    ]


def _remarks(result: Result) -> str:
    items = "".join(f'<li class="remark">{escape(remark)}</li>' for remark in result.remarks())
    return f"<ul>{items}</ul>" if items else ""


def _checks(result: Result) -> str:
    items = ""
    for peer in result.peers:
        for check in [check for measured in result.of(peer)[-1:] for check in measured.checks]:
            word = "kept" if check.passed else "broken"
            text = f"{peer}, {check.name}: {check.detail}"
            items += f'<li><strong class="{word}">{word}</strong> {escape(text)}</li>'
    return f"<ul>{items}</ul>" if items else ""


def _figures(result: Result) -> list[str]:
    figures = [
        _figure(
            metric.label.format(unit=result.scenario.unit) + f" ({metric.unit})",
            _bars(result, metric.read),
        )
        for metric in shown_metrics(result)
        if metric.key not in {"p50", "p99"}
    ]
    if result.scenario.has_rate:
        title = f"{result.scenario.unit} per second"
        figures.append(_figure(title, _bars(result, lambda measured: measured.units_per_second)))
    latencies = [(_style_of(peer), peer, _latency_curve(result.of(peer))) for peer in result.peers]
    if any(curve for _, _, curve in latencies):
        figures.append(
            _figure("Latency", plots.quantiles([row for row in latencies if row[2]]), latencies)
        )
    memories = [
        (_style_of(peer), peer, _memory_series(result.of(peer)))
        for peer in result.peers
        if result.of(peer)
    ]
    if any(len(series) > 1 for _, _, series in memories):
        figures.append(
            _figure("Memory of the server, last round", plots.over_time(memories, "MB"), memories)
        )
    return figures


def _bars(result: Result, read: Callable[[Measurement], float]) -> str:
    rows = []
    for peer in result.peers:
        values = [read(measured) for measured in result.of(peer)]
        if values:
            rows.append((_style_of(peer), peer, median_or_zero(values), values))
    return plots.bars(rows) if rows else ""


def _figure(
    title: str, drawing: str, legend: list[tuple[str, str, list[plots.Point]]] | None = None
) -> str:
    keys = " &ensp; ".join(
        f'<span class="key {style}"></span>{escape(label)}'
        for style, label, points in legend or []
        if points
    )
    return f'<figure><h3>{escape(title)}</h3>{drawing}<p class="faint">{keys}</p></figure>'


def _latency_curve(rounds: list[Measurement]) -> list[plots.Point]:
    total = Histogram()
    for measured in rounds:
        durations = measured.latency or measured.ack_latency
        if durations is not None:
            total.absorb(durations.buckets, durations.largest_ns)
    return total.curve()


def _memory_series(rounds: list[Measurement]) -> list[plots.Point]:
    return [(sample.at_seconds, sample.resident_bytes / 1e6) for sample in rounds[-1].samples]


def _style_of(peer: str) -> str:
    return peer if peer in _COLOURED else "other"
