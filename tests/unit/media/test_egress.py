"""The columnar fan-out against a scalar one: every byte of every packet."""

import itertools
import struct
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.blocks import MAX_LEVELLING
from sfu.media.egress import (
    DROP_BEFORE_START,
    DROP_NOT_ACCEPTED,
    DROP_OVERWRITTEN,
    Egress,
    ForwardBatch,
    Retransmission,
)
from sfu.media.fanout import ActiveRows, Audience, FanoutTable
from sfu.media.pool import PacketPool
from sfu.media.ports import PortTable
from sfu.rtp.ntp import abs_send_time

NOW = 1234.567
ONE_BYTE_HEAD = bytes([0xBE, 0xDE, 0, 2, 0x11, 0, 0, 0x22, 0, 0, 0, 0])
TWO_BYTE_HEAD = bytes([0x10, 0x00, 0, 3, 1, 2, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0])


def canonical(seq: int, timestamp: int, payload_type: int, payload: bytes, two_byte: bool) -> bytes:
    head = struct.pack("!BBHII", 0x90, 0x80 | payload_type, seq & 0xFFFF, timestamp, 0xDEAD)
    return head + (TWO_BYTE_HEAD if two_byte else ONE_BYTE_HEAD) + payload


class World:
    def __init__(self, max_rows: int = 1024) -> None:
        self.pool = PacketPool(64)
        self.table = FanoutTable()
        self.ports = PortTable()
        self.drops: Counter[str] = Counter()
        self.egress = Egress(self.pool, self.table, self.ports, self.drops, max_rows)
        self.batch = ForwardBatch(self.pool)

    def store(self, owner: int, ext_seq: int, packet: bytes) -> int:
        slot, _ = self.pool.reserve(1)
        self.pool.commit(1)
        start = 40 + slot % 3
        header_len = 16 + 4 * packet[15]
        self.pool.rows[slot][start : start + len(packet)] = packet
        self.pool.assign(slot, owner, ext_seq, start, start + header_len, start + len(packet))
        return slot

    def collect(self) -> list[tuple[int, bytes]]:
        return [
            (int(self.egress.ports()[row]), bytes(self.egress.data[row, : int(self.egress.length[row])]))
            for rows in self.egress.build(self.batch, NOW)
            for row in range(rows)
        ]


def levelled(packets: list[bytes]) -> list[bytes]:
    """Packets of one stream's video, padded (RFC 3550 section 5.1) to the longest that is little longer."""
    tops: list[int] = []
    for length in sorted({len(packet) for packet in packets}, reverse=True):
        if not tops or tops[-1] > length + MAX_LEVELLING:
            tops.append(length)
    result = []
    for packet in packets:
        missing = min(top - len(packet) for top in tops if top >= len(packet))
        if missing:
            packet = bytes([packet[0] | 0x20]) + packet[1:] + bytes(missing - 1) + bytes([missing])
        result.append(packet)
    return result


def scalar(packet: bytes, ssrc: int, seq: int, timestamp_offset: int, transport_seq: int) -> bytes:
    """One packet for one consumer, written field by field."""
    out = bytearray(packet)
    struct.pack_into("!H", out, 2, seq & 0xFFFF)
    timestamp = struct.unpack_from("!I", out, 4)[0]
    struct.pack_into("!II", out, 4, (timestamp + timestamp_offset) & 0xFFFFFFFF, ssrc)
    sequence_at, time_at = (17, 20) if out[12] == 0xBE else (18, 22)
    struct.pack_into("!H", out, sequence_at, transport_seq & 0xFFFF)
    out[time_at : time_at + 3] = abs_send_time(NOW).to_bytes(3)
    return bytes(out)


