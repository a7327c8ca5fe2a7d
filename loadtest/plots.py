"""This module owns the drawings of the report: SVG of our own, so that the page needs no other.

Colours are classes of the page's style sheet, so that one drawing serves the light and the dark
page.
"""

from __future__ import annotations

from html import escape
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

Point = tuple[float, float]

_WIDTH: Final = 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 10, 40
_PLOT_HEIGHT: Final = 240
_BAR_HEIGHT, _BAR_STEP, _BAR_LEFT, _BAR_RIGHT = 16, 30, 128, 84
_QUANTILES: Final = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999)


def bars(rows: list[tuple[str, str, float, list[float]]]) -> str:
    """A bar for each (class, label, value, values of the rounds); a round is a tick on its bar."""
    largest = max(one for _, _, value, rounds in rows for one in (value, *rounds))
    scale = (_WIDTH - _BAR_LEFT - _BAR_RIGHT) / (largest or 1)
    parts: list[str] = []
    for number, (style, label, value, rounds) in enumerate(rows):
        y = number * _BAR_STEP + 6
        middle = y + _BAR_HEIGHT / 2 + 4
        width = max(1.0, value * scale)
        end = _BAR_LEFT + max(value, *rounds) * scale + 8
        parts += [
            _text(_BAR_LEFT - 8, middle, label, "end"),
            _bar(style, y, width, f"{label}: {short(value)}"),
            *(_tick(_BAR_LEFT + one * scale, y) for one in rounds),
            _text(end, middle, short(value), "start", "value"),
        ]
    return _svg(len(rows) * _BAR_STEP + 8, parts)


def _bar(style: str, y: float, width: float, title: str) -> str:
    size = f'width="{width:.1f}" height="{_BAR_HEIGHT}" rx="2"'
    title = f"<title>{escape(title)}</title>"
    return f'<rect class="fill {style}" x="{_BAR_LEFT}" y="{y}" {size}>{title}</rect>'


def _tick(x: float, y: float) -> str:
    ends = f'y1="{y - 2}" y2="{y + _BAR_HEIGHT + 2}"'
    return f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" {ends}/>'


def quantiles(series: list[tuple[str, str, list[Point]]]) -> str:
    """Latency by share of the deliveries: shares spread by nines, milliseconds by powers of ten.

    A series is (class, label, [(milliseconds, share at or below)]).
    """
    values = [ms for _, _, curve in series for ms, _ in curve if ms > 0]
    low, high = _decades_of(values)
    end = _nines(_QUANTILES[-1])

    def place(point: Point) -> Point:
        x = min(_nines(point[0]), end) / end
        return _in_plot(x, (log10(max(point[1], 10**low)) - low) / (high - low))

    parts = [
        _horizontal(place((0, 10.0**power))[1], f"{short(10.0**power)} ms")
        for power in range(low, high + 1)
    ]
    below = _TOP + _PLOT_HEIGHT + 16
    parts += [
        _text(place((share, 1))[0], below, f"{share * 100:g} %", "middle")
        for share in _QUANTILES[:-1]
    ]
    parts.append(_text(_WIDTH, below, f"{_QUANTILES[-1] * 100:g} %", "end"))
    parts.append(
        _text((_LEFT + _WIDTH) / 2, below + 18, "share of deliveries at or below", "middle")
    )
    # A bucket of the histogram is a step: its milliseconds hold from the share before it to its
    # own.
    steps = [(style, label, _steps_of(curve)) for style, label, curve in series]
    return _svg(_TOP + _PLOT_HEIGHT + _BOTTOM, parts + _lines(steps, place))


def over_time(series: list[tuple[str, str, list[Point]]], unit: str) -> str:
    """A quantity by seconds since the start of the round."""
    last = max((x for _, _, points in series for x, _ in points), default=1.0) or 1.0
    step = _round_step(max((y for _, _, points in series for _, y in points), default=1.0) / 4)
    top = step * max(
        1, ceil(max((y for _, _, points in series for _, y in points), default=1.0) / step)
    )

    def place(point: Point) -> Point:
        return _in_plot(point[0] / last, point[1] / top)

    parts = [
        _horizontal(place((0, number * step))[1], f"{short(number * step)} {unit}")
        for number in range(round(top / step) + 1)
    ]
    across, below = _round_step(last / 5), _TOP + _PLOT_HEIGHT + 16
    parts += [
        _text(place((number * across, 0))[0], below, short(number * across), "middle")
        for number in range(floor(last / across) + 1)
    ]
    parts.append(_text((_LEFT + _WIDTH) / 2, below + 18, "seconds since the round began", "middle"))
    return _svg(_TOP + _PLOT_HEIGHT + _BOTTOM, parts + _lines(series, place))


def short(value: float) -> str:
    """A number with about three digits, which is what a reader can use."""
    whole = len(str(int(value)))
    if whole > 2 or value == int(value):  # noqa: PLR2004 - three digits before the point are enough
        return f"{value:,.0f}"
    return f"{value:.{3 - whole}f}" if value >= 1 else f"{value:.3g}"


def _nines(share: float) -> float:
    return -log10(max(1 - share, 1e-9))


def _decades_of(values: list[float]) -> tuple[int, int]:
    if not values:
        return -1, 1
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return low, max(high, low + 1)


def _steps_of(curve: list[Point]) -> list[Point]:
    steps: list[Point] = []
    before = 0.0
    for milliseconds, share in curve:
        steps += [(before, milliseconds), (share, milliseconds)]
        before = share
    return steps


def _in_plot(x: float, y: float) -> Point:
    return _LEFT + x * (_WIDTH - _LEFT - _RIGHT), _TOP + (1 - y) * _PLOT_HEIGHT


def _round_step(wanted: float) -> float:
    """The 1, 2 or 5 times a power of ten at or above `wanted`."""
    power = 10.0 ** floor(log10(wanted)) if wanted > 0 else 1.0
    return next((power * factor for factor in (1, 2, 5) if power * factor >= wanted), power * 10)


def _lines(
    series: list[tuple[str, str, list[Point]]], place: Callable[[Point], Point]
) -> list[str]:
    lines = []
    for style, label, points in series:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, points))
        lines.append(
            f'<polyline class="line {style}" points="{path}">'
            f"<title>{escape(label)}</title></polyline>"
        )
    return lines


def _horizontal(y: float, label: str) -> str:
    line = f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(_LEFT - 8, y + 4, label, "end")


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{style}" {place}>{escape(text)}</text>'


def _svg(height: float, parts: list[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img">{"".join(parts)}</svg>'
