"""The demultiplexer over real loopback sockets, with a scripted clock."""

from __future__ import annotations

import os
import select
import socket
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter

import numpy as np
import pytest
from aioice import stun as aioice_stun
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.net.ice import CONSENT_S, IceLite
from sfu.net.mmsg import socket_class
from sfu.net.mux import Endpoint, Group, IceEvent, Path, PortMux

COLUMN = 16
STRIDE = 1600
RTP = b"\x80\x60" + bytes(30)
DTLS = b"\x16\xfe\xfd" + bytes(20)


class Recorder(Endpoint):
    def __init__(self, ice: IceLite[Path]) -> None:
        super().__init__(ice)
        self.dtls: list[bytes] = []
        self.events: list[IceEvent] = []

    def receive_dtls(self, data: bytes) -> None:
        self.dtls.append(data)

    def ice_changed(self, event: IceEvent) -> None:
        self.events.append(event)


class Bench:
    """A mux, and peers that talk to it."""

    def __init__(self, hosts: list[str]) -> None:
        self.drops: Counter[str] = Counter()
        self.mux = PortMux.open(hosts, 0, self.drops)
        self.matrix = np.zeros((64, STRIDE), np.uint8)
        self.now = 1000.0
        self.peers: list[socket.socket] = []
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.repeated_checks = 0
        """Of the last batch."""

    def endpoint(self) -> Recorder:
        endpoint = Recorder(self.mux.new_ice())
        self.mux.register(endpoint)
        return endpoint

    def peer(self, host: str = "127.0.0.1") -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((host, 0))
        made.settimeout(5)
        self.peers.append(made)
        return made

    def deliver(self, peer: socket.socket, *datagrams: bytes) -> list[tuple[bytes, Endpoint]]:
        """Send, let the mux handle it, and return the media that it hands over."""
        host = peer.getsockname()[0]
        udp = next(own for own in self.mux.sockets if (":" in own.host) == (":" in host))
        for data in datagrams:
            peer.sendto(data, (udp.host, self.mux.port))
        handed, left = [], len(datagrams)
        while left:
            assert select.select([udp], [], [], 5)[0]
            count, rtp, rtcp, self.repeated_checks = self.mux.receive(udp, self.matrix, 0, 64, COLUMN, self.now)
            left -= count
            for kind, received in ((self.rtp, rtp), (self.rtcp, rtcp)):
                kind += [self.matrix[row, COLUMN : COLUMN + length].tobytes() for row, length, _ in received]
            handed += [
                (self.matrix[row, COLUMN : COLUMN + length].tobytes(), endpoint)
                for row, length, endpoint in sorted([*rtp, *rtcp], key=itemgetter(0))
            ]
        return handed

    def check(
        self, peer: socket.socket, endpoint: Endpoint, *, nominate: bool = True, pwd: str | None = None
    ) -> aioice_stun.Message:
        self.deliver(peer, binding_request(endpoint, nominate=nominate, pwd=pwd))
        return aioice_stun.parse_message(peer.recv(2000))

    def close(self) -> None:
        self.mux.close()
        for peer in self.peers:
            peer.close()


def binding_request(endpoint: Endpoint, *, nominate: bool = True, pwd: str | None = None, ufrag: str = "") -> bytes:
    attributes: dict[str, object] = {"USERNAME": f"{ufrag or endpoint.ice.ufrag}:peer", "ICE-CONTROLLING": 1}
    if nominate:
        attributes["USE-CANDIDATE"] = None
    message = aioice_stun.Message(aioice_stun.Method.BINDING, aioice_stun.Class.REQUEST, attributes=attributes)
    message.add_message_integrity((pwd or endpoint.ice.pwd).encode())
    return bytes(message)


def is_silent(peer: socket.socket) -> bool:
    return not select.select([peer], [], [], 0.05)[0]


@pytest.fixture
def bench(loopbacks: list[str]) -> Iterator[Bench]:
    made = Bench(loopbacks)
    yield made
    made.close()


def test_a_check_opens_the_way_for_media_dtls_and_answers(bench: Bench, host: str) -> None:
    endpoint, peer = bench.endpoint(), bench.peer(host)
    answer = bench.check(peer, endpoint)
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == peer.getsockname()[:2]
    assert answer.check_message_integrity(endpoint.ice.pwd.encode())
    assert endpoint.events == ["selected"]
    assert bench.deliver(peer, DTLS, RTP) == [(RTP, endpoint)]
    assert endpoint.dtls == [DTLS]
    assert bench.mux.send(endpoint, b"scalar")
    assert peer.recv(100) == b"scalar"
    shown = bench.mux.remote_address(endpoint)
    assert shown is not None
    assert shown.endswith(f":{peer.getsockname()[1]}")
    assert not bench.drops


