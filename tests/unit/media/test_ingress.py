"""Packets that are recognised by the one before against the same packets looked at from the beginning each time."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from sfu.media.pool import HEADROOM
from sfu.rtp.packet import parse_header
from tests.sim import harness
from tests.sim.harness import Sfu, keyframe, rtp

ELEMENTS = st.lists(
    st.tuples(st.sampled_from([1, 3, 4, 5, 6, 7, 13, 14]), st.binary(min_size=1, max_size=4)), max_size=4
)
STREAMS = st.sampled_from(
    [
        (harness.VIDEO_SSRC, harness.PUBLISHED_VP8),
        (harness.VIDEO_RTX_SSRC, harness.PUBLISHED_VP8_RTX),
        (harness.AUDIO_SSRC, harness.PUBLISHED_OPUS),
        (harness.AUDIO_SSRC, harness.PUBLISHED_RED),
        (0x9999, harness.PUBLISHED_VP8),
        (harness.VIDEO_SSRC, 100),
    ]
)
SHAPES = st.fixed_dictionaries(
    {
        "stream": STREAMS,
        "profile": st.sampled_from([None, 0xBEDE, 0xBEDE, 0xBEDE, 0x1000, 0x100F, 0x5555]),
        "elements": ELEMENTS,
        "csrcs": st.sampled_from([0, 0, 0, 2]),
        "marker": st.booleans(),
        "padding": st.sampled_from([None, None, None, 1, 4, 0, 255]),
    }
)
PACKETS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 12),
        st.binary(min_size=16, max_size=16),
        st.binary(max_size=8),
        st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 40), st.integers(0, 255)), st.integers(0, 40)),
    ),
    min_size=2,
    max_size=16,
)


def datagram(shape: dict, seq: int, values: bytes, payload: bytes, harm: object) -> bytes:
    """A packet of the shape with values, number and payload of its own; `harm` changes a byte or cuts it short."""
    ssrc, payload_type = shape["stream"]
    elements = [(number, values[index : index + len(value)]) for index, (number, value) in enumerate(shape["elements"])]
    # An identifier is told by every packet of a connection, and means the same.
    elements = [(number, b"v" if number == harness.PUBLISHED_MID else value) for number, value in elements]
    profile = shape["profile"]
    whole = bytearray(
        rtp(
            ssrc,
            seq,
            3000 * seq,
            payload_type,
            b"",
            marker=shape["marker"],
            elements=None if profile is None else elements,
            two_byte=profile is not None and profile & 0xFFF0 == 0x1000,
        )
    )
    if profile is not None:
        whole[12:14] = struct.pack("!H", profile)
    whole[0] |= shape["csrcs"]
    whole[12:12] = bytes(range(4 * shape["csrcs"]))
    whole += payload
    if shape["padding"] is not None:
        whole[0] |= 0x20
        whole += bytes([0, 0, 0, shape["padding"]])
    if isinstance(harm, tuple):
        position, value = harm
        whole[position % len(whole)] = value
    elif isinstance(harm, int):
        del whole[harm:]
    return bytes(whole)


def server() -> Sfu:
    sfu = Sfu(slots=64, max_rows=16)
    subscriber = sfu.subscriber()
    for parameters in (harness.video_parameters(), harness.audio_parameters()):
        sfu.started(subscriber, sfu.produce(parameters))
    sfu.wake_up([keyframe(0)], 0.0)
    return sfu


def forget_shapes(sfu: Sfu) -> None:
    sfu.publisher._rebuild_extensions(list(sfu.publisher.producers.values()))


def rows(sfu: Sfu) -> list[bytes]:
    pool = sfu.pool
    return [bytes(pool.packet(slot)) for slot in range(pool.slots) if pool.owner[slot] >= 0]


@given(SHAPES, SHAPES, PACKETS)
def test_a_shape_that_is_remembered_changes_nothing(shape, other_shape, packets):
    # Of one length, but in another order: what is easily mistaken for the shape before.
    shapes = [shape, {**shape, "elements": shape["elements"][::-1]}, other_shape]
    remembering, forgetting = server(), server()
    for index, (number, seq, values, payload, harm) in enumerate(packets):
        packet = datagram(shapes[number], seq, values, payload, harm)
        now = 0.02 * index
        forget_shapes(forgetting)
        sent = [sfu.wake_up([packet], now) for sfu in (remembering, forgetting)]
        assert sent[0] == sent[1]
        assert remembering.drops == forgetting.drops
    assert remembering.counters == forgetting.counters
    assert remembering.repairs == forgetting.repairs
    assert rows(remembering) == rows(forgetting)
    assert remembering.publisher.poll(10.0) == forgetting.publisher.poll(10.0)
    for one, other in zip(
        remembering.publisher.producers.values(), forgetting.publisher.producers.values(), strict=True
    ):
        assert one.stats() == other.stats()


@given(SHAPES, st.integers(1, 4), st.binary(min_size=16, max_size=16), st.binary(min_size=1, max_size=8))
def test_what_is_no_longer_than_the_shape_before_is_not_read_beyond_its_end(shape, cut, values, payload):
    """The row behind a packet that was cut short holds what an earlier one left there."""
    sfu = server()
    shape = {**shape, "stream": (harness.VIDEO_SSRC, harness.PUBLISHED_VP8), "padding": None}
    whole = datagram(shape, 1, values, payload, None)
    sfu.wake_up([whole], 0.0)
    header_len = parse_header(whole).header_len
    short = datagram(shape, 2, values, payload, None)[: header_len - cut]
    slot, _ = sfu.pool.reserve(1)
    sfu.pool.rows[slot][HEADROOM : HEADROOM + len(whole)] = whole
    sfu.wake_up([short], 0.02)
    assert sfu.drops[-1] == "rtp_malformed"
