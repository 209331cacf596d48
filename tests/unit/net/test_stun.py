import binascii
import struct

import pytest
from aioice import stun as aioice_stun
from hypothesis import given
from hypothesis import strategies as st

from sfu.net import stun

PWD = "p" * 22


def request(attributes: dict[str, object] | None = None, pwd: str | None = PWD) -> bytes:
    message = aioice_stun.Message(
        aioice_stun.Method.BINDING, aioice_stun.Class.REQUEST, b"123456789012", dict(attributes or {})
    )
    if pwd is not None:
        message.add_message_integrity(pwd.encode())
    return bytes(message)


FULL = {"USERNAME": "here:there", "PRIORITY": 1853817087, "ICE-CONTROLLING": 7, "USE-CANDIDATE": None}


def raw(attributes: bytes, message_type: int = 1) -> bytes:
    return struct.pack("!HHI12s", message_type, len(attributes), 0x2112A442, b"123456789012") + attributes


def test_a_browser_s_check() -> None:
    parsed = stun.parse_binding_request(request(FULL))
    assert parsed is not None
    assert parsed.local_ufrag == "here"
    assert parsed.use_candidate
    assert not parsed.controlled
    assert parsed.verify(PWD)
    assert not parsed.verify("q" * 22)


def test_ffmpeg_s_check_without_priority_and_role() -> None:
    parsed = stun.parse_binding_request(request({"USERNAME": "here:there", "USE-CANDIDATE": None}))
    assert parsed is not None
    assert parsed.verify(PWD)


def test_an_unsigned_check_never_verifies() -> None:
    parsed = stun.parse_binding_request(request(FULL, pwd=None))
    assert parsed is not None
    assert not parsed.signed
    assert not parsed.verify(PWD)


def test_what_follows_the_signature_is_not_believed() -> None:
    message = aioice_stun.Message(
        aioice_stun.Method.BINDING, aioice_stun.Class.REQUEST, b"123456789012", {"USERNAME": "here:there"}
    )
    message.add_message_integrity(PWD.encode())
    del message.attributes["FINGERPRINT"]
    forged = bytes(message) + struct.pack("!HH", 0x0025, 0)
    forged = forged[:2] + struct.pack("!H", len(forged) - 20) + forged[4:]
    parsed = stun.parse_binding_request(forged)
    assert parsed is not None
    assert not parsed.use_candidate


def test_a_changed_byte_is_noticed() -> None:
    data = bytearray(request(FULL))
    data[24] ^= 1
    with pytest.raises(ValueError, match="FINGERPRINT"):
        stun.parse_binding_request(bytes(data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        raw(b"")[:19],
        b"\0\1\0\0" + bytes(16),
        raw(struct.pack("!HH", 0x0024, 2) + b"\0\0\0\0"),
        raw(struct.pack("!HH", 0x0024, 4)),
        raw(struct.pack("!HH", 0x0006, 4) + b"\xff\xfe\xfd\xfc"),
        raw(struct.pack("!HH", 0x8029, 4) + b"abcd"),
        raw(bytes(1300)),
    ],
)
def test_bad_bytes_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        stun.parse_binding_request(data)


@pytest.mark.parametrize("message_type", [0x0011, 0x0101, 0x0111, 0x0003, 0x3FFF])
def test_other_messages_are_nothing_to_answer(message_type: int) -> None:
    assert stun.parse_binding_request(raw(b"", message_type)) is None


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    try:
        stun.parse_binding_request(data)
    except ValueError:
        pass


@given(st.binary(max_size=120), st.sampled_from([*aioice_stun.ATTRIBUTES_BY_TYPE, 0x1234]))
def test_any_attribute_value(value: bytes, attribute_type: int) -> None:
    body = struct.pack("!HH", attribute_type, len(value)) + value + bytes(-len(value) % 4)
    try:
        parsed = stun.parse_binding_request(raw(body))
    except ValueError:
        return
    if parsed is not None:
        assert not parsed.verify(PWD)
        assert isinstance(parsed.local_ufrag, str)


