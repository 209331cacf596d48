"""Feedback read by columns against the way that reads it one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.reports import Reports, parse_reports
from sfu.rtp.rtcp import ReceiverReport
from sfu.rtp.twcc import build_feedback
from sfu.rtp.twcc_columns import read_complete_feedback

COLUMN = 8
STRIDE = 512

complete = st.tuples(st.integers(0, 0xFFFF), st.integers(1, 60)).map(
    lambda drawn: build_feedback(1, 2, 0, [(drawn[0] + n, 1000 * n) for n in range(drawn[1])])[0].to_bytes()
)
with_holes = st.lists(
    st.tuples(st.integers(65500, 65600), st.integers(0, 9_000_000)), min_size=1, max_size=40, unique_by=lambda a: a[0]
).map(lambda arrivals: build_feedback(1, 2, 0, arrivals)[0].to_bytes())
datagrams = st.lists(
    complete | with_holes | complete.map(lambda data: ReceiverReport(1).to_bytes() + data) | st.binary(min_size=1),
    min_size=1,
    max_size=6,
)


def read(data: list[bytes]) -> list[tuple[int, int] | None]:
    """(base sequence number, status count) of each, None where it was not chosen. Other rows hold anything."""
    matrix = np.full((2 * len(data), STRIDE), 0xFF, np.uint8)
    rows = np.arange(len(data)) * 2 + 1
    for row, each in zip(rows, data, strict=True):
        matrix[row, COLUMN : COLUMN + len(each)] = np.frombuffer(each, np.uint8)
    lengths = np.array([len(each) for each in data])
    chosen, bases, counts = read_complete_feedback(matrix, rows, COLUMN, lengths)
    return [
        (int(base), int(count)) if taken else None for taken, base, count in zip(chosen, bases, counts, strict=True)
    ]


def check(data: list[bytes]) -> None:
    for each, found in zip(data, read(data), strict=True):
        if found is not None:
            base_seq, count = found
            assert parse_reports(each) == Reports((), base_seq, count, count, count - 1)


@given(datagrams)
def test_what_is_chosen_means_the_same_one_by_one(data):
    check(data)


@given(complete, st.data())
def test_damaged_feedback_is_chosen_only_where_it_means_the_same(good, data):
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    check([bytes(damaged[: data.draw(st.integers(1, len(good)))]), good])


def test_feedback_on_packets_that_came_regularly_is_chosen_with_padding_and_without():
    whole = [build_feedback(1, 2, 0, [(65530 + n, 1000 * n) for n in range(count)])[0].to_bytes() for count in (9, 10)]
    padded = bytes([whole[1][0] | 0x20]) + whole[1][1:2] + (len(whole[1]) // 4).to_bytes(2) + whole[1][4:]
    padded += bytes([0, 0, 0, 4])
    assert read([*whole, padded]) == [(65530, 9), (65530, 10), (65530, 10)]
