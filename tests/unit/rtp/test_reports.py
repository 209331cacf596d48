"""The short way to read reports against the general one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.nack import Nack
from sfu.rtp.reports import parse_reports
from sfu.rtp.rtcp import Pli, ReceiverReport, ReportBlock, SenderReport, TwccReport, parse_compound
from sfu.rtp.twcc import build_feedback

BLOCK = ReportBlock(0xCAFE, 12, -3, 65540, 77, 0x11112222, 0x3333)
blocks = st.builds(
    ReportBlock,
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 255),
    st.integers(-0x800000, 0x7FFFFF),
    *[st.integers(0, 0xFFFFFFFF)] * 4,
)
arrivals = st.lists(
    st.tuples(st.integers(65000, 66000), st.integers(0, 30_000_000)), min_size=1, max_size=60, unique_by=lambda a: a[0]
)

missing = st.lists(st.integers(65000, 65700).map(lambda number: number & 0xFFFF), min_size=1, max_size=40)
nacks = st.builds(Nack, st.just(1), st.integers(0, 0xFFFFFFFF), missing.map(tuple))


def agrees(data: bytes) -> bool:
    """Whether the short way read it; if so, as the general one does."""
    reports = parse_reports(data)
    if reports is None:
        return False
    packets = parse_compound(data)
    receiver_reports = [packet for packet in packets if isinstance(packet, ReceiverReport)]
    feedback = [packet for packet in packets if isinstance(packet, TwccReport)]
    nacks = [packet for packet in packets if isinstance(packet, Nack)]
    assert len(packets) == len(receiver_reports) + len(feedback) + len(nacks)
    assert [(nack.media_ssrc, list(nack.seqs)) for nack in nacks] == list(reports.nacks)
    read = [ReportBlock.parse(fields) for fields in reports.blocks]
    assert read == [block for report in receiver_reports for block in report.reports]
    told = [(each.base_seq, each.status_count, each.received, each.newest_index) for each in feedback]
    assert told == ([tuple(reports[1:5])] if reports.status_count else [])
    return True


def padded(data: bytes, last_len: int, words: int) -> bytes:
    """With padding on the last packet, which is `last_len` long."""
    start = len(data) - last_len
    head = bytes([data[start] | 0x20, data[start + 1]]) + (last_len // 4 - 1 + words).to_bytes(2)
    return data[:start] + head + data[start + 4 :] + bytes(4 * words - 1) + bytes([4 * words])


@given(st.lists(blocks, max_size=4) | st.none(), st.lists(nacks, max_size=3), arrivals | st.none(), st.integers(0, 3))
def test_reports_and_feedback_are_read_as_the_general_way_does(report_blocks, asked, packets, padding_words):
    data = b"" if report_blocks is None else ReceiverReport(1, tuple(report_blocks)).to_bytes()
    data += b"".join(nack.to_bytes() for nack in asked)
    feedback = [] if packets is None else [each.to_bytes() for each in build_feedback(1, 2, 0, packets)]
    data += b"".join(feedback[:1])
    if feedback and padding_words:
        data = padded(data, len(feedback[0]), padding_words)
    assert agrees(data) == bool(data)


@given(st.binary(max_size=80))
def test_garbage_is_left_to_the_general_way(data):
    agrees(data)


@given(nacks, arrivals, st.data())
def test_damaged_feedback_is_left_to_the_general_way(nack, packets, data):
    feedback = build_feedback(1, 2, 0, packets)[0]
    good = bytearray(ReceiverReport(1, (BLOCK,)).to_bytes() + nack.to_bytes() + feedback.to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(good[: data.draw(st.integers(0, len(good)))])
    agrees(damaged)


FEEDBACK = build_feedback(1, 2, 0, [(5, 0), (6, 1000)])[0].to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        Pli(1, 2).to_bytes(),
        SenderReport(1, 2, 3, 4, 5, (BLOCK,)).to_bytes(),
        ReceiverReport(1, (BLOCK,)).to_bytes() + Pli(1, 2).to_bytes(),
        FEEDBACK + FEEDBACK,
        FEEDBACK + ReceiverReport(1).to_bytes(),
        FEEDBACK + Nack(1, 2, (3,)).to_bytes(),
        Nack(1, 2, (3,)).to_bytes() + Pli(1, 2).to_bytes(),
        padded(Nack(1, 2, (3,)).to_bytes(), 16, 1),
        padded(ReceiverReport(1).to_bytes(), 8, 1),
    ],
)
def test_everything_else_is_left_to_the_general_way(data):
    assert parse_compound(data)
    assert parse_reports(data) is None
