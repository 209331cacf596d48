from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.canonical import (
    ABS_SEND_TIME_ID,
    ABS_SEND_TIME_URI,
    AUDIO_LEVEL_URI,
    EXTENSION_IDS,
    MID_URI,
    REPAIRED_RID_URI,
    RID_URI,
    TOFFSET_URI,
    TRANSPORT_CC_ID,
    TRANSPORT_CC_URI,
    VIDEO_ORIENTATION_URI,
)
from sfu.rtp.extensions import (
    DROP_COLLISION,
    DROP_PROFILE,
    ONE_BYTE_ABS_SEND_TIME_OFFSET,
    ONE_BYTE_PROFILE,
    ONE_BYTE_TRANSPORT_CC_OFFSET,
    TWO_BYTE_ABS_SEND_TIME_OFFSET,
    TWO_BYTE_PROFILE,
    TWO_BYTE_TRANSPORT_CC_OFFSET,
    ExtensionMap,
    IngressValues,
    iter_elements,
)
from sfu.rtp.packet import parse_header
from sfu.rtp.parameters import HeaderExtension, ReceivedHeaderExtension

CUSTOM_URI = "urn:example:custom"
WIDE_URI = "urn:example:wide"

PUBLISHER = {
    2: TRANSPORT_CC_URI,
    3: ABS_SEND_TIME_URI,
    4: MID_URI,
    5: RID_URI,
    6: REPAIRED_RID_URI,
    7: AUDIO_LEVEL_URI,
    8: TOFFSET_URI,
    9: VIDEO_ORIENTATION_URI,
    1: CUSTOM_URI,
    20: WIDE_URI,
}
CANONICAL = {**EXTENSION_IDS, CUSTOM_URI: 12, WIDE_URI: 16}


def received(uris=PUBLISHER):
    return [
        ReceivedHeaderExtension(id=number, extension=HeaderExtension(uri=uri, id=CANONICAL.get(uri, 14)))
        for number, uri in uris.items()
    ]


def one_byte(*elements):
    block = b"".join(bytes([number << 4 | len(value) - 1]) + value for number, value in elements)
    return block + bytes(-len(block) % 4)


def two_byte(*elements):
    block = b"".join(bytes([number, len(value)]) + value for number, value in elements)
    return block + bytes(-len(block) % 4)


