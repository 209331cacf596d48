import pytest
from aiortc import rtp as aiortc_rtp
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.rtcp import (
    Bye,
    Fir,
    Nack,
    Pli,
    ReceiverReport,
    Remb,
    ReportBlock,
    SdesChunk,
    SenderReport,
    SourceDescription,
    UnknownPacket,
    pack_sender_report,
    parse_compound,
    serialise_compound,
)
from sfu.rtp.twcc import build_feedback

u32 = st.integers(0, 0xFFFFFFFF)
report_blocks = st.builds(ReportBlock, u32, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), u32, u32, u32, u32)
report_lists = st.lists(report_blocks, max_size=31).map(tuple)
sender_reports = st.builds(SenderReport, u32, st.integers(0, 2**64 - 1), u32, u32, u32, report_lists)
receiver_reports = st.builds(ReceiverReport, u32, report_lists)
sdes_chunks = st.builds(
    SdesChunk, u32, st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=255)), max_size=4).map(tuple)
)
descriptions = st.builds(SourceDescription, st.lists(sdes_chunks, max_size=31).map(tuple))
byes = st.builds(Bye, st.lists(u32, max_size=31).map(tuple), st.binary(max_size=255))
unknown = st.builds(
    UnknownPacket,
    st.sampled_from([192, 204, 207, 208]),
    st.integers(0, 31),
    st.binary(max_size=5).map(lambda word: word * 4),
)
packets = st.one_of(sender_reports, receiver_reports, descriptions, byes, unknown)


@given(st.lists(packets, min_size=1, max_size=5))
def test_round_trip_of_compounds(compound):
    assert parse_compound(serialise_compound(compound)) == compound


@given(sender_reports)
def test_aiortc_reads_the_same_sender_report(report):
    (theirs,) = aiortc_rtp.RtcpPacket.parse(report.to_bytes())
    info = theirs.sender_info
    assert (theirs.ssrc, info.ntp_timestamp, info.rtp_timestamp) == (report.ssrc, report.ntp, report.rtp_timestamp)
    assert (info.packet_count, info.octet_count) == (report.packet_count, report.octet_count)
    assert [
        (b.ssrc, b.fraction_lost, b.packets_lost, b.highest_sequence, b.jitter, b.lsr, b.dlsr) for b in theirs.reports
    ] == [
        (b.ssrc, b.fraction_lost, b.cumulative_lost, b.highest_ext_seq, b.jitter, b.lsr, b.dlsr) for b in report.reports
    ]


@given(sender_reports)
def test_a_sender_report_that_is_packed_at_once_is_the_same(report):
    fields = (report.ssrc, report.ntp, report.rtp_timestamp, report.packet_count, report.octet_count)
    assert pack_sender_report(*fields) == SenderReport(*fields).to_bytes()


@given(sdes_chunks)
def test_agrees_with_aiortc_on_a_description_of_one_source(chunk):
    # Of one: aiortc does not align the chunks that follow, as RFC 3550 section 6.5 asks.
    description = SourceDescription((chunk,))
    (theirs,) = aiortc_rtp.RtcpPacket.parse(description.to_bytes())
    assert [(c.ssrc, tuple(c.items)) for c in theirs.chunks] == [(chunk.ssrc, chunk.items)]
    assert parse_compound(bytes(theirs)) == [description]


def test_each_chunk_begins_at_a_word():
    packet = bytes.fromhex("83ca0007 00000001 01014100 00000002 00000000 00000003 0102 4142 00000000")
    assert parse_compound(packet) == [
        SourceDescription((SdesChunk(1, ((1, b"A"),)), SdesChunk(2, ()), SdesChunk(3, ((1, b"AB"),))))
    ]


@given(byes)
def test_aiortc_reads_the_same_bye(bye):
    (theirs,) = aiortc_rtp.RtcpPacket.parse(bye.to_bytes())
    assert tuple(theirs.sources) == bye.ssrcs


@pytest.mark.parametrize(
    ("lost", "on_the_wire"),
    [(0, 0), (-1, 0xFFFFFF), (0x7FFFFF, 0x7FFFFF), (0x800000, 0x7FFFFF), (10**9, 0x7FFFFF), (-(10**9), 0x800000)],
)
def test_cumulative_lost_is_clamped_to_signed_24_bits(lost, on_the_wire):
    block = ReportBlock(1, 7, lost, 0, 0, 0, 0).to_bytes()
    assert block[4] == 7
    assert int.from_bytes(block[5:8]) == on_the_wire


def test_cname_chunk_ends_with_at_least_one_zero():
    # Two bytes of item header and six of text fill two words: the end needs a third.
    packet = SourceDescription.for_cname(1, "sixsix").to_bytes()
    assert packet == bytes.fromhex("81ca0004 00000001 0106") + b"sixsix" + bytes(4)


