"""Writes RESULTS.md and its plots from the runs of a benchmark."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from .measure import Measurement
from .plot import Chart, Series, svg
from .table import count, milliseconds, percent_lost, share

_PLOT: Final = "results.svg"

Json = dict[str, Any]

_INTRODUCTION: Final = """\
# Benchmark results

Written by `make bench` (`python -m bench.run`); do not edit. Each figure is the median over the runs, with the lowest
and the highest in brackets.

How it is measured: the load clients (`bench/`) speak each server's own signaling, connect by ICE and DTLS, publish
valid VP8 and Opus at their real pace and sizes, and answer like browsers: receiver reports each second, transport-cc
feedback each 100 ms, NACK, PLI, consent checks. Every packet is counted by its sequence number; one in 64, and every
packet until a participant's first picture, is decrypted. Latency is from the publisher's stamp inside the payload to
the kernel's time of arrival at the subscriber, so it holds the server's time and two trips through the loopback. Loss
is counted before repair. The highest load is the largest with less than 0.1 % of loss; searches end within 5 %.
"Segments split by the kernel": the clients' sockets do not take runs of packets whole, so that the server's core pays
for taking its segmented sends apart.
"""


@dataclass(slots=True)
class Run:
    """One case on one system, once."""

    case: str
    scenario: str
    system: str
    version: str
    number: int
    search: Json | None = None
    """As `cli.search_json` has it."""
    measurements: list[Json] = field(default_factory=list)
    error: str | None = None
    cipher_ns: list[float] = field(default_factory=list)
    """`bench.probe` on the media's core, before and after."""

    def add(self, measurement: Measurement) -> None:
        self.measurements.append(measurement.to_json())

    def to_json(self) -> Json:
        return asdict(self)

    @property
    def best(self) -> Json | None:
        """What the case is about: the highest load carried, or the largest of the fixed ones."""
        if self.search is not None:
            found: Json | None = self.search["measurement"]
            return found
        return self.measurements[-1] if self.measurements else None


_SLOW: Final = 3.0
"""How many times longer than in the fastest run encryption may take before a run says nothing about a server."""


def without_slow(runs: Sequence[Run]) -> list[Run]:
    """The runs that met the machine as it usually is."""
    fastest = min((min(run.cipher_ns) for run in runs if run.cipher_ns), default=0.0)
    return [run for run in runs if not run.cipher_ns or max(run.cipher_ns) <= _SLOW * fastest]


def write(directory: Path, runs: Sequence[Run], cores: tuple[int, Sequence[int], Sequence[int]]) -> None:
    """RESULTS.md and results.svg."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _PLOT).write_text(svg(charts(without_slow(runs))))
    (directory / "RESULTS.md").write_text(report(runs, cores))


def report(runs: Sequence[Run], cores: tuple[int, Sequence[int], Sequence[int]]) -> str:
    """The text of RESULTS.md."""
    every, runs = runs, without_slow(runs)
    parts = [_INTRODUCTION, _machine(every, cores), f"![Load against CPU and latency]({_PLOT})\n"]
    for case in dict.fromkeys(run.case for run in runs):
        of_case = [run for run in runs if run.case == case]
        counts = ", ".join(
            f"{name} {sum(run.system == name for run in of_case)}" for name in dict.fromkeys(r.system for r in of_case)
        )
        parts.append(f"## {case}\n\nRuns: {counts}.\n")
        parts.append(_table(of_case))
        parts.append(_ratios(of_case))
        parts.append(f'Repeat: `python -m bench.run --cases "{case}"`\n')
    return "\n".join(part for part in parts if part)


def charts(runs: Sequence[Run]) -> list[Chart]:
    """CPU and latency over packets per second, for the cases that were measured at several loads."""
    made: list[Chart] = []
    for case in dict.fromkeys(run.case for run in runs):
        by_system = {
            name: _curve([run for run in runs if run.case == case and run.system == name])
            for name in dict.fromkeys(run.system for run in runs)
        }
        by_system = {name: points for name, points in by_system.items() if len(points) > 1}
        if not by_system:
            continue
        axis = "packets a second out"
        cpu = [
            Series(
                name, [(p["packets_out_per_s"], 100 * p["worker_cpu"]) for p in points if p["worker_cpu"] is not None]
            )
            for name, points in by_system.items()
        ]
        latency = [
            Series(
                f"{name}, {label}",
                [(p["packets_out_per_s"], p[key]) for p in points if p[key] is not None],
            )
            for name, points in by_system.items()
            for label, key in (("p50", "latency_p50_ms"), ("p99", "latency_p99_ms"))
        ]
        made.append(Chart(f"{case}: CPU of the worker", axis, "% of a core", cpu))
        made.append(Chart(f"{case}: added latency", axis, "ms", latency, log_y=True))
    return made


def median_and_spread(values: Sequence[float | None], text: Callable[[float], str]) -> str:
    """`median (lowest - highest)`; `-` where nothing was measured."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    middle = text(statistics.median(known))
    return middle if len(known) == 1 else f"{middle} ({text(min(known))} - {text(max(known))})"


