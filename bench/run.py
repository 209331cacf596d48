"""The whole benchmark: cases on every system, in alternating runs on pinned cores, written up in RESULTS.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from .cli import search, search_json
from .cores import usable
from .fleet import Fleet, FleetError, FleetOptions
from .measure import Meter
from .probe import probe
from .progress import Progress
from .results import Run, write
from .scenarios import SCENARIOS, Options, Scenario
from .systems import NAMES, interface, system
from .systems.base import Running, SignalingError, System
from .systems.greenroom import OFFLOAD_VARIABLE

_RUNS: Final = "runs.jsonl"
_DIRECTORY: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the results: a scenario with its sizes."""

    scenario: str
    options: Options
    first_load: int
    loads: Sequence[int] = ()
    """Measured one by one. Without any the highest load is searched for, and then shares of it are measured."""
    gro: bool = True
    """Whether the clients' sockets take runs of packets whole."""
    offload: bool = True
    """Whether our server may leave runs of packets to the kernel to cut."""


CURVE: Final = (0.25, 0.5, 0.75, 1.0)
"""Shares of the highest load at which CPU and latency are measured for the plots."""

CASES: Final[dict[str, Case]] = {
    "webinar": Case("webinar", Options(join_rate=40.0), 100),
    "webinar, segments split by the kernel": Case("webinar", Options(join_rate=40.0), 100, gro=False),
    "webinar of 660, without offload": Case("webinar", Options(join_rate=40.0), 0, loads=(330, 660), offload=False),
    "webinar of 100": Case("webinar", Options(), 0, loads=(50, 100)),
    "webinar of 1,320": Case("webinar", Options(join_rate=40.0), 0, loads=(330, 660, 990, 1320)),
    "stage of 6": Case("stage", Options(limit=500, guests=5), 0, loads=(0,)),
    "stage of 21": Case("stage", Options(limit=500), 0, loads=(0,)),
    "10 speakers, 300 listeners": Case("audio", Options(join_rate=40.0), 0, loads=(150, 300)),
    "25 rooms of 10 at 300 kbit/s": Case("rooms", Options(bitrate_bps=300_000, limit=200), 0, loads=(12, 25)),
    "50 rooms of 10 at 300 kbit/s": Case("rooms", Options(bitrate_bps=300_000, limit=200), 0, loads=(25, 50)),
    "idle": Case("idle", Options(join_rate=50.0, settle_s=10.0), 0, loads=(1000,)),
    "churn": Case("churn", Options(seconds=600.0), 0, loads=(20,)),
}
"""A search takes minutes; loads that are known to be near the limit, and half of them, say what the targets ask."""

