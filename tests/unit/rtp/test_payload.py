import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.payload import is_keyframe, red_primary, rewrite_red_payload_types, rtx_original_seq

VIDEO = ["video/vp8", "video/vp9", "video/h264", "video/av1"]

KEYFRAMES = [
    ("video/vp8", "10 00", "minimal descriptor, start of partition 0, P clear"),
    ("video/vp8", "90 80 8123 00", "15-bit picture id"),
    ("video/vp8", "90 80 23 00", "7-bit picture id"),
    ("video/vp8", "90 e0 8123 05 40 30 9d012a", "picture id, TL0PICIDX and TID, as Chromium sends"),
    ("video/vp8", "90 10 21 00", "KEYIDX only shares its byte with TID"),
    ("video/vp9", "08", "start of a frame without picture id"),
    ("video/vp9", "8a 8123", "15-bit picture id, with scalability structure"),
    ("video/vp9", "a8 8123 00 05", "lowest spatial layer"),
    ("video/vp9", "0c", "a frame in one packet"),
    ("video/vp9", "b8 81 23 30", "flexible mode, temporal layer 1 of spatial layer 0"),
    ("video/h264", "65 88", "IDR slice"),
    ("video/h264", "67 42", "SPS"),
    ("video/h264", "18 0002 6742 0002 68ce", "STAP-A of SPS and PPS"),
    ("video/h264", "18 0001 06 0001 65", "STAP-A of SEI and IDR"),
    ("video/h264", "7c 85 88", "first fragment of an IDR slice"),
    ("video/av1", "18 0a", "N bit, one element"),
    ("video/av1", "28 01 0a 32", "N bit, two elements"),
    ("video/av1", "10 0a0b", "sequence header without the N bit, one element without length"),
    ("video/av1", "20 02 0a0b 32", "sequence header first, with length"),
    ("video/av1", "00 8200 0a0b", "W 0: every element has a length, here in two bytes"),
]

NOT_KEYFRAMES = [
    ("video/vp8", "10 01", "P set"),
    ("video/vp8", "00 00", "no start of a partition"),
    ("video/vp8", "11 00", "start of partition 1"),
    ("video/vp8", "90 80 8123 01", "P set behind a picture id"),
    ("video/vp9", "48", "inter-predicted"),
    ("video/vp9", "04", "end but no start of a frame"),
    ("video/vp9", "a8 8123 02 05", "spatial layer 1 builds upon layer 0"),
    ("video/h264", "41 9a", "non-IDR slice"),
    ("video/h264", "68 ce", "PPS"),
    ("video/h264", "18 0001 06 0001 41", "STAP-A without IDR or SPS"),
    ("video/h264", "7c 05 88", "middle of an IDR slice"),
    ("video/h264", "7c 45 88", "end of an IDR slice"),
    ("video/h264", "7c 81 88", "start of a non-IDR slice"),
    ("video/av1", "10 32", "a frame"),
    ("video/av1", "90 0a", "continues an OBU whose bytes look like a sequence header"),
    ("audio/opus", "10 00", "audio has no keyframes"),
    ("video/unheard-of", "10 00", "unknown codec"),
]

TRUNCATED = [
    *[(mime_type, "") for mime_type in VIDEO],
    ("video/vp8", "10"),
    ("video/vp8", "90"),
    ("video/vp8", "90 80"),
    ("video/vp8", "90 f0 8123 05 40"),
    ("video/vp9", "88"),
    ("video/vp9", "a8 23"),
    ("video/vp9", "a8 8123"),
    ("video/h264", "7c"),
    ("video/h264", "18 00"),
    ("video/h264", "18 0000 65"),
    ("video/h264", "18 0009 06"),
    ("video/h264", "18 0001 06 00"),
    ("video/av1", "10"),
    ("video/av1", "00 01"),
    ("video/av1", "00 80"),
    ("video/av1", "00 ffffffffffffffff 01"),
    ("video/av1", "98 0a"),
]


@pytest.mark.parametrize(("mime_type", "payload", "why"), KEYFRAMES)
def test_a_decoder_can_start_here(mime_type, payload, why):
    assert is_keyframe(mime_type, memoryview(bytes.fromhex(payload))), why


@pytest.mark.parametrize(("mime_type", "payload", "why"), NOT_KEYFRAMES)
def test_a_decoder_cannot_start_here(mime_type, payload, why):
    assert not is_keyframe(mime_type, bytes.fromhex(payload)), why


@pytest.mark.parametrize(("mime_type", "payload"), TRUNCATED)
def test_malformed_payloads_are_refused(mime_type, payload):
    with pytest.raises(ValueError):
        is_keyframe(mime_type, bytes.fromhex(payload))


@pytest.mark.parametrize("mime_type", VIDEO)
@given(payload=st.binary(max_size=40))
def test_any_bytes_give_a_bool_or_a_value_error(mime_type, payload):
    try:
        assert is_keyframe(mime_type, payload) in (True, False)
    except ValueError:
        pass


def red_payload(blocks):
    """[(payload type, data)], the primary last."""
    headers = b"".join(
        bytes([0x80 | payload_type]) + (960 << 10 | len(data)).to_bytes(3) for payload_type, data in blocks[:-1]
    )
    return headers + bytes([blocks[-1][0]]) + b"".join(data for _, data in blocks)


@given(st.lists(st.tuples(st.integers(0, 127), st.binary(max_size=1023)), min_size=1, max_size=4))
def test_primary_block_of_red_is_its_last(blocks):
    payload = red_payload(blocks)
    payload_type, offset, length = red_primary(payload)
    assert payload_type == blocks[-1][0]
    assert payload[offset : offset + length] == blocks[-1][1]
    assert offset + length == len(payload)


def test_red_block_types_are_rewritten_and_nothing_else():
    payload = bytearray(red_payload([(111, b"old"), (63, b"older"), (111, b"new")]))
    rewrite_red_payload_types(memoryview(payload), {111: 96, 63: 35})
    assert payload == red_payload([(96, b"old"), (35, b"older"), (96, b"new")])


def test_red_with_an_unknown_block_type_stays_as_it_was():
    original = red_payload([(111, b"old"), (9, b"new")])
    payload = bytearray(original)
    with pytest.raises(ValueError):
        rewrite_red_payload_types(payload, {111: 96})
    assert payload == original


@pytest.mark.parametrize("payload", ["", "ef", "ef000001", "ef000001 6f", "ef000403 6f 0000", "ef0003ff 6f 00"])
def test_truncated_red_is_refused(payload):
    data = bytearray.fromhex(payload)
    with pytest.raises(ValueError):
        red_primary(data)
    with pytest.raises(ValueError):
        rewrite_red_payload_types(data, {111: 96})


@given(st.binary(max_size=60))
def test_any_bytes_give_a_block_inside_the_payload_or_a_value_error(payload):
    try:
        _, offset, length = red_primary(payload)
    except ValueError:
        return
    assert offset + length == len(payload)


def test_rtx_carries_the_original_sequence_number():
    assert rtx_original_seq(memoryview(b"\xff\xfe\x10\x00")) == 65534


@pytest.mark.parametrize("payload", [b"", b"\x01"])
def test_rtx_without_a_number_is_refused(payload):
    with pytest.raises(ValueError):
        rtx_original_seq(payload)
