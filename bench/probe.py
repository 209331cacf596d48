"""How fast this machine encrypts right now: `python -m bench.probe` prints nanoseconds per packet.

Virtual machines have been seen whose wide vector units were ten times slower for minutes, with everything else as fast
as ever. A benchmark has to know when that happens.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from sfu.net.srtp import RowPointers, SrtpKeys, SrtpOutbound, protect_rows

from .cores import pin

_PACKET_LEN: Final = 1200
_ROWS: Final = 64
_ROUNDS: Final = 200
_STRIDE: Final = 1664
_KEY: Final = bytes(range(28))
_TIMEOUT_S: Final = 60.0


def cipher_ns() -> float:
    """Nanoseconds of CPU for a packet of 1,200 bytes by SRTP with AES-128-GCM, the median of 200 rounds of 64."""
    pointers = RowPointers(np.zeros((_ROWS, _STRIDE), np.uint8), 0)
    handle = SrtpOutbound(SrtpKeys("AEAD_AES_128_GCM", _KEY, _KEY)).handle
    taken: list[float] = []
    for number in range(_ROUNDS):
        pointers.matrix[:, 0] = 0x80
        pointers.matrix[:, 2:4] = (np.arange(_ROWS) + number * _ROWS).astype(">u2").view(np.uint8).reshape(_ROWS, 2)
        pointers.lengths[:] = _PACKET_LEN
        begun = time.thread_time_ns()
        failed = protect_rows(pointers, 0, [handle] * _ROWS)
        taken.append((time.thread_time_ns() - begun) / _ROWS)
        if failed:
            raise RuntimeError("libsrtp refuses to protect the probe's packets")
    return float(np.median(taken))


def probe(cores: Sequence[int]) -> float:
    """`cipher_ns` in a process of its own on these cores. Raises RuntimeError where it fails."""
    command = [sys.executable, "-m", "bench.probe", *map(str, cores)]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"the probe failed\n{done.stderr}")
    return float(done.stdout)


if __name__ == "__main__":
    pin(0, [int(core) for core in sys.argv[1:]])
    print(cipher_ns())