def _curve(runs: Sequence[Run]) -> list[Json]:
    """Medians over the runs: the first point of each run with the first of the others, and so on."""
    every = [run.measurements for run in runs if run.measurements]
    points = [list(points) for points in zip(*every, strict=False)]
    keys = ("packets_out_per_s", "worker_cpu", "latency_p50_ms", "latency_p99_ms")
    merged = [{key: _median([point[key] for point in same]) for key in keys} for same in points]
    return sorted(merged, key=lambda point: point["packets_out_per_s"] or 0.0)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _table(runs: Sequence[Run]) -> str:
    columns = _columns(runs)
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    rows: list[tuple[str, Callable[[Json], float | None], Callable[[float], str]]] = [
        ("load", lambda m: m["load"], lambda v: f"{v:.0f}"),
        ("packets/s out", lambda m: m["packets_out_per_s"], count),
        ("bit/s out", lambda m: m["bits_out_per_s"], count),
        ("packets/s in", lambda m: m["packets_in_per_s"], count),
        ("loss", lambda m: m["loss"], percent_lost),
        ("added latency p50, ms", lambda m: m["latency_p50_ms"], milliseconds),
        ("added latency p99, ms", lambda m: m["latency_p99_ms"], milliseconds),
        ("added latency max, ms", lambda m: m["latency_max_ms"], milliseconds),
        ("join p50, ms", lambda m: m["join_p50_ms"], milliseconds),
        ("join p99, ms", lambda m: m["join_p99_ms"], milliseconds),
        ("CPU workers", lambda m: m["worker_cpu"], share),
        ("CPU control process", lambda m: m["control_cpu"], share),
        ("worker, us per packet", lambda m: m["worker_us_per_packet"], lambda v: f"{v:.2f}"),
        ("control, us per packet", lambda m: m["control_us_per_packet"], lambda v: f"{v:.2f}"),
        ("memory per participant, kB", lambda m: m["memory_per_participant_bytes"], lambda v: f"{v / 1000:.0f}"),
        (
            "reports left unread (`rtcp_shed`), per s",
            lambda m: m["server_drops"].get("rtcp_shed", 0) / m["seconds"],
            lambda v: f"{v:.0f}",
        ),
        ("busiest client's CPU", lambda m: m["client_cpu"], share),
        ("runs limited by the clients", lambda m: float(m["client_limited"]), lambda v: "yes" if v else "no"),
    ]
    for label, value, text in rows:
        cells = [median_and_spread([value(each) for each in measured], text) for measured in columns.values()]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    lines += [f"\n{run.system}, run {run.number + 1}, failed: {run.error}" for run in runs if run.error]
    return "\n".join(lines) + "\n"


def _columns(runs: Sequence[Run]) -> dict[str, list[Json]]:
    """Measurements by what stands above them: the system, and the load where several were measured one by one."""
    columns: dict[str, list[Json]] = {}
    for name in dict.fromkeys(run.system for run in runs):
        of_system = [run for run in runs if run.system == name]
        loads = list(dict.fromkeys(each["load"] for run in of_system for each in run.measurements))
        if len(loads) < 2 or any(run.search is not None for run in of_system):
            columns[name] = [run.best for run in of_system if run.best is not None]
            continue
        for load in loads:
            same = [each for run in of_system for each in run.measurements if each["load"] == load]
            columns[f"{name}, {load:,}"] = same
    return columns


def _ratios(runs: Sequence[Run]) -> str:
    """Greenroom against each other system, run by run."""
    names = list(dict.fromkeys(run.system for run in runs))
    lines: list[str] = []
    for name in names[1:]:
        pairs = [
            (ours.best, theirs.best)
            for ours in runs
            for theirs in runs
            if ours.system == names[0] and theirs.system == name and ours.number == theirs.number
        ]
        for label, key in (("load", "load"), ("CPU per forwarded packet", "worker_us_per_packet")):
            ratios = [
                ours[key] / theirs[key] for ours, theirs in pairs if ours and theirs and ours[key] and theirs[key]
            ]
            if ratios:
                text = median_and_spread(ratios, lambda v: f"{v:.2f}")
                lines.append(f"- {label}, {names[0]} / {name}: {text}")
    return "\n".join(lines) + "\n" if lines else ""


def _machine(runs: Sequence[Run], cores: tuple[int, Sequence[int], Sequence[int]]) -> str:
    versions = {run.system: run.version for run in runs}
    media, clients, control = cores
    return "\n".join(
        [
            f"- machine: {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
            f"- Python {platform.python_version()}; " + ", ".join(f"{name} {text}" for name, text in versions.items()),
            f"- cores: media {media}; clients {_list(clients)}; control process and everything else {_list(control)}",
            f"{_cipher(runs)}\n",
        ]
    )


def _cipher(runs: Sequence[Run]) -> str:
    kept = without_slow(runs)
    text = median_and_spread([each for run in kept for each in run.cipher_ns], lambda v: f"{v:.0f}")
    line = f"- encrypting a packet of 1,200 bytes (`python -m bench.probe`), before and after the runs: {text} ns"
    left_out = len(runs) - len(kept)
    return line + (
        f"; {left_out} more were left out, because the machine took over {_SLOW:.0f} times as long" if left_out else ""
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