def packet_with(block, profile=ONE_BYTE_PROFILE, first_byte=0x90, csrcs=b"", payload=b"payload"):
    fixed = bytes([first_byte]) + bytes.fromhex("e01234 00015180 cafebabe") + csrcs
    return fixed + profile.to_bytes(2) + (len(block) // 4).to_bytes(2) + block + payload


def elements_of(header_bytes):
    header = parse_header(header_bytes)
    block = header_bytes[header.extension_offset :]
    return [
        (number, block[offset : offset + length])
        for number, offset, length in iter_elements(block, header.extension_profile)
    ]


def canonical_elements(packet, extension_map=None):
    """The publisher's elements as subscribers see them; the two of the server's own are checked and left out."""
    extension_map = extension_map or ExtensionMap(received(), Counter())
    canonical = extension_map.canonicalise(memoryview(packet))
    elements = elements_of(canonical)
    assert elements[:2] == [(TRANSPORT_CC_ID, b"\0\0"), (ABS_SEND_TIME_ID, b"\0\0\0")]
    return elements[2:]


# Elements


@pytest.mark.parametrize(
    ("profile", "block", "expected"),
    [
        (0xBEDE, "", []),
        (0xBEDE, "00000000", []),
        (0xBEDE, "10aa 2011 0000", [(1, 1, 1), (2, 3, 1)]),
        (0xBEDE, "00 10aa 00 21bbcc 00", [(1, 2, 1), (2, 5, 2)]),
        (0xBEDE, "ef 00112233445566778899aabbccddeeff 000000", [(14, 1, 16)]),
        (0xBEDE, "10aa f0 20 11", [(1, 1, 1)]),
        (0xBEDE, "10aa 03 20 11", [(1, 1, 1)]),
        (0x1000, "0100 0201aa 000000", [(1, 2, 0), (2, 4, 1)]),
        (0x100F, "0f02aabb", [(15, 2, 2)]),
        (0x1000, "00 ff01aa", [(255, 3, 1)]),
    ],
)
def test_elements(profile, block, expected):
    assert list(iter_elements(bytes.fromhex(block), profile)) == expected


@pytest.mark.parametrize(
    ("profile", "block"),
    [
        (0xBEDE, "10"),
        (0xBEDE, "10aa 22 1122"),
        (0x1000, "01"),
        (0x1000, "0102aa"),
        (0x1000, "000000 01"),
        (0xBEDF, "10aa0000"),
        (0x1010, "0100"),
        (0x0000, ""),
    ],
)
def test_malformed_blocks_are_refused(profile, block):
    with pytest.raises(ValueError):
        iter_elements(bytes.fromhex(block), profile)


# Canonical header


def test_packet_without_extension_gets_the_servers_own():
    packet = bytes.fromhex("80e01234 00015180 cafebabe") + b"payload"
    canonical = ExtensionMap(received(), Counter()).canonicalise(packet)
    assert canonical == bytes.fromhex("90e01234 00015180 cafebabe bede0002 110000 22000000 00")


def test_publishers_elements_follow_under_canonical_ids_in_their_order():
    packet = packet_with(one_byte((9, b"\x01"), (1, b"abc"), (7, b"\x85")))
    assert canonical_elements(packet) == [(5, b"\x01"), (12, b"abc"), (3, b"\x85")]


def test_hop_by_hop_elements_go_no_further():
    packet = packet_with(
        one_byte((2, b"\x12\x34"), (3, b"abc"), (4, b"0"), (5, b"hi"), (6, b"hi"), (8, b"\x00\x00\x01"))
    )
    assert canonical_elements(packet) == [(4, b"\x00\x00\x01")]


@pytest.mark.parametrize(
    ("block", "profile", "transport_cc", "abs_send_time"),
    [
        (one_byte((9, b"\x01")), ONE_BYTE_PROFILE, ONE_BYTE_TRANSPORT_CC_OFFSET, ONE_BYTE_ABS_SEND_TIME_OFFSET),
        (two_byte((20, b"\x01")), TWO_BYTE_PROFILE, TWO_BYTE_TRANSPORT_CC_OFFSET, TWO_BYTE_ABS_SEND_TIME_OFFSET),
    ],
)
def test_columns_written_at_the_offsets_are_read_back(block, profile, transport_cc, abs_send_time):
    packet = packet_with(block, profile)
    canonical = bytearray(ExtensionMap(received(), Counter()).canonicalise(packet))
    canonical[transport_cc : transport_cc + 2] = b"\x12\x34"
    canonical[abs_send_time : abs_send_time + 3] = b"\x56\x78\x9a"
    assert parse_header(canonical).extension_profile == profile
    assert elements_of(bytes(canonical))[:2] == [(TRANSPORT_CC_ID, b"\x12\x34"), (ABS_SEND_TIME_ID, b"\x56\x78\x9a")]


@pytest.mark.parametrize(
    ("element", "needs_two_bytes"),
    [
        ((1, bytes(16)), False),
        ((1, bytes(17)), True),
        ((1, b""), True),
        ((20, b"x"), True),
        ((14, b"x"), False),
        ((15, b"x"), True),
    ],
)
def test_two_byte_form_only_where_an_element_needs_it(element, needs_two_bytes):
    packet = packet_with(two_byte(element), TWO_BYTE_PROFILE)
    canonical = ExtensionMap(received(), Counter()).canonicalise(packet)
    assert parse_header(canonical).extension_profile == (TWO_BYTE_PROFILE if needs_two_bytes else ONE_BYTE_PROFILE)
    number, value = element
    assert elements_of(canonical)[2:] == [(CANONICAL.get(PUBLISHER.get(number), number), value)]


def test_csrcs_go_marker_padding_and_all_else_stays():
    block = one_byte((9, b"\x01"))
    packet = packet_with(block, first_byte=0xB1, csrcs=b"CSRC", payload=b"pay\x00\x00\x03")
    canonical = ExtensionMap(received(), Counter()).canonicalise(packet)
    assert canonical[:12] == bytes([0xB0]) + packet[1:12]
    assert parse_header(canonical + b"pay\x00\x00\x03").padding_len == 3


def test_elements_that_were_not_negotiated_survive():
    assert canonical_elements(packet_with(one_byte((14, b"who knows")))) == [(14, b"who knows")]


@pytest.mark.parametrize("number", [10, 11, 12])
def test_elements_that_would_be_mistaken_for_others_are_dropped_and_counted(number):
    drops: Counter[str] = Counter()
    extension_map = ExtensionMap(received(), drops)
    packet = packet_with(one_byte((number, b"x"), (9, b"\x01")))
    for _ in range(3):
        assert canonical_elements(packet, extension_map) == [(5, b"\x01")]
    assert drops == {DROP_COLLISION: 3}


def test_unknown_profiles_are_dropped_and_counted():
    drops: Counter[str] = Counter()
    extension_map = ExtensionMap(received(), drops)
    packet = packet_with(b"\xff\xff\xff\xff", profile=0x5555)
    assert canonical_elements(packet, extension_map) == []
    assert extension_map.read(packet) == IngressValues()
    assert drops == {DROP_PROFILE: 1}


def test_truncated_elements_are_refused():
    packet = packet_with(bytes.fromhex("93010203"))
    extension_map = ExtensionMap(received(), Counter())
    for method in (extension_map.canonicalise, extension_map.read):
        with pytest.raises(ValueError):
            method(packet)


def test_equal_sizes_do_not_mean_equal_shapes():
    extension_map = ExtensionMap(received(), Counter())
    blocks = [
        (one_byte((9, b"\x01"), (7, b"\x02")), [(5, b"\x01"), (3, b"\x02")]),
        (one_byte((7, b"\x01"), (9, b"\x02")), [(3, b"\x01"), (5, b"\x02")]),
        (one_byte((1, b"\x90\x05\x07")), [(12, b"\x90\x05\x07")]),
        (one_byte((4, b"mid")), []),
        (bytes(4), []),
        (bytes.fromhex("00009077"), [(5, b"\x77")]),
        (bytes.fromhex("f0907701"), []),
    ]
    for _ in range(2):
        for block, expected in blocks:
            assert canonical_elements(packet_with(block), extension_map) == expected


# Values that the server reads


def test_values_of_the_connection():
    packet = packet_with(
        one_byte((2, b"\x12\x34"), (3, b"\x01\x02\x03"), (4, b"0"), (5, b"hi"), (6, b"lo"), (7, b"\x85"))
    )
    values = ExtensionMap(received(), Counter()).read(memoryview(packet))
    assert values == IngressValues(0x1234, 0x010203, "0", "hi", "lo", 0x85)


def test_values_are_read_from_each_packet_and_not_from_the_first():
    extension_map = ExtensionMap(received(), Counter())
    for number in (1, 2, 65535):
        packet = packet_with(one_byte((2, number.to_bytes(2)), (4, b"%d" % (number % 10))))
        values = extension_map.read(packet)
        assert (values.transport_cc_seq, values.mid) == (number, str(number % 10))


def test_values_of_the_wrong_length_are_absent():
    packet = packet_with(one_byte((2, b"\x12"), (3, b"\x01\x02"), (7, b"\x85\x00")))
    assert ExtensionMap(received(), Counter()).read(packet) == IngressValues()


def test_identifiers_that_are_not_ascii_are_refused():
    packet = packet_with(one_byte((4, b"\xff")))
    with pytest.raises(ValueError):
        ExtensionMap(received(), Counter()).read(packet)


# Construction


def test_an_id_with_two_meanings_is_refused():
    with pytest.raises(ValueError):
        ExtensionMap([*received({4: MID_URI}), *received({4: TOFFSET_URI})], Counter())


def test_an_id_may_be_told_twice():
    packet = packet_with(one_byte((8, b"\x00\x00\x01")))
    assert canonical_elements(packet, ExtensionMap(received() + received(), Counter())) == [(4, b"\x00\x00\x01")]


def test_the_servers_own_ids_cannot_be_taken():
    taken = ReceivedHeaderExtension(id=3, extension=HeaderExtension(uri=CUSTOM_URI, id=TRANSPORT_CC_ID))
    with pytest.raises(ValueError):
        ExtensionMap([taken], Counter())


# Fuzz

shared_map = ExtensionMap(received(), Counter())
profiles = st.sampled_from([ONE_BYTE_PROFILE, TWO_BYTE_PROFILE, 0x1005, 0x5555])
blocks = st.binary(max_size=80).map(lambda data: data + bytes(-len(data) % 4))
element_lists = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=40)), max_size=6)


