"""Fixed bytes of whole packets. Beside each `name.hex` lie its dissection, `name.txt`, and a twin that is malformed."""

from collections import Counter
from pathlib import Path

import pytest
from aiortc.rtp import RtcpPacket, RtpPacket

from sfu.rtp.canonical import ABS_SEND_TIME_URI, AUDIO_LEVEL_URI, EXTENSION_IDS, MID_URI, RID_URI, TRANSPORT_CC_URI
from sfu.rtp.canonical import DEPENDENCY_DESCRIPTOR_URI as DEPENDENCY_URI
from sfu.rtp.canonical import PLAYOUT_DELAY_URI as DELAY_URI
from sfu.rtp.extensions import ExtensionMap, IngressValues
from sfu.rtp.packet import RTCP_TYPES, parse_header
from sfu.rtp.parameters import HeaderExtension, ReceivedHeaderExtension
from sfu.rtp.payload import is_keyframe, red_primary, rewrite_red_payload_types
from sfu.rtp.rtcp import (
    Nack,
    Pli,
    ReceiverReport,
    Remb,
    ReportBlock,
    SenderReport,
    SourceDescription,
    TwccReport,
    parse_compound,
    serialise_compound,
)
from sfu.rtp.twcc import TwccFeedback

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.hex") if ".malformed" not in path.name)

RTCP = {
    "rtcp_sr_sdes": [
        SenderReport(
            ssrc=0xCAFEBABE,
            ntp=0xE93B10FF_80000000,
            rtp_timestamp=86400,
            packet_count=256,
            octet_count=256_000,
            reports=(ReportBlock(0x12345678, 64, -2, 0x10005, 45, 0x11223344, 0x8000),),
        ),
        SourceDescription.for_cname(0xCAFEBABE, "4TOf/orSrmNbQeaK"),
    ],
    "rtcp_nack_pli": [Nack(1, 0xCAFEBABE, (65534, 65535, 0, 1, 100, 116)), Pli(1, 0xCAFEBABE)],
    "rtcp_rr_remb": [ReceiverReport(1), Remb(1, 2_500_000, (0xCAFEBABE,))],
    "rtcp_twcc": [
        TwccFeedback(
            sender_ssrc=1,
            media_ssrc=0x12345678,
            base_seq=65533,
            status_count=19,
            reference_time=4000,
            feedback_count=127,
            arrivals=(
                (65533, 256_001_000),
                (65534, 256_101_000),
                (0, 256_099_000),
                (1, 256_104_000),
                (3, 256_104_000),
                (9, 256_104_500),
                (11, 256_105_500),
                (12, 256_107_000),
                (15, 256_109_000),
            ),
        )
    ],
}


def golden(name):
    return bytes.fromhex((FOLDER / f"{name}.hex").read_text())


def extension_map(uris):
    received = [
        ReceivedHeaderExtension(id=number, extension=HeaderExtension(uri=uri, id=EXTENSION_IDS.get(uri, 12)))
        for number, uri in uris.items()
    ]
    return ExtensionMap(received, Counter())


def canonical_packet(packet, uris):
    header = parse_header(packet)
    return extension_map(uris).canonicalise(packet) + packet[header.header_len :]


def test_every_packet_has_a_twin_and_a_dissection():
    assert {path.name for path in FOLDER.iterdir() if path.suffix in (".hex", ".txt")} == {
        f"{name}{suffix}" for name in NAMES for suffix in (".hex", ".malformed.hex", ".txt")
    }


@pytest.mark.parametrize("name", NAMES)
def test_twins_differ_in_the_place_that_the_dissection_tells(name):
    good, bad = golden(name), golden(f"{name}.malformed")
    place = next(index for index, (a, b) in enumerate(zip(good, bad, strict=True)) if a != b)
    dissection = (FOLDER / f"{name}.txt").read_text()
    told = int(dissection.split("Malformed twin: at ")[1].split()[0])
    assert told <= place < told + 4


@pytest.mark.parametrize("name", NAMES)
def test_rtcp_is_told_from_rtp(name):
    assert (golden(name)[1] in RTCP_TYPES) is name.startswith("rtcp")