_OURS: Final = ("greenroom",)
_FORWARDING: Final = ("greenroom", "janus", "livekit")
ONLY: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(CASES, _OURS),
    "webinar": ("greenroom", "aiortc_relay"),
    **dict.fromkeys(("webinar of 100", "stage of 6", "stage of 21"), _FORWARDING),
}
"""Systems by case: the comparisons that say something, in a time that somebody waits for."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Where everything runs. With two cores the control process shares the clients' one."""

    media: int
    clients: tuple[int, ...]
    control: tuple[int, ...]

    @classmethod
    def of_this_machine(cls) -> Cores:
        """`ValueError` with fewer than two cores: then clients and server measure each other."""
        cores = usable()
        if len(cores) < 2:
            raise ValueError("the benchmark needs two cores")
        others = cores[1:]
        return cls(cores[0], others[:-1] or others, others[-1:])


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    progress = Progress()
    try:
        if "janus" in arguments.systems and system("janus").version() is not None:
            interface.enter_namespace()
        cores = Cores.of_this_machine()
        asyncio.run(_run_all(arguments, cores, progress))
    except (ValueError, RuntimeError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        progress.done()
    write(arguments.out, _kept(arguments.out), cores=(cores.media, cores.clients, cores.control))
    progress.line(f"written: {arguments.out / 'RESULTS.md'}")
    return 0


async def _run_all(arguments: argparse.Namespace, cores: Cores, progress: Progress) -> None:
    chosen = [system(name) for name in arguments.systems]
    for each in [each for each in chosen if each.version() is None]:
        progress.line(f"{each.name} is not installed and is left out")
        chosen.remove(each)
    before = max((run.number + 1 for run in _kept(arguments.out)), default=0) if arguments.more else 0
    if not before:
        (arguments.out / _RUNS).unlink(missing_ok=True)
    for number in range(arguments.runs):
        for name in arguments.cases:
            # Alternating, so that what else the machine does in these hours meets all systems alike.
            suitable = [each for each in chosen if each.name in ONLY[name]]
            for each in suitable if (before + number) % 2 == 0 else reversed(suitable):
                progress.line(f"run {number + 1} of {arguments.runs}: {name} on {each.name}")
                case = _shortened(CASES[name], arguments.seconds)
                _keep(arguments.out, await run_case(name, case, each, before + number, cores, progress))


async def run_case(name: str, case: Case, chosen: System, number: int, cores: Cores, progress: Progress) -> Run:
    """One case on a server of its own. A failure is a result too: it is in `error`."""
    run = Run(name, case.scenario, chosen.name, chosen.version() or "", number)
    server: Running | None = None
    run.cipher_ns.append(await asyncio.to_thread(probe, [cores.media]))
    try:
        os.environ[OFFLOAD_VARIABLE] = str(case.offload)
        server = await asyncio.to_thread(chosen.start, cores.control, cores.media)
        options = FleetOptions(
            server.url,
            chosen.name,
            processes=len(cores.clients),
            cores=cores.clients,
            gro=case.gro,
            bitrates_bps=(case.options.bitrate_bps,),
        )
        async with await Fleet.start(options) as fleet:
            scenario = SCENARIOS[case.scenario](fleet, Meter(chosen, server.url), case.options, progress)
            await scenario.prepare()
            await _measure(case, scenario, run, progress)
    except (FleetError, SignalingError, OSError, RuntimeError) as error:
        run.error = str(error) or type(error).__name__
        progress.line(f"failed: {run.error}")
    finally:
        if server is not None:
            await asyncio.to_thread(server.stop)
    run.cipher_ns.append(await asyncio.to_thread(probe, [cores.media]))
    return run


async def _measure(case: Case, scenario: Scenario, run: Run, progress: Progress) -> None:
    if case.loads:
        for load in case.loads:
            run.add(await scenario.measure(load))
        return
    first = 1 if scenario.meter.reencodes else case.first_load
    found = await search(scenario, first, case.options.limit, progress)
    run.search = search_json(found)
    for share in CURVE:
        load = max(1, round(share * found.load))
        if found.load and load not in {measurement["load"] for measurement in run.measurements}:
            run.add(await scenario.measure(load))


def _shortened(case: Case, seconds: float | None) -> Case:
    return case if seconds is None else replace(case, options=replace(case.options, seconds=seconds))


def _keep(directory: Path, run: Run) -> None:
    """Each run as it ends: hours of measuring are not lost with the last minute."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _RUNS).open("a") as file:
        file.write(json.dumps(run.to_json()) + "\n")


def _kept(directory: Path) -> list[Run]:
    path = directory / _RUNS
    return [Run(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=(__doc__ or "").strip())
    parser.add_argument("--runs", type=int, default=5, help="of each case on each system; default 5")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES), metavar="CASE", help="default: all")
    parser.add_argument("--systems", nargs="*", choices=NAMES, default=list(NAMES), help="default: all installed")
    parser.add_argument("--seconds", type=float, help="of each measurement, instead of each case's own")
    parser.add_argument("--more", action="store_true", help="report these together with the runs of last time")
    parser.add_argument("--out", type=Path, default=_DIRECTORY, help="where RESULTS.md, plots and runs.jsonl go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
