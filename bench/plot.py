"""Line charts as SVG, without dependencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 760
_HEIGHT: Final = 300
_LEFT: Final = 70
_RIGHT: Final = 150
_TOP: Final = 36
_BOTTOM: Final = 48
_TICKS: Final = 5
_COLOURS: Final = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#475569")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One line: points by rising x."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Chart:
    """Axes from 0 to what the points need. `log_y`: decades instead, for latencies."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    log_y: bool = False


def svg(charts: Sequence[Chart]) -> str:
    """The charts, one below the other."""
    height = _HEIGHT * len(charts)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for index, chart in enumerate(charts):
        parts.append(f'<g transform="translate(0 {index * _HEIGHT})">')
        parts += _chart(chart)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def nice_step(span: float) -> float:
    """A round distance of ticks, so that about five of them cover `span`."""
    if span <= 0:
        return 1.0
    rough = span / _TICKS
    decade = 10.0 ** math.floor(math.log10(rough))
    return next(step * decade for step in (1, 2, 2.5, 5, 10) if step * decade >= rough * 0.999)


class _Axis:
    """Maps values to pixels."""

    def __init__(self, values: Sequence[float], begin: float, end: float, *, log: bool = False) -> None:
        self._begin, self._end, self._log = begin, end, log
        positive = [value for value in values if value > 0]
        if log and positive:
            lowest = math.floor(math.log10(min(positive)))
            highest = max(lowest + 1, math.ceil(math.log10(max(positive))))
            self._low, self._high = float(lowest), float(highest)
            self.ticks = [10.0**exponent for exponent in range(lowest, highest + 1)]
        else:
            self._log = False
            step = nice_step(max(values, default=0))
            count = max(1, math.ceil(max(values, default=0) / step))
            self._low, self._high = 0.0, step * count
            self.ticks = [step * index for index in range(count + 1)]

    def place(self, value: float) -> float:
        if self._log:
            value = math.log10(max(value, 10.0**self._low))
        return self._begin + (value - self._low) / (self._high - self._low) * (self._end - self._begin)


def _chart(chart: Chart) -> list[str]:
    points = [point for series in chart.series for point in series.points]
    x_axis = _Axis([x for x, _ in points], _LEFT, _WIDTH - _RIGHT)
    y_axis = _Axis([y for _, y in points], _HEIGHT - _BOTTOM, _TOP, log=chart.log_y)
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts = [f'<text x="{_LEFT}" y="20" font-size="14" font-weight="bold">{escape(chart.title)}</text>']
    for tick in x_axis.ticks:
        x = x_axis.place(tick)
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_HEIGHT - _BOTTOM}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{_number(tick)}</text>')
    for tick in y_axis.ticks:
        y = y_axis.place(tick)
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(chart.x_label)}</text>')
    centre = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text x="16" y="{centre}" text-anchor="middle" transform="rotate(-90 16 {centre})">'
        f"{escape(chart.y_label)}</text>"
    )
    for index, series in enumerate(chart.series):
        parts += _line(series, index, x_axis, y_axis)
    return parts


def _line(series: Series, index: int, x_axis: _Axis, y_axis: _Axis) -> list[str]:
    colour = _COLOURS[index % len(_COLOURS)]
    placed = [(x_axis.place(x), y_axis.place(y)) for x, y in series.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    legend_y = _TOP + 14 + 18 * index
    legend_x = _WIDTH - _RIGHT + 14
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed),
        f'<rect x="{legend_x}" y="{legend_y - 9}" width="10" height="10" fill="{colour}"/>',
        f'<text x="{legend_x + 16}" y="{legend_y}">{escape(series.name)}</text>',
    ]


def _number(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:g} k"
    return f"{value:g}"
