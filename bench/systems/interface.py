"""A network interface for servers that leave loopback out, reached by the same load clients. Linux, as root.

It is made in a network namespace of the benchmark's own, never in the machine's: `enter_namespace`.

Load clients have source addresses in 127.1.0.0/16 (`bench.lanes`). A server whose sockets are tied to the interface of
their address (IP_UNICAST_IF, as libnice does it) reaches them only if they are local on that interface too. Packets
take the way over loopback all the same, as every packet from one local address to another does.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from typing import Final

NAME: Final = "greenroom0"
ADDRESS: Final = "198.18.0.1"
"""Of the range for benchmarks (RFC 2544)."""

_CLONE_NEWNET: Final = 0x40000000
_own_namespace = False
"""Whether `enter_namespace` has moved this process."""

_PEER: Final = "greenroom1"
_CLIENTS: Final = "127.1.0.0/16"


def why_not() -> str | None:
    """What is missing here to make the interface."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "a network interface of its own needs root"
    if shutil.which("ip") is None:
        return "a network interface of its own needs the command ip (iproute2)"
    if not _own_namespace:
        return "a network interface is only made in a network namespace of the benchmark's own (make bench)"
    return None


def enter_namespace() -> None:
    """Move this process, and what it starts from now on, into a network namespace of its own that has loopback only.

    Call it before the first thread. `OSError` where that is not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    global _own_namespace
    _own_namespace = True
    _ip("link", "set", "lo", "up")


def add() -> None:
    """Make it, in the place of what an earlier run may have left. `RuntimeError` where that cannot be."""
    reason = why_not()
    if reason is not None:
        raise RuntimeError(reason)
    remove()
    try:
        # One of a pair: interfaces without anybody at the other end do not count as running.
        _ip("link", "add", NAME, "type", "veth", "peer", "name", _PEER)
        _ip("link", "set", _PEER, "up")
        _ip("link", "set", NAME, "up")
        _ip("address", "add", f"{ADDRESS}/32", "dev", NAME)
        _ip("route", "add", "local", _CLIENTS, "dev", NAME, "table", "local")
    except subprocess.CalledProcessError as error:
        remove()
        raise RuntimeError(f"no network interface could be made: {error.stderr.strip()}") from None


def remove() -> None:
    """With its address and route. Idempotent."""
    subprocess.run(["ip", "link", "del", NAME], stderr=subprocess.DEVNULL, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
