"""aiortc's ICE and DTLS transports as a client of the whole network shell, over loopback sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import aioice.ice
import aiortc.rtcdtlstransport as theirs
import numpy as np
import pytest
from aiortc import (
    RTCCertificate,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters

from sfu.net import binding
from sfu.net.dtls import DtlsEndpoint, DtlsRole, DtlsState, fingerprint, generate_certificate
from sfu.net.mux import Endpoint, IceEvent, PortMux
from sfu.net.srtp import RowPointers, SrtpInbound, SrtpOutbound, protect_rows
from sfu.net.udp import UdpSocket

COLUMN = 16
ROWS = 64
CERTIFICATE = generate_certificate()
CLIENT_CERTIFICATE = RTCCertificate.generateCertificate()
CM_ONLY = [theirs.SRTP_AES128_CM_SHA1_80]
RTCP = struct.pack("!BBHI", 0x80, 201, 1, 1)


def rtp(seq: int, payload: bytes = b"payload") -> bytes:
    return struct.pack("!BBHII", 0x80, 96, seq, 1234, 99) + payload


async def until(condition: Callable[[], object], timeout: float = 20) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


class ServerTransport(Endpoint):
    """What the engine's transport does, without the media."""

    def __init__(self, mux: PortMux) -> None:
        super().__init__(mux.new_ice())
        self.events: list[IceEvent] = []
        self.states: list[DtlsState] = []
        self.dtls = DtlsEndpoint(CERTIFICATE, lambda data: mux.send(self, data), self.states.append, mux.drops)
        self.inbound: SrtpInbound | None = None
        self.outbound: SrtpOutbound | None = None

    def receive_dtls(self, data: bytes) -> None:
        self.dtls.receive(data)

    def ice_changed(self, event: IceEvent) -> None:
        self.events.append(event)

    def open_srtp(self) -> None:
        assert self.dtls.keys is not None
        self.inbound = SrtpInbound(self.dtls.keys)
        self.outbound = SrtpOutbound(self.dtls.keys)


class Server:
    def __init__(self, host: str) -> None:
        self.drops: Counter[str] = Counter()
        self.mux = PortMux.open([host], 0, self.drops)
        self.matrix = np.zeros((ROWS, 1600), np.uint8)
        self.pointers = RowPointers(self.matrix, COLUMN)
        self.outgoing = np.zeros((ROWS, 1600), np.uint8)
        self.out_pointers = RowPointers(self.outgoing, COLUMN)
        self.received: list[bytes] = []
        for udp in self.mux.sockets:
            asyncio.get_running_loop().add_reader(udp.fileno(), self.readable, udp)

    def readable(self, udp: UdpSocket) -> None:
        _, rtp, rtcp, _ = self.mux.receive(udp, self.matrix, 0, ROWS, COLUMN, time.monotonic())
        for row, length, endpoint in [*rtp, *rtcp]:
            assert isinstance(endpoint, ServerTransport)
            self.pointers.lengths[row] = length
            if endpoint.inbound is None:
                self.drops["srtp_not_ready"] += 1
                continue
            is_rtcp = (row, length, endpoint) in rtcp
            open_packet = endpoint.inbound.unprotect_rtcp if is_rtcp else endpoint.inbound.unprotect
            reason = open_packet(self.pointers, row)
            if reason is not None:
                self.drops[reason] += 1
            else:
                end = COLUMN + int(self.pointers.lengths[row])
                self.received.append(self.matrix[row, COLUMN:end].tobytes())

    def send_media(self, transport: ServerTransport, packets: list[bytes]) -> int:
        assert transport.outbound is not None
        for row, packet in enumerate(packets):
            self.outgoing[row, COLUMN : COLUMN + len(packet)] = np.frombuffer(packet, np.uint8)
            self.out_pointers.lengths[row] = len(packet)
        failed = protect_rows(self.out_pointers, 0, [transport.outbound.handle] * len(packets))
        rows = np.delete(np.arange(len(packets)), failed)
        slots = np.full(len(rows), transport.slot)
        return self.mux.send_rows(self.outgoing, rows, COLUMN, self.out_pointers.lengths[rows], slots)

    def close(self) -> None:
        for udp in self.mux.sockets:
            if udp.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(udp.fileno())
        self.mux.close()


