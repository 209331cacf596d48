"""Headers are found wherever packets begin, and the transport-wide number wherever it stands in them."""

import numpy as np
import pytest

from bench.packets import HEADER_READ, Packets, read_headers, read_transport_seqs

TRANSPORT_CC = 5
SEND_TIME, PADDING, LEVEL = bytes([0x22, 1, 2, 3]), b"\0", bytes([0x40, 0x51])


def packet(seq, *before, profile=b"\xbe\xde"):
    """RTP with the transport-wide number `seq`, None for none, behind the elements `before`."""
    elements = b"".join(before)
    if seq is not None:
        elements += bytes([TRANSPORT_CC << 4 | 1]) + seq.to_bytes(2)
    elements = elements.ljust(20, b"\0")
    return b"\x90" + bytes(11) + profile + b"\x00\x05" + elements + bytes(10)


def batch(*datagrams):
    ends = np.cumsum([len(each) for each in datagrams])
    buffer = np.frombuffer(b"".join(datagrams) + bytes(HEADER_READ), np.uint8)
    lengths = np.array([len(each) for each in datagrams])
    return Packets(buffer, ends - lengths, lengths, np.ones(len(lengths), np.int64), np.zeros(len(lengths), np.int64))


def numbers(*datagrams):
    seqs, found = read_transport_seqs(read_headers(batch(*datagrams)), TRANSPORT_CC)
    return [int(seq) if there else None for seq, there in zip(seqs, found, strict=True)]


def test_headers_are_read_at_any_offset_up_to_the_last_byte():
    datagrams = [bytes([number]) * length for number, length in enumerate([41, 12, 97, 1])]
    headers = read_headers(batch(*datagrams))
    assert headers.shape == (4, HEADER_READ)
    for header, datagram in zip(headers, datagrams, strict=True):
        assert header[: len(datagram)].tobytes() == datagram[:HEADER_READ]


@pytest.mark.parametrize("before", [(), (SEND_TIME,), (SEND_TIME, LEVEL), (PADDING, SEND_TIME)])
def test_the_number_is_found_in_the_same_place_of_all(before):
    assert numbers(*(packet(seq, *before) for seq in (0, 1, 255, 256, 65535))) == [0, 1, 255, 256, 65535]


def test_the_number_is_found_in_a_different_place_of_each():
    datagrams = [packet(7), packet(300, SEND_TIME), packet(9, LEVEL), packet(65535, PADDING, LEVEL)]
    assert numbers(*datagrams) == [7, 300, 9, 65535]


def test_packets_without_a_number_are_told():
    datagrams = [packet(7), packet(None), packet(8, profile=b"\x10\x00"), b"\x80" + packet(9)[1:], packet(10)]
    assert numbers(*datagrams) == [7, None, None, None, 10]
    assert numbers(packet(None), packet(None, SEND_TIME)) == [None, None]


def test_what_looks_like_the_number_within_another_element_is_not_it():
    tricky = bytes([0x22, TRANSPORT_CC << 4 | 1, 9, 9])
    assert numbers(packet(3, tricky), packet(4, tricky)) == [3, 4]
    assert numbers(packet(3, tricky), packet(4)) == [3, 4]