@given(st.data())
def test_any_damage_to_a_signed_check(data: st.DataObject) -> None:
    damaged = bytearray(request(FULL))
    position = data.draw(st.integers(0, len(damaged) - 1))
    damaged[position] ^= data.draw(st.integers(1, 255))
    # A good FINGERPRINT, so that only the signature stands between the damage and us.
    damaged[-4:] = (binascii.crc32(damaged[:-8]) ^ 0x5354554E).to_bytes(4, "big")
    try:
        parsed = stun.parse_binding_request(bytes(damaged))
    except ValueError:
        return
    covered = len(damaged) - 8
    if parsed is not None and position < covered:
        assert not parsed.verify(PWD)


@pytest.mark.parametrize("mapped", [("192.0.2.7", 50123), ("2001:db8::7", 50123)])
def test_success_response(mapped: tuple[str, int]) -> None:
    parsed = stun.parse_binding_request(request(FULL))
    assert parsed is not None
    answer = aioice_stun.parse_message(stun.success_response(parsed, mapped, PWD))
    assert answer.message_class == aioice_stun.Class.RESPONSE
    assert answer.transaction_id == b"123456789012"
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == mapped
    assert answer.check_message_integrity(PWD.encode())
    assert "FINGERPRINT" in answer.attributes


def test_error_responses_are_signed_only_for_those_who_proved_themselves() -> None:
    parsed = stun.parse_binding_request(request(FULL))
    assert parsed is not None
    conflict = aioice_stun.parse_message(stun.error_response(parsed, stun.ROLE_CONFLICT, PWD))
    assert conflict.error_code == 487
    assert conflict.check_message_integrity(PWD.encode())
    denied = aioice_stun.parse_message(stun.error_response(parsed, stun.UNAUTHENTICATED, None))
    assert denied.error_code == 401
    assert "MESSAGE-INTEGRITY" not in denied.attributes


def signed(transaction_id: bytes, attributes: dict[str, object], pwd: str = PWD) -> bytes:
    message = aioice_stun.Message(
        aioice_stun.Method.BINDING, aioice_stun.Class.REQUEST, transaction_id, dict(attributes)
    )
    message.add_message_integrity(pwd.encode())
    return bytes(message)


def repeated(mapped: tuple[str, int]) -> stun.RepeatedCheck:
    first = stun.parse_binding_request(signed(b"a" * 12, FULL))
    assert first is not None
    return stun.RepeatedCheck(first, mapped, PWD)


@pytest.mark.parametrize("mapped", [("192.0.2.7", 50123), ("2001:db8::7", 50123)])
@given(transaction_id=st.binary(min_size=12, max_size=12))
def test_a_repeated_check_is_answered_as_if_it_had_been_read(mapped: tuple[str, int], transaction_id: bytes) -> None:
    data = signed(transaction_id, FULL)
    read = stun.parse_binding_request(data)
    assert read is not None
    assert repeated(mapped).answer(data) == stun.success_response(read, mapped, PWD)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        signed(b"b" * 12, FULL, "q" * 22),
        signed(b"b" * 12, {**FULL, "PRIORITY": 5}),
        signed(b"b" * 12, {key: value for key, value in FULL.items() if key != "USE-CANDIDATE"}),
        signed(b"b" * 12, {**FULL, "USERNAME": "here:other"}),
        request(FULL, pwd=None),
    ],
)
def test_what_differs_is_not_answered_unread(data: bytes) -> None:
    assert repeated(("192.0.2.7", 50123)).answer(data) is None


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_repeated_check_with_a_changed_byte_is_not_answered(position: int, change: int) -> None:
    data = bytearray(signed(b"b" * 12, FULL))
    data[position % len(data)] ^= change
    assert repeated(("192.0.2.7", 50123)).answer(bytes(data)) is None
    assert repeated(("192.0.2.7", 50123)).answer(bytes(data)[: position % len(data)]) is None
