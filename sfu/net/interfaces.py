"""Which local addresses to bind when nobody names one."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from typing import Final

import ifaddr

_IPV4_LOOPBACK: Final = "127.0.0.1"
_IPV6_LOOPBACK: Final = "::1"

MAX_ADDRESSES: Final = 16
"""Hosts full of containers have dozens of bridges. Every address is a candidate that every peer checks, and FFmpeg
reads no more than 8 KiB of answer."""


def _preferred_source(family: socket.AddressFamily, remote: str) -> str | None:
    """The local address of the default route. Connecting a UDP socket sends nothing."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((remote, 9))
            host: str = probe.getsockname()[0]
            return host
    except OSError:
        return None


def _system_addresses() -> list[str]:
    """All addresses of all interfaces, IPv6 scopes left out."""
    addresses = (ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    return [address if isinstance(address, str) else address[0] for address in addresses]


def order_addresses(addresses: Iterable[str], preferred: Sequence[str | None]) -> list[str]:
    """Usable addresses, best first: IPv4 before IPv6, in each family the default route's first, and loopback at the
    end.

    Link-local addresses are left out: they need a scope, which a candidate cannot carry. `::1` is used only where there
    is no other address at all, while 127.0.0.1 always stays, for the browser on the developer's own machine.
    """
    known = {ipaddress.ip_address(address) for address in addresses}
    usable = [ip for ip in known if not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified)]
    usable.sort(key=lambda ip: (ip.version, str(ip) not in preferred, int(ip)))
    ordered = [str(ip) for ip in usable[: MAX_ADDRESSES - 1]]
    if ipaddress.ip_address(_IPV4_LOOPBACK) in known:
        ordered.append(_IPV4_LOOPBACK)
    return ordered or [_IPV6_LOOPBACK]


def local_addresses() -> list[str]:
    """The addresses of this machine in the order of `order_addresses`."""
    # Addresses of the documentation ranges (RFC 5737, RFC 3849): never local, always behind the default route.
    preferred = [_preferred_source(socket.AF_INET, "192.0.2.1"), _preferred_source(socket.AF_INET6, "2001:db8::1")]
    return order_addresses(_system_addresses(), preferred)


def expand_hosts(hosts: Sequence[str]) -> list[str]:
    """Literal addresses to bind. No hosts at all, `0.0.0.0` and `::` stand for the local addresses (of their family).

    `ValueError` for what is no address.
    """
    expanded: dict[str, None] = {}
    for host in hosts or ("0.0.0.0", "::"):
        ip = ipaddress.ip_address(host)
        if not ip.is_unspecified:
            expanded[str(ip)] = None
            continue
        expanded.update(
            dict.fromkeys(own for own in local_addresses() if ipaddress.ip_address(own).version == ip.version)
        )
    # A stable sort: loopback behind whatever a peer elsewhere can reach.
    return sorted(expanded, key=lambda host: ipaddress.ip_address(host).is_loopback)