def test_rtcp_is_told_from_rtp_by_its_second_byte(bench: Bench) -> None:
    endpoint, peer = bench.endpoint(), bench.peer()
    bench.check(peer, endpoint)
    by_type = {second: bytes([0x80, second]) + bytes(10) for second in (0, 96, 191, 192, 200, 207, 223, 224, 255)}
    bench.deliver(peer, *by_type.values(), b"\x80\xc8\x00", b"\x80")
    assert bench.rtcp == [by_type[second] for second in (192, 200, 207, 223)]
    assert bench.rtp == [*(by_type[second] for second in (0, 96, 191, 224, 255)), b"\x80\xc8\x00", b"\x80"]


def test_nothing_is_believed_from_an_address_that_proved_nothing(bench: Bench) -> None:
    endpoint, peer, stranger = bench.endpoint(), bench.peer(), bench.peer()
    bench.check(peer, endpoint)
    assert bench.deliver(stranger, RTP, RTP, DTLS) == []
    assert endpoint.dtls == []
    assert bench.drops == {"unknown_address": 2, "dtls_unknown_address": 1}


def test_a_spoofed_source_with_the_right_ufrag_and_a_wrong_password_learns_nothing(bench: Bench) -> None:
    endpoint, peer, spoofer = bench.endpoint(), bench.peer(), bench.peer()
    bench.check(peer, endpoint)
    assert bench.check(spoofer, endpoint, pwd="w" * 24).error_code == 401
    assert bench.deliver(spoofer, RTP) == []
    assert bench.drops == {"stun_bad_integrity": 1, "unknown_address": 1}
    bench.mux.send(endpoint, b"still here")
    assert peer.recv(100) == b"still here"


def test_an_unknown_ufrag_gets_no_answer(bench: Bench) -> None:
    endpoint, peer = bench.endpoint(), bench.peer()
    bench.deliver(peer, binding_request(endpoint, ufrag="nobody00"))
    assert is_silent(peer)
    assert bench.drops == {"stun_unknown_ufrag": 1}


def test_refusals_are_limited(bench: Bench) -> None:
    endpoint, peer = bench.endpoint(), bench.peer()
    for _ in range(4):
        bench.deliver(peer, *[binding_request(endpoint, pwd="w" * 24)] * 30)
    replies = 0
    while not is_silent(peer):
        peer.recv(2000)
        replies += 1
    assert replies == 50
    assert bench.drops == {"stun_bad_integrity": 120, "stun_reply_limited": 70}
    bench.now += 1.0
    assert bench.check(peer, endpoint, pwd="w" * 24).error_code == 401


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "garbage"),
        (b"\x04" + bytes(20), "garbage"),
        (b"\x40" + bytes(20), "garbage"),
        (b"\xff" * 1500, "garbage"),
        (b"\x00\x01", "stun_malformed"),
        (b"\x00\x01\x00\x00" + bytes(16), "stun_malformed"),
        (b"\x00\x11\x00\x00\x21\x12\xa4\x42" + bytes(12), "stun_unexpected"),
        (b"\x01\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "stun_unexpected"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "stun_unknown_ufrag"),
        (b"\x80" * 2000, "too_long"),
    ],
)
def test_every_drop_has_its_reason_and_a_neighbour_notices_nothing(bench: Bench, data: bytes, reason: str) -> None:
    endpoint, peer, stranger = bench.endpoint(), bench.peer(), bench.peer()
    bench.check(peer, endpoint)
    # An empty datagram behind a full one finds the other's first byte in its row.
    bench.deliver(stranger, RTP)
    bench.drops.clear()
    assert bench.deliver(stranger, data) == []
    assert is_silent(stranger)
    assert bench.drops == {reason: 1}
    assert bench.deliver(peer, RTP) == [(RTP, endpoint)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.binary(max_size=300), first_byte=st.sampled_from([None, 0, 1, 20, 22, 63, 128, 200]))
def test_any_datagram_from_a_stranger_is_counted(bench: Bench, data: bytes, first_byte: int | None) -> None:
    if first_byte is not None:
        data = bytes([first_byte]) + data
    if not bench.peers:
        bench.peer()
    before = bench.drops.total()
    assert bench.deliver(bench.peers[0], data) == []
    assert bench.drops.total() == before + 1


