"""Measurements for people to read."""

from __future__ import annotations

from collections.abc import Sequence

from .measure import Measurement
from .search import Found


def count(number: float) -> str:
    """Three digits or so: 84,200 is `84.2 k`."""
    for limit, divisor, suffix in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if abs(number) >= limit:
            return f"{number / divisor:.1f}{suffix}"
    return f"{number:.0f}"


def milliseconds(*values: float | None) -> str:
    return " / ".join("-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in values)


def share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def percent_lost(value: float) -> str:
    return f"{100 * value:.3f} %"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned, as wide as they need to be."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def describe(result: Measurement) -> str:
    """One measurement, a line for each figure."""
    rows = [
        ("load", f"{result.load} {result.load_name} ({result.participants} participants, {result.seconds:.1f} s)"),
        ("in", f"{count(result.packets_in_per_s)} packets/s, {count(result.bits_in_per_s)}bit/s"),
        ("out", f"{count(result.packets_out_per_s)} packets/s, {count(result.bits_out_per_s)}bit/s"),
        ("loss", f"{percent_lost(result.loss)} ({percent_lost(result.unrepaired_loss)} after repair)"),
        (
            "added latency p50 / p99 / max",
            f"{milliseconds(result.latency_p50_ms, result.latency_p99_ms, result.latency_max_ms)} ms "
            f"({result.latency_samples} samples)",
        ),
        (
            "join p50 / p99",
            f"{milliseconds(result.join_p50_ms, result.join_p99_ms)} ms ({result.joins} joins)",
        ),
        ("CPU workers / control process", f"{share(result.worker_cpu)} / {share(result.control_cpu)} of a core"),
        ("CPU per forwarded packet", _per_packet(result)),
        ("memory per participant", _memory(result.memory_per_participant_bytes)),
        ("busiest client", f"{share(result.client_cpu)} of a core"),
    ]
    if result.server_drops:
        rows.append(("dropped by the server", ", ".join(f"{k}: {v}" for k, v in sorted(result.server_drops.items()))))
    rows += [(name.replace("_", " "), f"{value}") for name, value in result.notes.items()]
    rows += [("", warning) for warning in warnings(result)]
    return columns(rows)


def warnings(result: Measurement) -> list[str]:
    """What makes the figures worth less than they look."""
    found = [f"{times} failed to join: {reason}" for reason, times in result.join_failures.items()]
    if result.lost_participants:
        found.append(f"{result.lost_participants} participants were thrown out")
    if result.srtp_failures:
        found.append(f"{result.srtp_failures} packets could not be decrypted")
    if result.client_receive_drops:
        found.append(f"the clients were too slow for {result.client_receive_drops} packets: do not blame the server")
    elif result.client_limited:
        found.append("the clients had no time left: run more of them (--clients)")
    if result.client_send_failures:
        found.append(f"{result.client_send_failures} packets of the clients could not be sent")
    return found


def describe_search(found: Found[Measurement]) -> str:
    """The highest load, and what stopped the search."""
    failed = found.failed_outcome
    if found.outcome is None:
        return "nothing was tried" if failed is None else f"not even this is carried\n{describe(failed)}"
    text = f"highest load carried\n{describe(found.outcome)}"
    if failed is None:
        return f"{text}\nno higher load was tried (--limit)"
    reasons = [f"loss {percent_lost(failed.loss)}", *warnings(failed)]
    return f"{text}\n{found.failed_load} {failed.load_name} fail: {', '.join(reasons)}"


def _per_packet(result: Measurement) -> str:
    if result.worker_us_per_packet is None or result.control_us_per_packet is None:
        return "-"
    return f"{result.worker_us_per_packet:.2f} us workers, {result.control_us_per_packet:.2f} us control process"


def _memory(value: float | None) -> str:
    return "-" if value is None else f"{value / 1000:.0f} kB"