class Client:
    def __init__(self, server: Server, transport: ServerTransport) -> None:
        self.server, self.transport = server, transport
        self.gatherer = RTCIceGatherer(iceServers=[])
        self.ice = RTCIceTransport(self.gatherer)
        self.ice._connection.ice_controlling = True
        self.dtls = RTCDtlsTransport(self.ice, [CLIENT_CERTIFICATE])
        self.received: list[bytes] = []
        self.dtls._handle_rtp_data = self._keep  # type: ignore[method-assign]
        self.dtls._handle_rtcp_data = self._keep  # type: ignore[method-assign, assignment]

    async def _keep(self, data: bytes, **_: Any) -> None:
        self.received.append(data)

    async def connect_ice(self, password: str | None = None) -> None:
        await self.gatherer.gather()
        for candidate in self.server.mux.candidates(None):
            await self.ice.addRemoteCandidate(
                RTCIceCandidate(
                    component=1,
                    foundation=candidate.foundation,
                    ip=candidate.address,
                    port=candidate.port,
                    priority=candidate.priority,
                    protocol="udp",
                    type="host",
                )
            )
        await self.ice.addRemoteCandidate(None)
        own = self.transport.ice
        await self.ice.start(RTCIceParameters(usernameFragment=own.ufrag, password=password or own.pwd, iceLite=True))

    async def connect(self, role: DtlsRole) -> None:
        await self.connect_ice()
        self.dtls._set_role("client" if role == "server" else "server")
        self.transport.dtls.start(role, [("sha-256", fingerprint(CLIENT_CERTIFICATE))])
        await self.dtls.start(RTCDtlsParameters([RTCDtlsFingerprint("sha-256", fingerprint(CERTIFICATE))]))
        await until(lambda: self.transport.states)
        if self.transport.states == ["connected"]:
            self.transport.open_srtp()

    async def close(self) -> None:
        await self.dtls.stop()
        await self.ice.stop()


class Connected:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.transport = ServerTransport(server.mux)
        server.mux.register(self.transport)
        self.client = Client(server, self.transport)

    async def close(self) -> None:
        self.transport.dtls.close()
        await self.client.close()
        self.server.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    try:
        UdpSocket(request.param, 0, Counter(), 1).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    return str(request.param)


@pytest.fixture
async def setup(host: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connected]:
    # aioice leaves loopback out; it is the only address that every machine has.
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda *args, **kwargs: [host])
    made = Connected(Server(host))
    yield made
    await made.close()


@pytest.mark.parametrize("role", ["server", "client"])
@pytest.mark.parametrize(
    ("profiles", "name"), [(None, "AEAD_AES_128_GCM"), (CM_ONLY, "AES128_CM_SHA1_80")], ids=["gcm", "cm"]
)
async def test_connects_and_carries_media_both_ways(setup: Connected, role: DtlsRole, profiles: Any, name: str) -> None:
    server, client, transport = setup.server, setup.client, setup.transport
    if profiles:
        client.dtls._srtp_profiles = profiles
    await client.connect(role)
    assert client.ice.state == "completed"
    assert client.dtls.state == "connected"
    assert transport.events[0] == "selected"
    assert transport.dtls.srtp_profile == name
    up = [rtp(seq, bytes([seq]) * 900) for seq in range(20)]
    for packet in (*up, RTCP):
        await client.dtls._send_rtp(packet)
    await until(lambda: len(server.received) == 21)
    assert server.received == [*up, RTCP]
    down = [rtp(seq, bytes([seq]) * (1100 if seq % 5 else 300)) for seq in range(40)]
    assert server.send_media(transport, down) == 40
    assert transport.outbound is not None
    assert server.mux.send(transport, transport.outbound.protect_rtcp(RTCP))
    await until(lambda: len(client.received) == 41)
    assert client.received == [*down, RTCP]
    assert not server.drops