@pytest.mark.usefixtures("ipv6")
def test_the_nominated_path_is_the_one_that_is_used(bench: Bench) -> None:
    endpoint, first, second = bench.endpoint(), bench.peer("127.0.0.1"), bench.peer("::1")
    bench.check(first, endpoint, nominate=False)
    bench.check(second, endpoint, nominate=False)
    bench.mux.send(endpoint, b"1")
    assert first.recv(10) == b"1"
    bench.check(second, endpoint, nominate=True)
    bench.mux.send(endpoint, b"2")
    assert second.recv(10) == b"2"
    assert endpoint.events == ["selected", "selected"]
    assert bench.deliver(first, RTP) == [(RTP, endpoint)]


def test_an_address_goes_over_to_the_transport_whose_check_is_valid(bench: Bench) -> None:
    old, new, peer, other = bench.endpoint(), bench.endpoint(), bench.peer(), bench.peer()
    bench.check(other, old, nominate=False)
    bench.check(peer, old)
    bench.check(peer, new)
    assert bench.deliver(peer, RTP) == [(RTP, new)]
    bench.mux.send(old, b"to its other address")
    assert other.recv(100) == b"to its other address"
    bench.mux.unregister(old)
    assert bench.deliver(peer, RTP) == [(RTP, new)]
    assert bench.deliver(other, RTP) == []


def test_an_unregistered_endpoint_is_gone(bench: Bench) -> None:
    endpoint, peer = bench.endpoint(), bench.peer()
    bench.check(peer, endpoint)
    bench.mux.unregister(endpoint)
    bench.mux.unregister(endpoint)
    assert bench.deliver(peer, RTP, binding_request(endpoint)) == []
    assert is_silent(peer)
    assert not bench.mux.send(endpoint, b"x")
    assert bench.drops == {"unknown_address": 1, "stun_unknown_ufrag": 1, "send_no_address": 1}


def test_a_ufrag_belongs_to_one_endpoint(bench: Bench) -> None:
    endpoint = bench.endpoint()
    with pytest.raises(ValueError):
        bench.mux.register(Recorder(IceLite(endpoint.ice.ufrag, "p" * 24)))


def test_addresses_that_made_room_are_forgotten(bench: Bench) -> None:
    endpoint = bench.endpoint()
    peers = [bench.peer() for _ in range(10)]
    for peer in peers:
        bench.check(peer, endpoint, nominate=False)
    handed = [bool(bench.deliver(peer, RTP)) for peer in peers]
    assert handed == [True, False, False, *[True] * 7]


def test_without_consent_nothing_is_sent_until_a_check_comes(bench: Bench) -> None:
    endpoint, silent, peer = bench.endpoint(), bench.endpoint(), bench.peer()
    bench.check(peer, endpoint)
    bench.now += CONSENT_S - 1
    assert bench.mux.expire_consent(bench.now) == []
    bench.now += 1
    assert bench.mux.expire_consent(bench.now) == [endpoint]
    assert bench.mux.expire_consent(bench.now) == []
    assert not bench.mux.send(endpoint, b"x")
    assert is_silent(peer)
    bench.check(peer, endpoint)
    assert endpoint.events == ["selected", "consent_restored"]
    assert bench.mux.send(endpoint, b"back")
    assert peer.recv(10) == b"back"
    bench.now += CONSENT_S
    assert bench.mux.expire_consent(bench.now) == [endpoint]
    assert silent.events == []


@pytest.mark.usefixtures("ipv6")
def test_rows_for_several_sockets_and_for_nobody(bench: Bench) -> None:
    endpoints = [bench.endpoint() for _ in range(3)]
    four, six = bench.peer("127.0.0.1"), bench.peer("::1")
    bench.check(four, endpoints[0])
    bench.check(six, endpoints[1])
    order = [0, 0, 1, 2, 1, 0]
    matrix = np.arange(6, dtype=np.uint8)[:, None].repeat(STRIDE, axis=1)
    slots = np.array([endpoints[i].slot for i in order])
    assert bench.mux.send_rows(matrix, np.arange(6), COLUMN, np.full(6, 20, np.int32), slots) == 5
    assert [four.recv(100)[0] for _ in range(3)] == [0, 1, 5]
    assert [six.recv(100)[0] for _ in range(2)] == [2, 4]
    assert bench.drops == {"send_no_address": 1}
    assert bench.mux.send_rows(matrix, np.arange(0), COLUMN, np.zeros(0, np.int32), np.arange(0)) == 0


def block_to(bench: Bench, group: Group, consumers: int) -> int:
    """Two packets for each endpoint of a group; the first byte tells the row."""
    matrix = np.arange(2 * consumers, dtype=np.uint8)[:, None].repeat(STRIDE, axis=1)
    lengths = np.full(2 * consumers, 20, np.int32)
    return bench.mux.send_blocks(matrix, lengths, [(group, 0, consumers, [10, 10])])