@pytest.mark.parametrize("name", RTCP)
def test_rtcp(name):
    packets = parse_compound(golden(name))
    assert [packet.read() if isinstance(packet, TwccReport) else packet for packet in packets] == RTCP[name]


@pytest.mark.parametrize("name", ["rtcp_sr_sdes", "rtcp_nack_pli", "rtcp_rr_remb"])
def test_rtcp_is_written_byte_for_byte(name):
    assert serialise_compound(RTCP[name]) == golden(name)


@pytest.mark.parametrize("name", RTCP)
def test_malformed_rtcp_is_refused(name):
    with pytest.raises(ValueError):
        parse_compound(golden(f"{name}.malformed"))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "rtcp_twcc"])
def test_aiortc_takes_them_for_packets_too(name):
    # Except for the transport-cc feedback: it wants padding by whole words, which libwebrtc does not keep to.
    assert (RtcpPacket if name.startswith("rtcp") else RtpPacket).parse(golden(name))


VIDEO_URIS = {3: ABS_SEND_TIME_URI, 4: TRANSPORT_CC_URI, 5: MID_URI, 10: RID_URI, 12: DELAY_URI}


def test_vp8_keyframe():
    packet = golden("rtp_vp8_keyframe")
    header = parse_header(packet)
    assert (header.marker, header.payload_type, header.seq, header.timestamp) == (True, 96, 65534, 86400)
    assert extension_map(VIDEO_URIS).read(packet) == IngressValues(42, 0x7AE148, "0", "hi")
    assert is_keyframe("video/vp8", packet[header.header_len :])
    assert canonical_packet(packet, VIDEO_URIS) == bytes.fromhex(
        "90e0fffe 00015180 cafebabe bede0004 110000 22000000 e000 62000000 000000"
    ) + bytes.fromhex("90e081230540 30a9009d012a0005d002")


def test_malformed_vp8_keyframe_is_refused():
    packet = golden("rtp_vp8_keyframe.malformed")
    with pytest.raises(ValueError):
        canonical_packet(packet, VIDEO_URIS)


AUDIO_URIS = {1: AUDIO_LEVEL_URI, 3: ABS_SEND_TIME_URI, 4: TRANSPORT_CC_URI, 5: MID_URI}


def test_opus_red():
    packet = golden("rtp_opus_red")
    values = IngressValues(transport_cc_seq=65535, abs_send_time=1, mid="1", audio_level=0x80 | 50)
    assert extension_map(AUDIO_URIS).read(packet) == values
    canonical = bytearray(canonical_packet(packet, AUDIO_URIS))
    canonical_header = parse_header(canonical)
    payload = memoryview(canonical)[canonical_header.header_len :]
    rewrite_red_payload_types(payload, {111: 109})
    assert payload == bytes.fromhex("ed0f0003 6d 780be4 780be5c1")
    assert red_primary(payload) == (109, 8, 4)


def test_malformed_opus_red_is_refused():
    packet = golden("rtp_opus_red.malformed")
    with pytest.raises(ValueError):
        red_primary(packet[parse_header(packet).header_len :])


def test_two_byte_elements():
    packet = golden("rtp_two_byte")
    header = parse_header(packet)
    assert (header.csrc_count, header.header_len, header.padding_len) == (1, 48, 4)
    payload = packet[header.header_len : len(packet) - header.padding_len]
    assert is_keyframe("video/av1", payload)
    uris = {4: TRANSPORT_CC_URI, 11: DEPENDENCY_URI}
    assert extension_map(uris).read(packet) == IngressValues(transport_cc_seq=256)
    assert (
        canonical_packet(packet, uris)
        == bytes.fromhex(
            "b0238000 ffffffff 00000001 10000008 0102 0000 0203 000000"
            "0b12 8000018003 0f28a0404d841cf53e94000002 1400 00"
        )
        + packet[header.header_len :]
    )


def test_malformed_two_byte_packet_is_refused():
    with pytest.raises(ValueError):
        parse_header(golden("rtp_two_byte.malformed"))