async def test_the_portable_socket_connects_too(setup: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    host = setup.server.mux.sockets[0].host
    setup.server.close()
    monkeypatch.setattr(binding, "socket_class", lambda: UdpSocket)
    other = Connected(Server(host))
    assert type(other.server.mux.sockets[0]) is UdpSocket
    await other.client.connect("server")
    other.server.send_media(other.transport, [rtp(1), rtp(2)])
    await until(lambda: other.client.received == [rtp(1), rtp(2)])
    await other.close()


async def test_a_packet_that_could_not_be_protected_never_leaves(setup: Connected) -> None:
    await setup.client.connect("server")
    seen: list[bytes] = []
    raw_receive = setup.client.ice._connection.recv

    async def spy() -> bytes:
        data = await raw_receive()
        seen.append(data)
        return data

    setup.client.ice._recv = spy
    assert setup.server.send_media(setup.transport, [rtp(1, b"first"), rtp(1, b"secret"), rtp(2, b"third")]) == 2
    assert setup.server.send_media(setup.transport, [rtp(3, b"last")]) == 1
    await until(lambda: len(setup.client.received) == 3)
    assert [packet[12:] for packet in setup.client.received] == [b"first", b"third", b"last"]
    assert not [data for data in seen if b"secret" in data]


async def test_replayed_forged_and_foreign_media_is_dropped_by_name(setup: Connected) -> None:
    server, client = setup.server, setup.client
    await client.connect("server")
    sealed = client.dtls._tx_srtp.protect(rtp(1))
    for data in (sealed, sealed, sealed[:-1] + bytes([sealed[-1] ^ 1]), rtp(2, bytes(100)), b"\x80\x60"):
        await client.ice._send(data)
    await until(lambda: server.drops.total() == 4)
    assert server.received == [rtp(1)]
    # A changed copy is found out as a replay before its tag is looked at; a packet in clear has no good tag at all.
    assert server.drops == {"srtp_replay": 2, "srtp_auth": 1, "srtp_malformed": 1}
    stranger = socket.socket(
        socket.AF_INET6 if ":" in server.mux.sockets[0].host else socket.AF_INET, socket.SOCK_DGRAM
    )
    stranger.sendto(client.dtls._tx_srtp.protect(rtp(3)), (server.mux.sockets[0].host, server.mux.port))
    await until(lambda: server.drops["unknown_address"] == 1)
    stranger.close()
    assert server.received == [rtp(1)]


async def test_a_wrong_password_connects_nobody(setup: Connected) -> None:
    attempt = asyncio.ensure_future(setup.client.connect_ice(password="w" * 24))
    await until(lambda: setup.server.drops["stun_bad_integrity"] >= 1)
    assert setup.transport.events == []
    assert setup.transport.ice.addresses == ()
    await setup.client.close()
    await asyncio.wait([attempt], timeout=5)


async def test_the_peer_s_goodbye_and_ours(setup: Connected) -> None:
    await setup.client.connect("server")
    await setup.client.dtls.stop()
    await until(lambda: setup.transport.states == ["connected", "closed"])
    second = ServerTransport(setup.server.mux)
    setup.server.mux.register(second)
    client = Client(setup.server, second)
    await client.connect("client")
    second.dtls.close()
    setup.server.mux.unregister(second)
    await until(lambda: client.dtls.state == "closed")
    assert second.states == ["connected"]
    await client.close()


async def test_twenty_clients_at_once(setup: Connected) -> None:
    transports = [ServerTransport(setup.server.mux) for _ in range(20)]
    for transport in transports:
        setup.server.mux.register(transport)
    clients = [Client(setup.server, transport) for transport in transports]
    await asyncio.gather(*(client.connect("server") for client in clients))
    assert [transport.states for transport in transports] == [["connected"]] * 20
    assert len({setup.server.mux.remote_address(transport) for transport in transports}) == 20
    for index, (transport, client) in enumerate(zip(transports, clients, strict=True)):
        setup.server.send_media(transport, [rtp(index)])
        await until(lambda client=client, index=index: client.received == [rtp(index)])
    assert not setup.server.drops
    for client in clients:
        await client.close()