@given(profiles, blocks)
def test_any_block_gives_a_canonical_header_or_a_value_error(profile, block):
    packet = packet_with(block, profile)
    try:
        canonical = shared_map.canonicalise(packet)
        shared_map.read(packet)
    except ValueError:
        return
    assert len(canonical) % 4 == 0
    assert parse_header(canonical).header_len == len(canonical)
    # A map that has seen a thousand shapes gives what a new one gives.
    assert canonical == ExtensionMap(received(), Counter()).canonicalise(packet)


@given(element_lists)
def test_end_to_end_elements_survive_whatever_their_shape(elements):
    hop_by_hop = {2, 3, 4, 5, 6}
    reserved = {CANONICAL[uri] for uri in PUBLISHER.values() if uri in CANONICAL} | set(EXTENSION_IDS.values())
    expected = [
        (CANONICAL[PUBLISHER[number]] if number in PUBLISHER else number, value)
        for number, value in elements
        if number not in hop_by_hop and (number in PUBLISHER or number not in reserved)
    ]
    assert canonical_elements(packet_with(two_byte(*elements), TWO_BYTE_PROFILE), shared_map) == expected


def test_a_sender_of_ever_new_shapes_does_not_fill_memory():
    extension_map = ExtensionMap(received(), Counter())
    for words in range(100):
        for number in range(1, 15):
            packet = packet_with(one_byte((number, b"x")) + bytes(4 * words))
            extension_map.canonicalise(packet)
    assert len(extension_map._plans) <= 64
    assert max(len(plans) for plans in extension_map._plans.values()) <= 8
