"""`greenroom bench`: put a running server under load and report how it copes."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from . import clips
from .fleet import Fleet, FleetError, FleetOptions
from .measure import Measurement, Meter
from .progress import Progress
from .scenarios import MAX_STAGE, SCENARIOS, Options, Scenario
from .search import Found, find_max
from .systems import NAMES, system
from .systems.base import SignalingError
from .table import describe, describe_search

EXIT_FAILED: Final = 1
"""The load was not carried, or could not be made."""
EXIT_INTERRUPTED: Final = 130
_RESOLUTION: Final = 0.05
MAX_LOAD: Final = 15_000
"""A little below the transports that one client process has room for."""

_EPILOG: Final = """\
All clients come from one address: start the server with GREENROOM_RATE_LIMITS=off for more than a thousand of them.
The clients take tokens from POST /auth/dev-token, or sign their own where GREENROOM_JWT_SECRET is set as it is for the
server. One in --sample packets is decrypted, to see that it can be and how long it took; the others are counted by
their headers, which are in clear. CPU and memory are reported for servers on this machine."""


def main(argv: list[str] | None = None) -> int:
    """Run one scenario and return the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    progress = Progress(None if arguments.quiet else sys.stderr)
    try:
        passed = asyncio.run(_run(arguments, progress))
    except (FleetError, SignalingError, OSError) as error:
        print(f"greenroom bench: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    finally:
        progress.done()
    return 0 if passed else EXIT_FAILED


async def _run(arguments: argparse.Namespace, progress: Progress) -> bool:
    options = Options(**{field.name: getattr(arguments, field.name) for field in fields(Options)})
    chosen = system(arguments.system)
    meter = Meter(chosen, arguments.url)
    await meter.counters()  # there is no use in starting clients for a server that does not answer
    fleet_options = FleetOptions(
        arguments.url,
        arguments.system,
        processes=arguments.clients,
        cores=arguments.client_cores,
        sample=arguments.sample,
        gro=arguments.gro,
        bitrates_bps=[options.bitrate_bps],
    )
    async with await Fleet.start(fleet_options) as fleet:
        scenario = SCENARIOS[arguments.scenario](fleet, meter, options, progress)
        await scenario.prepare()
        if arguments.find_max:
            return _report_search(await search(scenario, arguments.load, options.limit, progress), arguments, progress)
        load = scenario.default_load if arguments.load is None else arguments.load
        return _report(await scenario.measure(load), arguments, progress)


async def search(scenario: Scenario, first: int | None, limit: int, progress: Progress) -> Found[Measurement]:
    """The highest load of a prepared scenario with a loss below `measure.MAX_LOSS`."""

    async def attempt(load: int) -> tuple[bool, Measurement]:
        result = await scenario.measure(load)
        verdict = "carried" if result.passed else "not carried"
        progress.line(f"{load} {scenario.load_name}: {verdict}, loss {100 * result.loss:.3f} %")
        return result.passed, result

    return await find_max(attempt, first=first or scenario.default_load, limit=limit, resolution=_RESOLUTION)


def _report(result: Measurement, arguments: argparse.Namespace, progress: Progress) -> bool:
    progress.done()
    print(json.dumps(result.to_json()) if arguments.json else describe(result))
    return result.passed


def _report_search(found: Found[Measurement], arguments: argparse.Namespace, progress: Progress) -> bool:
    progress.done()
    if arguments.json:
        print(json.dumps(search_json(found)))
    else:
        print(describe_search(found))
    return found.outcome is not None


def search_json(found: Found[Measurement]) -> dict[str, Any]:
    return {
        "load": found.load,
        "measurement": found.outcome.to_json() if found.outcome else None,
        "failed_load": found.failed_load,
        "failed_measurement": found.failed_outcome.to_json() if found.failed_outcome else None,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="greenroom bench",
        description="Put a running server under load and report how it copes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="scenario", required=True, metavar="SCENARIO")
    for name, scenario in SCENARIOS.items():
        command = commands.add_parser(name, help=_first_line(scenario), description=_first_line(scenario))
        _add_load(command, scenario)
        _add_common(command)
    return parser


def _add_load(command: argparse.ArgumentParser, scenario: type[Scenario]) -> None:
    flag = {"joins a second": "rate"}.get(scenario.load_name, scenario.load_name)
    command.add_argument(
        f"--{flag}", dest="load", type=_up_to(MAX_LOAD), metavar="N", help=f"the load; default {scenario.default_load}"
    )
    command.add_argument(
        "--find-max", action="store_true", help="search for the highest load with less than 0.1 %% of loss"
    )
    defaults = Options()
    for name, (owner, convert, text) in _OWN_OPTIONS.items():
        if owner == scenario.name:
            command.add_argument(
                f"--{name.replace('_', '-')}",
                type=convert,
                metavar="N",
                default=getattr(defaults, name),
                help=f"{text}; default %(default)s",
            )
        else:
            command.set_defaults(**{name: getattr(defaults, name)})


def _add_common(command: argparse.ArgumentParser) -> None:
    add, defaults = command.add_argument, Options()
    add("--url", metavar="URL", default="http://127.0.0.1:8080", help="of the server; default %(default)s")
    add(
        "--bitrate",
        dest="bitrate_bps",
        type=_bitrate,
        metavar="BPS",
        default=defaults.bitrate_bps,
        help="of a camera; default 1500k",
    )
    add("--seconds", type=float, metavar="S", default=defaults.seconds, help="how long to measure; default %(default)s")
    add("--settle-s", type=float, default=defaults.settle_s, metavar="S", help="before it; default %(default)s")
    add("--join-rate", type=float, default=defaults.join_rate, metavar="N", help="joins a second; default %(default)s")
    add("--limit", type=_positive, metavar="N", default=defaults.limit, help="highest load to try; default %(default)s")
    add("--clients", type=_positive, default=1, metavar="N", help="client processes; default %(default)s")
    add("--client-cores", type=_cores, default=(), metavar="N,N", help="keep the clients to these cores")
    add("--sample", type=_positive, default=64, metavar="N", help="decrypt one in N packets; default %(default)s")
    add("--gro", action=argparse.BooleanOptionalAction, default=True, help="let the kernel hand over runs of packets")
    add("--system", choices=NAMES, default=NAMES[0], help="what kind of server it is; default %(default)s")
    add("--json", action="store_true", help="print JSON instead of a table")
    add("--quiet", action="store_true", help="show no progress")


def _up_to(limit: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        number = int(text)
        if not 0 <= number <= limit:
            raise argparse.ArgumentTypeError(f"it has to be at most {limit}")
        return number

    return convert


_OWN_OPTIONS: Final[dict[str, tuple[str, Callable[[str], float], str]]] = {
    "guests": ("stage", _up_to(MAX_STAGE - 1), "guests on stage beside the host, up to 20"),
    "speakers": ("audio", _up_to(MAX_STAGE), "publishers, up to 21"),
    "room_viewers": ("rooms", _up_to(1000), "viewers of each room"),
    "stay_s": ("churn", float, "seconds that everybody stays"),
}


def _first_line(scenario: type[Scenario]) -> str:
    return (scenario.__doc__ or "").strip().partition("\n")[0]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it has to be at least 1")
    return number


def _bitrate(text: str) -> int:
    """`1500k`, `1.5M` or bits a second."""
    factor = {"k": 1e3, "m": 1e6}.get(text[-1:].lower())
    number = int(float(text) if factor is None else float(text[:-1]) * factor)
    if number < clips.MIN_BITRATE_BPS:
        raise argparse.ArgumentTypeError(f"it has to be at least {clips.MIN_BITRATE_BPS}")
    return number


def _cores(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
