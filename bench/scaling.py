"""What a second worker on a second core adds: `python -m bench.scaling`.

Forwarding loops as in `bench.hotpath` (everything but decryption and reports; real SRTP, real datagrams), as fast as
they can, in one process or in one for each core. Nobody takes the datagrams: a full buffer drops them, on the core of
whoever sent them, so that no load client competes for the cores. Printed are packets per second together, and the
ratio to a single process of the same round.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Final

from .cores import pin, usable
from .hotpath import SHAPES, Rig, Shape

_SHAPES: Final = ("webinar, a frame to 500", "stage, 5 frames to 20", "rooms, 8 frames to 9 each")
_START_TIMEOUT_S: Final = 60.0


def _forward(shape: Shape, core: int, seconds: float, pipe: Connection) -> None:
    """Tell that everything is ready, wait for a word, forward, and tell packets per second."""
    pin(os.getpid(), (core,))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unread:
        unread.bind(("0.0.0.0", 0))
        rig = Rig(shape, unread.getsockname()[1])
        pipe.send(0.0)
        pipe.recv()
        sent, begun = 0, time.monotonic()
        while (elapsed := time.monotonic() - begun) < seconds:
            sent += rig.wake_up()[2]
        rig.close()
    pipe.send(sent / elapsed)


def together(shape: Shape, cores: Sequence[int], seconds: float) -> float:
    """Packets per second of one process on each of these cores."""
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    processes = []
    for core in cores:
        here, there = context.Pipe()
        process = context.Process(target=_forward, args=(shape, core, seconds, there), daemon=True)
        process.start()
        pipes.append(here)
        processes.append(process)
    try:
        for pipe in pipes:
            _next(pipe, _START_TIMEOUT_S)
        for pipe in pipes:
            pipe.send(None)
        return sum(_next(pipe, _START_TIMEOUT_S + seconds) for pipe in pipes)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _next(pipe: Connection, timeout_s: float) -> float:
    if not pipe.poll(timeout_s):
        raise TimeoutError("a forwarding process does not answer")
    rate: float = pipe.recv()
    return rate


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=(__doc__ or "").strip())
    parser.add_argument("--rounds", type=int, default=5, help="of each shape; default 5")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement; default 3")
    arguments = parser.parse_args(argv)
    cores = usable()
    if len(cores) < 2:
        print("bench.scaling: it takes two cores", file=sys.stderr)
        return 1
    print(f"{'':28}{'1 process':>12}{f'{len(cores)} processes':>14}{'ratio':>8}  (lowest - highest)")
    for shape in (shape for shape in SHAPES if shape.name in _SHAPES):
        alone, all_of_them, ratios = [], [], []
        for _ in range(arguments.rounds):
            alone.append(together(shape, cores[:1], arguments.seconds))
            all_of_them.append(together(shape, cores, arguments.seconds))
            ratios.append(all_of_them[-1] / alone[-1])
        print(
            f"{shape.name:28}{statistics.median(alone):12,.0f}{statistics.median(all_of_them):14,.0f}"
            f"{statistics.median(ratios):8.2f}  ({min(ratios):.2f} - {max(ratios):.2f})",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
