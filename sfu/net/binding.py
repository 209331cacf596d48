"""Opening the sockets of a port."""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence

from .mmsg import socket_class
from .udp import UdpSocket

logger = logging.getLogger(__name__)


def bind_sockets(
    hosts: Sequence[str], named: frozenset[str], port: int, drops: dict[str, int], max_batch: int, *, offload: bool
) -> list[UdpSocket]:
    """One socket for each host, all on one port. Addresses that nobody named may fail (IPv6 still tentative, for
    one)."""
    sockets: list[UdpSocket] = []
    failure: OSError | None = None
    for host in hosts:
        try:
            made = socket_class()(host, sockets[0].port if sockets else port, drops, max_batch)
            made.offload = made.offload and offload
            sockets.append(made)
        except OSError as exc:
            failure = exc
            if host in named or exc.errno == errno.EADDRINUSE:
                for socket in sockets:
                    socket.close()
                raise
            logger.warning("cannot use the local address %s: %s", host, exc.strerror)
    if not sockets:
        raise failure or OSError(errno.EADDRNOTAVAIL, "there is no local address")
    return sockets