consumers = st.lists(
    st.fixed_dictionaries(
        {
            "port": st.integers(0, 6),
            "ssrc": st.integers(0, 0xFFFFFFFF),
            "seq_offset": st.integers(-70000, 140000),
            "timestamp_offset": st.one_of(st.just(0), st.integers(0, 0xFFFFFFFF)),
            "first_ext_seq": st.one_of(st.just(0), st.integers(65536, 65546)),
            "types": st.sets(st.sampled_from([96, 98]), min_size=1),
        }
    ),
    max_size=7,
    unique_by=lambda consumer: consumer["port"],
)
packets = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 0xFFFFFFFF),
        st.sampled_from([96, 98]),
        st.binary(max_size=40),
        st.booleans(),
    ),
    max_size=20,
)


@given(
    streams=st.lists(consumers, min_size=3, max_size=3),
    arrivals=packets,
    counters=st.lists(st.integers(0, 70000), min_size=7, max_size=7),
    max_rows=st.sampled_from([1, 7, 1024]),
    few_rows=st.sampled_from([0, 4, 1024]),
    only=st.sampled_from([None, 0, 1]),
)
def test_a_batch_equals_packets_written_one_by_one(streams, arrivals, counters, max_rows, few_rows, only):
    """`only`: all packets are of this stream, as they are in most wake-ups. `few_rows`: by columns, or one by one."""
    world = World(max_rows)
    world.egress.writer.few_single = world.egress.writer.few_rows = few_rows
    if only is not None:
        arrivals = [(only, *rest) for _, *rest in arrivals]
    world.ports.next_transport_seq[:7] = counters
    rows_of = [
        [add(world, consumer) for consumer in sorted(stream, key=lambda consumer: consumer["port"])]
        for stream in streams
    ]
    audiences = [Audience(world.table, row_indices(rows)) for rows in rows_of]
    stored = []
    for index, (stream, timestamp, payload_type, payload, two_byte) in enumerate(arrivals):
        ext_seq = 65536 + index
        packet = canonical(ext_seq, timestamp, payload_type, payload, two_byte)
        slot = world.store(stream + 1, ext_seq, packet)
        world.batch.add(slot, stream + 1, ext_seq, payload_type, audiences[stream], video=bool(stream % 2))
        stored.append((stream, ext_seq, payload_type, packet))
    video_packets = iter(levelled([packet for stream, _, _, packet in stored if stream % 2]))
    stored = [(*head, next(video_packets) if head[0] % 2 else packet) for *head, packet in stored]

    # Sound first, and of each kind stream by stream as they first appeared.
    order = sorted(dict.fromkeys(stream for stream, *_ in stored), key=lambda stream: stream % 2)
    expected = []
    transport_seqs = list(counters)
    for wanted_stream, port in itertools.product(order, range(7)):
        for stream, ext_seq, payload_type, packet in stored:
            for consumer in streams[stream] if stream == wanted_stream else ():
                wanted = payload_type in consumer["types"] and ext_seq >= consumer["first_ext_seq"]
                if consumer["port"] != port or not wanted:
                    continue
                seq = ext_seq - consumer["seq_offset"]
                out = scalar(packet, consumer["ssrc"], seq, consumer["timestamp_offset"], transport_seqs[port])
                transport_seqs[port] += 1
                expected.append((port, out))
    sent = world.collect()
    for port in range(7):
        assert [data for to, data in sent if to == port] == [data for to, data in expected if to == port]
    assert len(world.batch) == 0
    assert world.ports.next_transport_seq[:7].tolist() == transport_seqs
    assert [world.ports.age(port, transport_seqs[port] - 1, NOW + 1) for port, _ in sent] == [1.0] * len(sent)
    for audience in audiences:
        audience.settle()
    assert int(world.table.packets.sum()) == len(expected)
    assert int(world.table.bytes.sum()) == sum(len(data) for _, data in expected)


def add(world: World, consumer: dict) -> int:
    row = world.table.add(consumer["ssrc"], consumer["port"], consumer["types"])
    world.table.seq_offset[row] = consumer["seq_offset"]
    world.table.first_ext_seq[row] = consumer["first_ext_seq"]
    world.table.timestamp_offset[row] = consumer["timestamp_offset"]
    return row