def test_blocks_follow_endpoints_wherever_they_go(bench: Bench) -> None:
    endpoints = [bench.endpoint() for _ in range(2)]
    first, second, moved = bench.peer(), bench.peer(), bench.peer()
    bench.check(first, endpoints[0])
    bench.check(second, endpoints[1])
    group = Group(np.array([endpoint.slot for endpoint in endpoints]))
    assert block_to(bench, group, 2) == 4
    assert [peer.recv(100)[0] for peer in (first, first, second, second)] == [0, 1, 2, 3]
    bench.check(moved, endpoints[1], nominate=True)
    assert block_to(bench, group, 2) == 4
    assert [peer.recv(100)[0] for peer in (first, first, moved, moved)] == [0, 1, 2, 3]
    assert is_silent(second)
    for _ in range(600):
        bench.endpoint()
    assert block_to(bench, group, 2) == 4
    assert [peer.recv(100)[0] for peer in (first, first, moved, moved)] == [0, 1, 2, 3]
    bench.mux.unregister(endpoints[0])
    assert block_to(bench, group, 2) == 2
    assert [moved.recv(100)[0] for _ in range(2)] == [2, 3]
    assert is_silent(first)
    assert bench.drops == {"send_no_address": 2}


@pytest.mark.usefixtures("ipv6")
def test_blocks_for_several_sockets(bench: Bench) -> None:
    endpoints = [bench.endpoint() for _ in range(2)]
    four, six = bench.peer("127.0.0.1"), bench.peer("::1")
    bench.check(four, endpoints[0])
    bench.check(six, endpoints[1])
    group = Group(np.array([endpoint.slot for endpoint in endpoints]))
    assert block_to(bench, group, 2) == 4
    assert [peer.recv(100)[0] for peer in (four, four, six, six)] == [0, 1, 2, 3]


def test_a_check_that_comes_again_is_answered_and_renews_consent(bench: Bench) -> None:
    endpoint, peer, stranger = bench.endpoint(), bench.peer(), bench.peer()
    repeated = []
    for _ in range(3):
        bench.check(peer, endpoint)
        repeated.append(bench.repeated_checks)
        bench.now += CONSENT_S - 1
    assert repeated == [0, 1, 1]
    assert bench.mux.expire_consent(bench.now) == []
    bench.check(stranger, endpoint, nominate=True)
    bench.check(peer, endpoint, nominate=False)
    assert bench.repeated_checks == 0, "another address is news"
    assert bench.mux.send(endpoint, b"x")
    assert stranger.recv(10) == b"x"
    assert not bench.drops


@pytest.mark.usefixtures("ipv6")
def test_candidates_of_named_hosts(bench: Bench) -> None:
    candidates = bench.mux.candidates(None)
    assert [c.address for c in candidates] == ["127.0.0.1", "::1"]
    assert {c.port for c in candidates} == {bench.mux.port}
    assert [c.priority for c in candidates] == sorted((c.priority for c in candidates), reverse=True)
    assert candidates[0].priority == (126 << 24) + (65535 << 8) + 255
    assert len({c.foundation for c in candidates}) == 2


@pytest.mark.usefixtures("ipv6")
def test_the_public_address_comes_first_and_once(bench: Bench) -> None:
    assert [c.address for c in bench.mux.candidates("203.0.113.5")] == ["203.0.113.5", "127.0.0.1", "::1"]
    assert [c.address for c in bench.mux.candidates("::1")] == ["::1", "127.0.0.1"]


def test_every_local_address_shares_the_port_and_loopback_is_last() -> None:
    mux = PortMux.open([], 0, Counter())
    try:
        assert {udp.port for udp in mux.sockets} == {mux.port}
        assert mux.candidates(None)[-1].address in ("127.0.0.1", "::1")
    finally:
        mux.close()


def test_offload_can_be_left_alone() -> None:
    for offload in (True, False):
        mux = PortMux.open(["127.0.0.1"], 0, Counter(), offload=offload)
        try:
            able = socket_class()("127.0.0.1", 0, Counter(), 1)
            assert mux.sockets[0].offload == (able.offload and offload)
            able.close()
        finally:
            mux.close()


def test_a_taken_port_or_a_foreign_address_is_an_os_error(bench: Bench) -> None:
    with pytest.raises(OSError):
        PortMux.open(["127.0.0.1"], bench.mux.port, Counter())
    with pytest.raises(OSError):
        PortMux.open(["127.0.0.1", "203.0.113.77"], 0, Counter())
    with pytest.raises(ValueError):
        PortMux.open(["nonsense"], 0, Counter())


def test_failed_opening_leaves_no_socket_behind() -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with pytest.raises(OSError):
        PortMux.open(["127.0.0.1", "203.0.113.77"], 0, Counter())
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before
