"""What `bench.wakeups` has in the place of the network and of the clock."""

from __future__ import annotations

import hmac
import math
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable

from sfu.net import stun
from sfu.net.address import address_key
from sfu.net.mux import Path
from sfu.net.srtp import SrtpInbound, SrtpKeys, SrtpOutbound
from sfu.worker.engine import Engine
from sfu.worker.transport import Transport


class Peer:
    """The other side of a transport: a socket, and the keys that answer the server's."""

    def __init__(self, transport: Transport, server: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.transport = transport
        self.server = server
        self.key = os.urandom(28)
        self.outbound = SrtpOutbound(SrtpKeys("AEAD_AES_128_GCM", self.key, self.key))

    def open(self, engine: Engine) -> None:
        """What ICE and DTLS would have done."""
        keys = SrtpKeys("AEAD_AES_128_GCM", self.key, self.key)
        transport = self.transport
        address = self.socket.getsockname()
        request = stun.parse_binding_request(self.check())
        assert request is not None
        path = Path(0, address_key(*address))
        transport.ice.handle_check(request, path, address, time.monotonic())
        transport.ice.consent_expires_at = math.inf
        engine._mux._learn(transport, path)
        engine._mux._point(transport)
        transport.srtp_in, transport.srtp_out = SrtpInbound(keys), SrtpOutbound(keys)
        transport._set_state("connected")
        if transport.subscriber is not None:
            engine._destinations.bind(transport.subscriber.port, transport)

    def check(self) -> bytes:
        """A signed connectivity check, as browsers send them."""
        username = f"{self.transport.ice.ufrag}:peer".encode()
        padded = username + bytes(-len(username) % 4)
        attributes = struct.pack("!HH", 0x0006, len(username)) + padded
        attributes += struct.pack("!HHI", 0x0024, 4, 1853824767) + struct.pack("!HHQ", 0x802A, 8, 7)
        attributes += struct.pack("!HH", 0x0025, 0)
        head = struct.pack("!HHI12s", 1, len(attributes) + 24, 0x2112A442, os.urandom(12))
        signature = hmac.digest(self.transport.ice.pwd.encode(), head + attributes, "sha1")
        attributes += struct.pack("!HH", 0x0008, 20) + signature
        message = head[:2] + struct.pack("!H", len(attributes) + 8) + head[4:] + attributes
        return message + struct.pack("!HHI", 0x8028, 4, zlib.crc32(message) ^ 0x5354554E)

    def send(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self.server)

    def drain(self) -> None:
        while True:
            try:
                self.socket.recv(2048)
            except BlockingIOError:
                return


class Alarm:
    """A callback at its time."""

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Clock:
    """What timers need of a loop, on a clock that is put forward instead of waited for."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._alarms: list[Alarm] = []

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> Alarm:
        alarm = Alarm(when, callback)
        self._alarms.append(alarm)
        return alarm

    def jump(self, seconds: float, grace: float) -> None:
        """Put the clock forward at once, and run what was due, together with what is within `grace` seconds more."""
        self._now += seconds
        end = self._now + grace
        while self._alarms:
            first = min(self._alarms, key=lambda alarm: alarm.when)
            if first.when > end:
                break
            self._alarms.remove(first)
            if first.callback is not None:
                self._now = max(self._now, first.when)
                first.callback()
