"""Peer addresses as opaque keys that cost next to nothing to take from a socket call.

The key of an IPv4 address is one integer, the first 8 bytes of its `sockaddr_in` in the machine's byte order. The key
of an IPv6 address is its whole 28-byte `sockaddr_in6`, whose flow label the kernel zeroes on receipt. Keys live inside
one process only: they are compared, hashed and turned back into socket addresses, never stored or sent.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import struct
import sys
from typing import Final

AddressKey = int | bytes
SocketAddress = tuple[str, int] | tuple[str, int, int, int]

SOCKADDR_IN_SIZE: Final = 16
SOCKADDR_IN6_SIZE: Final = 28

_IN: Final = struct.Struct("=H2s4s")
_IN6: Final = struct.Struct("=H2sI16sI")

_CACHED_ADDRESSES: Final = 4096
"""Conversions remembered: more than a busy worker has transports, and a bound on what a flood can take."""


def _pack(host: str, port: int, scope_id: int) -> bytes:
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} is out of range")
    address = ipaddress.ip_address(host)
    network_port = port.to_bytes(2, "big")
    if isinstance(address, ipaddress.IPv4Address):
        return _IN.pack(socket.AF_INET, network_port, address.packed)
    return _IN6.pack(socket.AF_INET6, network_port, 0, address.packed, scope_id)


@functools.lru_cache(_CACHED_ADDRESSES)
def key_from_socket_address(address: SocketAddress) -> AddressKey:
    """The key of what `socket.recvfrom` gives. `ValueError` when it is no IP address."""
    scope_id = address[3] if len(address) == 4 else 0
    packed = _pack(address[0].partition("%")[0], address[1], scope_id)
    return int.from_bytes(packed, sys.byteorder) if len(packed) == _IN.size else packed


def address_key(host: str, port: int) -> AddressKey:
    """The key of a literal address and a port (0-65535). `ValueError` for host names and bad ports."""
    return key_from_socket_address((host, port))


@functools.lru_cache(_CACHED_ADDRESSES)
def socket_address(key: AddressKey) -> SocketAddress:
    """What `socket.sendto` wants."""
    if isinstance(key, int):
        _, port, packed = _IN.unpack(key.to_bytes(_IN.size, sys.byteorder))
        return socket.inet_ntop(socket.AF_INET, packed), int.from_bytes(port, "big")
    _, port, flow, packed, scope_id = _IN6.unpack(key)
    return socket.inet_ntop(socket.AF_INET6, packed), int.from_bytes(port, "big"), flow, scope_id


def sockaddr(key: AddressKey) -> bytes:
    """What `sendmmsg` wants: 16 or 28 bytes."""
    if isinstance(key, int):
        return key.to_bytes(_IN.size, sys.byteorder).ljust(SOCKADDR_IN_SIZE, b"\0")
    return key


def host_and_port(key: AddressKey) -> tuple[str, int]:
    """The address as text, without brackets or scope, and the port."""
    address = socket_address(key)
    return address[0], address[1]


def format_address(key: AddressKey) -> str:
    """`192.0.2.1:5000` or `[2001:db8::1]:5000`."""
    host, port = host_and_port(key)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
