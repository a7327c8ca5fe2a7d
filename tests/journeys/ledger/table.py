"""The tables of a campaign, as text: what went wrong, and how long it took to mend."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import median

from tests.journeys.ledger.verdict import KINDS, Verdict

HEADS = (
    "seed",
    "faults",
    "acknowledged",
    "received",
    "anomalies",
    "resets",
    "lost unseen",
    "refused",
    "longest answer s",
    "loop late s",
    "loop busy s",
)


def tables_of(verdicts: Mapping[int, Verdict]) -> str:
    """All tables of runs by seed."""
    parts = [_runs(verdicts), _kinds(verdicts), _faults(list(verdicts.values()))]
    return "\n".join("\n".join(_lined_up(rows)) + "\n" for rows in parts)


def _runs(verdicts: Mapping[int, Verdict]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [HEADS]
    for seed, verdict in verdicts.items():
        tries = sum(verdict.tries.values())
        refused = 1 - verdict.tries["ok"] / tries if tries else 0.0
        rows.append(
            (
                str(seed),
                str(len(verdict.faults)),
                str(verdict.acknowledged),
                str(verdict.received),
                str(len(verdict.anomalies)),
                str(len(verdict.resets)),
                str(verdict.unseen),
                f"{refused:.1%}",
                f"{verdict.slowest_try_seconds:.2f}",
                f"{verdict.lag_seconds:.2f}",
                f"{verdict.busy_seconds:.2f}",
            )
        )
    return rows


def _kinds(verdicts: Mapping[int, Verdict]) -> list[Sequence[str]]:
    total: Counter[str] = Counter()
    for verdict in verdicts.values():
        total.update(verdict.by_kind())
    return [("anomaly", "found"), *((kind, str(total[kind])) for kind in KINDS)]


def _faults(verdicts: Sequence[Verdict]) -> list[Sequence[str]]:
    """By fault: how often, and how long after its end everybody had something newer."""
    recoveries: defaultdict[str, list[float]] = defaultdict(list)
    times: Counter[str] = Counter()
    for verdict in verdicts:
        for index, fault in enumerate(verdict.faults):
            times[fault.name] += 1
            if index in verdict.recovery_seconds:
                recoveries[fault.name].append(verdict.recovery_seconds[index])
    rows: list[Sequence[str]] = [("fault", "times", "mended after s: median", "longest")]
    for name in sorted(times):
        seconds = recoveries[name] or [0.0]
        rows.append((name, str(times[name]), f"{median(seconds):.2f}", f"{max(seconds):.2f}"))
    return rows


def _lined_up(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