def test_reduced_size_feedback_stands_alone():
    assert parse_compound(Pli(1, 2).to_bytes()) == [Pli(1, 2)]


def test_all_kinds_in_one_datagram():
    compound = [
        ReceiverReport(1),
        SourceDescription.for_cname(1, "a"),
        Nack(1, 2, (3, 4)),
        Pli(1, 2),
        Fir(1, ((2, 3),)),
        Remb(1, 1000, (2,)),
        *(parse_compound(feedback.to_bytes())[0] for feedback in build_feedback(1, 2, 0, [(65536, 0)])),
        Bye((1,), b"done"),
    ]
    assert parse_compound(memoryview(serialise_compound(compound))) == compound


def test_padding_is_taken_off_whatever_its_length():
    for padding_len in (1, 2, 3, 4):
        nack = bytes.fromhex("a1cd") + b"\x00\x04" + bytes.fromhex("00000001 00000002 00050000")
        # Only the last byte counts; here the four bytes in front of it are an entry or part of the padding.
        packet = nack + bytes(3) + bytes([padding_len])
        if padding_len == 4:
            assert parse_compound(packet) == [Nack(1, 2, (5,))]
        else:
            with pytest.raises(ValueError):
                parse_compound(packet)


def test_transport_cc_padded_as_libwebrtc_does():
    plain = bytes.fromhex("8fcd0005 00000001 00000002 0005 0001 000003 00 2001 02 00")
    padded = bytes([plain[0] | 0x20]) + plain[1:-1] + b"\x01"
    ((with_padding,), (without,)) = parse_compound(padded), parse_compound(plain)
    assert with_padding.read() == without.read()


def test_profile_extension_behind_report_blocks_is_ignored():
    assert parse_compound(bytes.fromhex("80c90002 00000001 deadbeef")) == [ReceiverReport(1)]


@pytest.mark.parametrize(
    "data",
    [
        "",
        "80c900",
        "40c90001 00000001",
        "80c90002 00000001",
        "80c90000",
        "81c90001 00000001",
        "80c80001 00000001",
        "81ca0001 00000001",
        "81ca0002 00000001 01ff0000",
        "81ca0002 00000001 01024142",
        "82ca0002 00000001 00000000",
        "82cb0001 00000001",
        "80cb0001 05414243",
        "a0c90001 00000000",
        "a0c90001 000000ff",
        "a0c90000",
        "80c90001 00000001 80",
        "81cd0001 00000001",
        "81cd0002 00000001 00000002",
        "81ce0001 00000001",
    ],
)
def test_malformed_datagrams_are_refused(data):
    with pytest.raises(ValueError):
        parse_compound(bytes.fromhex(data))


@pytest.mark.parametrize(
    "packet",
    [
        SenderReport(1 << 32, 0, 0, 0, 0),
        SenderReport(1, 1 << 64, 0, 0, 0),
        ReceiverReport(-1),
        ReceiverReport(1, (ReportBlock(1, 256, 0, 0, 0, 0, 0),)),
        ReceiverReport(1, (ReportBlock(1, 0, 0, 0, 0, 0, 0),) * 32),
        SourceDescription((SdesChunk(1, ((0, b""),)),)),
        SourceDescription((SdesChunk(1, ((1, bytes(256)),)),)),
        SourceDescription((SdesChunk(1, ()),) * 32),
        Bye((1,) * 32),
        Bye((1,), bytes(256)),
        Bye((1 << 32,)),
        UnknownPacket(204, 0, b"odd"),
    ],
    ids=lambda packet: str(packet)[:60],
)
def test_what_cannot_be_sent_is_refused(packet):
    with pytest.raises(ValueError):
        packet.to_bytes()


rtcp_like = st.lists(
    st.builds(
        lambda first, packet_type, body: (
            bytes([0x80 | first, packet_type]) + (len(body) // 4).to_bytes(2) + body[: len(body) // 4 * 4]
        ),
        st.integers(0, 0x3F),
        st.integers(198, 208),
        st.binary(max_size=60),
    ),
    max_size=4,
).map(b"".join)


@given(st.one_of(st.binary(max_size=200), rtcp_like))
def test_any_bytes_give_packets_or_a_value_error(data):
    try:
        compound = parse_compound(data)
    except ValueError:
        return
    assert compound


@given(rtcp_like)
def test_what_was_understood_survives_being_sent_again(data):
    try:
        compound = parse_compound(data)
        again = serialise_compound(compound)
    except ValueError:
        return
    assert parse_compound(again) == compound
