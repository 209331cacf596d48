import gc
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from sfu.net.srtp import RowPointers, SrtpInbound, SrtpKeys, SrtpOutbound, SrtpProfile, protect_rows

COLUMN = 16
STRIDE = 1700
PROFILES: list[tuple[SrtpProfile, int, int]] = [
    ("AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    ("AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
]


def rtp(seq: int, ssrc: int = 1, payload: bytes = b"payload") -> bytes:
    return struct.pack("!BBHII", 0x80, 96, seq, 1234, ssrc) + payload


RTCP = struct.pack("!BBHI", 0x80, 201, 1, 1)


def make_keys(profile: SrtpProfile, length: int, seed: int = 0) -> SrtpKeys:
    return SrtpKeys(profile, bytes((seed + i) % 256 for i in range(length)), bytes(range(100, 100 + length)))


def reverse(keys: SrtpKeys) -> SrtpKeys:
    return SrtpKeys(keys.profile, keys.receive, keys.send)


class Rows:
    def __init__(self, count: int) -> None:
        self.matrix = np.zeros((count, STRIDE), np.uint8)
        self.pointers = RowPointers(self.matrix, COLUMN)

    def put(self, row: int, data: bytes) -> None:
        self.matrix[row, COLUMN : COLUMN + len(data)] = np.frombuffer(data, np.uint8)
        self.pointers.lengths[row] = len(data)

    def get(self, row: int) -> bytes:
        return self.matrix[row, COLUMN : COLUMN + int(self.pointers.lengths[row])].tobytes()


def foreign_session(number: int, key: bytes, direction: int) -> Session:
    return Session(Policy(key=key, ssrc_type=direction, srtp_profile=number))


@pytest.mark.parametrize(("profile", "number", "key_length"), PROFILES)
def test_rows_of_several_sessions_are_read_by_an_independent_implementation(
    profile: SrtpProfile, number: int, key_length: int
) -> None:
    rows = Rows(8)
    keys = [make_keys(profile, key_length, seed) for seed in (0, 50, 90)]
    outbound = [SrtpOutbound(k) for k in keys]
    plain = [rtp(100 + row, ssrc=row % 3 + 1, payload=bytes([row]) * (row * 150)) for row in range(8)]
    for row, packet in enumerate(plain):
        rows.put(row, packet)
    assert protect_rows(rows.pointers, 2, [outbound[row % 3].handle for row in range(2, 8)]) == []
    assert rows.get(0) == plain[0]
    peers = [foreign_session(number, k.send, Policy.SSRC_ANY_INBOUND) for k in keys]
    for row in range(2, 8):
        assert plain[row][12:] not in rows.get(row)
        assert peers[row % 3].unprotect(rows.get(row)) == plain[row]


@pytest.mark.parametrize(("profile", "number", "key_length"), PROFILES)
def test_unprotect_names_what_is_wrong(profile: SrtpProfile, number: int, key_length: int) -> None:
    keys = make_keys(profile, key_length)
    peer = foreign_session(number, keys.receive, Policy.SSRC_ANY_OUTBOUND)
    inbound = SrtpInbound(keys)
    rows = Rows(1)
    sealed = peer.protect(rtp(7))
    rows.put(0, sealed)
    assert inbound.unprotect(rows.pointers, 0) is None
    assert rows.get(0) == rtp(7)
    rows.put(0, sealed)
    assert inbound.unprotect(rows.pointers, 0) == "srtp_replay"
    rows.put(0, peer.protect(rtp(8))[:-1] + b"\0\0")
    assert inbound.unprotect(rows.pointers, 0) == "srtp_auth"
    rows.put(0, sealed[:11])
    assert inbound.unprotect(rows.pointers, 0) == "srtp_malformed"
    rows.put(0, peer.protect(rtp(5000)))
    assert inbound.unprotect(rows.pointers, 0) is None
    rows.put(0, foreign_session(number, keys.receive, Policy.SSRC_ANY_OUTBOUND).protect(rtp(9)))
    assert inbound.unprotect(rows.pointers, 0) == "srtp_replay"


@pytest.mark.parametrize(("profile", "number", "key_length"), PROFILES)
def test_rtcp_both_ways(profile: SrtpProfile, number: int, key_length: int) -> None:
    keys = make_keys(profile, key_length)
    sealed = SrtpOutbound(keys).protect_rtcp(RTCP)
    assert foreign_session(number, keys.send, Policy.SSRC_ANY_INBOUND).unprotect_rtcp(sealed) == RTCP
    rows = Rows(1)
    inbound = SrtpInbound(reverse(keys))
    rows.put(0, sealed)
    assert inbound.unprotect_rtcp(rows.pointers, 0) is None
    assert rows.get(0) == RTCP
    rows.put(0, sealed)
    assert inbound.unprotect_rtcp(rows.pointers, 0) == "srtp_replay"
    rows.put(0, bytes(len(sealed)))
    assert inbound.unprotect_rtcp(rows.pointers, 0) is not None


@pytest.mark.parametrize("size", [0, 7, 1901, 4000])
def test_rtcp_that_cannot_be_sent_is_a_value_error(size: int) -> None:
    with pytest.raises(ValueError):
        SrtpOutbound(make_keys("AEAD_AES_128_GCM", 28)).protect_rtcp(bytes(size))


def test_every_failure_in_a_batch_is_reported_and_none_hides_the_others() -> None:
    rows = Rows(5)
    outbound = SrtpOutbound(make_keys("AEAD_AES_128_GCM", 28))
    for row, packet in enumerate([rtp(1), b"short", rtp(2), rtp(2), rtp(3)]):
        rows.put(row, packet)
    failed = protect_rows(rows.pointers, 0, [outbound.handle] * 5)
    assert failed == [1, 3]
    assert rows.get(4) != rtp(3)


def test_a_sequence_number_is_never_protected_twice() -> None:
    rows = Rows(1)
    outbound = SrtpOutbound(make_keys("AEAD_AES_128_GCM", 28))
    rows.put(0, rtp(1))
    assert protect_rows(rows.pointers, 0, [outbound.handle]) == []
    rows.put(0, rtp(1, payload=b"changed"))
    assert protect_rows(rows.pointers, 0, [outbound.handle]) == [0]


def test_a_packet_without_room_for_its_tag_fails_alone() -> None:
    rows = Rows(3)
    outbound = SrtpOutbound(make_keys("AEAD_AES_128_GCM", 28))
    longest = rows.pointers.max_plain_length
    for row, size in enumerate((longest, longest + 1, 12)):
        rows.put(row, rtp(row, payload=bytes(size - 12)))
    before = rows.matrix[1].copy()
    assert protect_rows(rows.pointers, 0, [outbound.handle] * 3) == [1]
    assert (rows.matrix[1] == before).all()


def test_more_handles_than_rows_are_refused() -> None:
    outbound = SrtpOutbound(make_keys("AEAD_AES_128_GCM", 28))
    with pytest.raises(ValueError):
        protect_rows(Rows(2).pointers, 1, [outbound.handle] * 2)


def test_no_rows_are_no_work() -> None:
    assert protect_rows(Rows(1).pointers, 0, []) == []


def test_a_handle_keeps_its_session_alive() -> None:
    rows = Rows(1)
    handle = SrtpOutbound(make_keys("AEAD_AES_128_GCM", 28)).handle
    gc.collect()
    for _ in range(100):
        SrtpOutbound(make_keys("AEAD_AES_128_GCM", 28, seed=9))
    rows.put(0, rtp(1))
    assert protect_rows(rows.pointers, 0, [handle]) == []
    peer = foreign_session(
        Policy.SRTP_PROFILE_AEAD_AES_128_GCM, make_keys("AEAD_AES_128_GCM", 28).send, Policy.SSRC_ANY_INBOUND
    )
    assert peer.unprotect(rows.get(0)) == rtp(1)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the unit of ru_maxrss differs, or it is missing")
def test_sessions_that_nobody_holds_are_freed() -> None:
    import resource

    def make(count: int) -> None:
        for _ in range(count):
            rows.put(0, rtp(1))
            assert protect_rows(rows.pointers, 0, [SrtpOutbound(keys).handle]) == []
        gc.collect()

    rows = Rows(1)
    keys = make_keys("AEAD_AES_128_GCM", 28)
    make(500)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    make(5000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4 * 1024


def test_a_removed_stream_is_forgotten_alone() -> None:
    keys = make_keys("AES128_CM_SHA1_80", 30)
    outbound = SrtpOutbound(keys)
    rows = Rows(2)

    def protect_both() -> list[int]:
        rows.put(0, rtp(1, ssrc=0x01020304))
        rows.put(1, rtp(1, ssrc=0x05060708))
        return protect_rows(rows.pointers, 0, [outbound.handle] * 2)

    assert protect_both() == []
    assert protect_both() == [0, 1]
    outbound.remove_stream(0x01020304)
    assert protect_both() == [1]


def test_keys_of_the_wrong_length_are_refused_and_never_printed() -> None:
    with pytest.raises(ValueError):
        SrtpOutbound(make_keys("AES128_CM_SHA1_80", 28))
    assert "send" not in repr(make_keys("AES128_CM_SHA1_80", 30))


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((4, 100), np.uint8),
        np.zeros((4, 1600), np.uint16),
        np.zeros((4, 3200), np.uint8)[:, ::2],
        np.zeros(1600, np.uint8),
    ],
)
def test_matrices_that_pointers_would_misread(matrix: np.ndarray) -> None:
    with pytest.raises(ValueError):
        RowPointers(matrix, 16)


INBOUND = {profile: SrtpInbound(make_keys(profile, length)) for profile, _, length in PROFILES}
FUZZED = Rows(1)


@given(st.binary(max_size=120), st.sampled_from([profile for profile, _, _ in PROFILES]), st.booleans())
def test_any_bytes_are_refused(data: bytes, profile: SrtpProfile, header: bool) -> None:
    FUZZED.put(0, (b"\x80\xc8" if header else b"") + data)
    assert INBOUND[profile].unprotect(FUZZED.pointers, 0) is not None
    FUZZED.put(0, (b"\x80\xc8" if header else b"") + data)
    assert INBOUND[profile].unprotect_rtcp(FUZZED.pointers, 0) is not None