def row_indices(rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


@pytest.fixture
def world() -> World:
    return World()


def one_row(world: World, **changes) -> int:
    consumer = {
        "port": 0,
        "ssrc": 5,
        "seq_offset": 0,
        "first_ext_seq": 0,
        "timestamp_offset": 0,
        "types": {96},
        **changes,
    }
    return add(world, consumer)


def test_a_packet_whose_row_was_taken_meanwhile_is_sent_as_it_was(world):
    row = one_row(world)
    slot = world.store(1, 65536, canonical(0, 0, 96, b"old", False))
    world.batch.add(slot, 1, 65536, 96, Audience(world.table, row_indices([row])), video=True)
    for number in range(world.pool.slots):
        world.store(1, 70000 + number, canonical(0, 0, 96, b"new", False))
    assert [data[24:] for _, data in world.collect()] == [b"old"]


def test_drops_are_counted_by_reason(world):
    too_early = one_row(world, first_ext_seq=65537)
    other_codec = one_row(world, port=1, types={98})
    slot = world.store(1, 65536, canonical(0, 0, 96, b"x", False))
    world.batch.add(slot, 1, 65536, 96, Audience(world.table, row_indices([too_early, other_codec])), video=True)
    assert world.collect() == []
    assert world.drops[DROP_BEFORE_START] == 1
    assert world.drops[DROP_NOT_ACCEPTED] == 1


def test_nothing_is_sent_for_a_row_that_was_freed_while_its_packet_waited(world):
    row = one_row(world)
    slot = world.store(1, 65536, canonical(0, 0, 96, b"x", False))
    active = ActiveRows(world.table)
    active.activate(row, 0, takes_red=False)
    world.batch.add(slot, 1, 65536, 96, active.all, video=True)
    active.deactivate(row)
    world.table.remove(row)
    assert world.collect() == []


def test_many_consumers_and_packets_pass_through_a_small_matrix():
    world = World(max_rows=10)
    rows = [one_row(world, port=index, ssrc=index) for index in range(100)]
    for number in range(60):
        slot = world.store(1, 65536 + number, canonical(0, 0, 96, bytes([number]), False))
        world.batch.add(slot, 1, 65536 + number, 96, Audience(world.table, row_indices(rows)), video=True)
    sent = world.collect()
    assert len(sent) == 6000
    assert len({(data[8:12], data[2:4]) for _, data in sent}) == 6000


def test_a_retransmission_is_the_packet_in_rtx_form(world):
    packet = canonical(7, 1000, 96, b"payload", False)
    slot = world.store(1, 65543, packet)
    wanted = Retransmission(slot, 1, 65543, 0, 0xBEEF, 97, 500, 42, 24)
    gone = Retransmission(slot, 1, 65544, 0, 0xBEEF, 97, 501, 43, 24)
    sent = [
        bytes(world.egress.data[row, : int(world.egress.length[row])])
        for rows in world.egress.build_retransmissions([gone, wanted], NOW)
        for row in range(rows)
    ]
    rtx = bytearray(packet[:24] + struct.pack("!H", 42) + b"payload")
    rtx[1] = 0x80 | 97
    assert sent == [scalar(bytes(rtx), 0xBEEF, 500, 24, 0)]
    assert world.drops == {DROP_OVERWRITTEN: 1}


repairs = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 2),
        st.sampled_from([97, 99]),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFFFFFF),
    ),
    max_size=12,
)


