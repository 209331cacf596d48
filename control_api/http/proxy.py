"""Who is at the other end of a request: the one place that reads addresses and `X-Forwarded-*`.

Whoever connects may write anything into these headers, so they count only where the peer is a proxy that the operator
named. `Forwarded` (RFC 7239) is never read: most proxies pass a client's own on beside the `X-Forwarded-For` that they
write, and a server that reads both believes whoever lies in the other one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aiohttp import web

from control_api.settings import is_loopback

logger = logging.getLogger(__name__)

UNKNOWN_ADDRESS: Final = "unknown"
"""Of a peer that is gone already: its socket has no address any more."""
MAX_HOPS: Final = 32
"""Addresses of one `X-Forwarded-For` that are looked at, from the right."""

_LONGEST_ADDRESS: Final = 80
"""An IPv6 address with brackets, zone and port fits: what is remembered stays small."""
_FOR: Final = "X-Forwarded-For"
_PROTO: Final = "X-Forwarded-Proto"
_HOST: Final = "X-Forwarded-Host"
_WRITTEN_BY_PROXIES: Final = ("Forwarded", _FOR, _PROTO, _HOST, "X-Real-IP", "Via")
_HOST_VALUE: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Client:
    """The other end of a request, as far as can be known."""

    address: str
    """An IP address in its shortest form, or `UNKNOWN_ADDRESS`."""
    scheme: str
    """`http` or `https`: what the client's own connection is."""
    host: str
    """`host[:port]` under which the client reached the server, in lower case."""

    @property
    def hostname(self) -> str:
        """`host` without its port and brackets."""
        return self.host.rpartition("]")[0].lstrip("[") if self.host.startswith("[") else self.host.partition(":")[0]


class TrustedProxies:
    """`networks` are addresses or networks (`10.0.0.0/8`). Raises `ValueError` for what is neither."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        self._told = False

    def trusts(self, address: str) -> bool:
        """Whether a peer's word about its own client counts."""
        if not self._networks:
            return False
        parsed = parse_address(address)
        return parsed is not None and self._trusted(parsed)

    def client(self, request: web.Request) -> Client:
        """Who calls. Found once for each request."""
        known = request.get(_CLIENT)
        if known is None:
            known = self._find(request)
            request[_CLIENT] = known
        return known

    def _find(self, request: web.Request) -> Client:
        # Not `request.remote`: a handler may have changed what that says.
        peer = peer_address(request.transport)
        direct = Client(peer, request.scheme, request.host.lower())
        if not self.trusts(peer):
            if not self._told and _FOR in request.headers:
                self._told = True
                logger.warning(
                    "%s sends %s, but is not among GREENROOM_TRUSTED_PROXIES: everybody behind it counts as one",
                    peer,
                    _FOR,
                )
            return direct
        # The last one is what the nearest proxy says; those before it came from outside.
        scheme = _last(request, _PROTO).lower()
        host = _last(request, _HOST).lower()
        return Client(
            self._origin(peer, request.headers.getall(_FOR, [])),
            scheme if scheme in ("http", "https") else direct.scheme,
            host if _HOST_VALUE.fullmatch(host) else direct.host,
        )

    def _origin(self, peer: str, values: list[str]) -> str:
        """The right-most address that is no trusted proxy; the left-most of all where every one is."""
        nearest = peer
        for text in reversed([part for value in values for part in value.split(",")][-MAX_HOPS:]):
            address = parse_address(text)
            if address is None:
                # Whatever stands left of something unreadable was not written by a proxy that is trusted.
                break
            nearest = str(address)
            if not self._trusted(address):
                break
        return nearest

    def _trusted(self, address: IpAddress) -> bool:
        return any(address in network for network in self._networks)


PROXIES: Final = web.AppKey("proxies", TrustedProxies)
_CLIENT: Final = web.RequestKey("client", Client)


def client_of(request: web.Request) -> Client:
    """Who calls: for limits, origin checks and logs alike."""
    return request.app[PROXIES].client(request)


def is_local(request: web.Request) -> bool:
    """Whether the caller is a program on this machine, and not a proxy on it that speaks for a stranger.

    A page of another site, too, could have its name point here; it would still send that name.
    """
    client = client_of(request)
    address = parse_address(client.address)
    return (
        address is not None
        and address.is_loopback
        and is_loopback(client.hostname)
        and not any(name in request.headers for name in _WRITTEN_BY_PROXIES)
    )


def peer_address(transport: asyncio.BaseTransport | None) -> str:
    """The address at the other end of a transport, a proxy's own; `UNKNOWN_ADDRESS` where it is gone."""
    return address_of(None if transport is None else transport.get_extra_info("peername"))


def address_of(peer: object) -> str:
    """The address in what a socket calls its peer; `UNKNOWN_ADDRESS` where it is gone."""
    address = parse_address(str(peer[0])) if isinstance(peer, tuple) and peer else None
    return UNKNOWN_ADDRESS if address is None else str(address)


def parse_address(text: str) -> IpAddress | None:
    """An address as proxies and sockets write it: with or without a port, brackets or zone; None for what is none.

    IPv4 in IPv6 clothes (`::ffff:192.0.2.1`, RFC 4291, section 2.5.5.2) becomes IPv4.
    """
    text = text.strip()
    return _parsed(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> IpAddress | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4096)
def limit_key(address: str) -> str:
    """What limits by address count together: an IPv4 address; the /64 of an IPv6 address, which one customer owns."""
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return f"{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"
    return address


def _last(request: web.Request, name: str) -> str:
    values = request.headers.getall(name, [])
    return values[-1].rpartition(",")[2].strip() if values else ""