@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans()), min_size=4, max_size=4), repairs, st.integers(1, 5))
def test_retransmissions_of_many_packets_to_many_are_those_of_the_scalar_path(stored, asked, max_rows):
    world = World(max_rows)
    originals = [canonical(number, 90 * number, 96, *each) for number, each in enumerate(stored)]
    slots = [world.store(1, 65536 + number, packet) for number, packet in enumerate(originals)]
    wanted = [
        Retransmission(slots[which], 1, 65536 + which, port, 0xBE00 + port, rtx_type, seq, original_seq, offset)
        for which, port, rtx_type, seq, original_seq, offset in asked
    ]
    sent = [
        (int(world.egress.ports()[row]), bytes(world.egress.data[row, : int(world.egress.length[row])]))
        for rows in world.egress.build_retransmissions(wanted, NOW)
        for row in range(rows)
    ]
    expected = []
    numbers: Counter[int] = Counter()
    for which, port, rtx_type, seq, original_seq, offset in sorted(asked, key=lambda each: each[1]):
        packet = originals[which]
        header_len = 16 + 4 * packet[15]
        rtx = packet[:1] + bytes([0x80 | rtx_type]) + packet[2:header_len] + struct.pack("!H", original_seq)
        whole = rtx + packet[header_len:]
        expected.append((port, scalar(whole, 0xBE00 + port, seq, offset, numbers[port])))
        numbers[port] += 1
    assert sent == expected


def test_what_little_a_packet_lacks_is_padded_and_the_padding_holds_nothing(world):
    row = one_row(world)
    audience = Audience(world.table, row_indices([row]))
    payloads = [b"\xaa" * 200, b"a" * 100, b"b" * (100 - MAX_LEVELLING), b"c" * (100 - MAX_LEVELLING - 1), b"d" * 99]
    world.batch.add(world.store(9, 1, canonical(1, 0, 96, b"\xff" * 250, False)), 9, 1, 96, audience, video=True)
    world.collect()
    for number, payload in enumerate(payloads):
        slot = world.store(1, 65536 + number, canonical(number, 0, 96, payload, False))
        world.batch.add(slot, 1, 65536 + number, 96, audience, video=True)
    sent = [data for _, data in world.collect()]
    assert [len(data) - 24 for data in sent] == [200, 100, 100, 100 - MAX_LEVELLING - 1, 100]
    assert [bool(data[0] & 0x20) for data in sent] == [False, False, True, False, True]
    assert sent[2][24:] == payloads[2] + bytes(MAX_LEVELLING - 1) + bytes([MAX_LEVELLING])
    assert sent[4][24:] == payloads[4] + b"\x01"
    # Sender reports count payload, and padding is none.
    audience.settle()
    assert int(world.table.octets[row]) == 250 + sum(map(len, payloads))


def test_a_packet_that_came_with_padding_is_left_as_it_is(world):
    row = one_row(world)
    audience = Audience(world.table, row_indices([row]))
    padded = bytearray(canonical(0, 0, 96, b"payload" + bytes([0, 0, 3]), False))
    padded[0] |= 0x20
    for number, packet in enumerate([bytes(padded), canonical(1, 0, 96, b"x" * 12, False)]):
        slot = world.store(1, 65536 + number, packet)
        world.batch.add(slot, 1, 65536 + number, 96, audience, video=True)
    assert [len(data) for _, data in world.collect()] == [34, 36]


def test_packets_of_sound_are_not_padded(world):
    row = one_row(world)
    audience = Audience(world.table, row_indices([row]))
    for number, payload in enumerate([b"x" * 80, b"y" * 82]):
        slot = world.store(1, 65536 + number, canonical(number, 0, 96, payload, False))
        world.batch.add(slot, 1, 65536 + number, 96, audience, video=False)
    assert [len(data) for _, data in world.collect()] == [104, 106]


def test_audio_goes_out_ahead_of_video(world):
    video_row = one_row(world)
    audio_row = one_row(world)
    for number, (row, video) in enumerate([(video_row, True), (audio_row, False), (video_row, True)]):
        slot = world.store(1 + video, 65536 + number, canonical(number, 0, 96, b"x", False))
        world.batch.add(slot, 1 + video, 65536 + number, 96, Audience(world.table, row_indices([row])), video=video)
    seqs = [int.from_bytes(data[2:4]) for _, data in world.collect()]
    assert seqs == [1, 0, 2]
