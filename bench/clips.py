"""What publishers send: short loops of valid VP8 and Opus, cut into RTP payloads of the sizes that browsers make.

A real encoder's pictures are filled up to the size that the bitrate asks for: decoders ignore what stands behind a VP8
frame's last partition, and Opus has padding of its own (RFC 6716 section 3.2.5). The filling at the end of a payload
carries the time at which it was sent.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

VIDEO_FPS: Final = 30
VIDEO_CLOCK_HZ: Final = 90_000
AUDIO_CLOCK_HZ: Final = 48_000
AUDIO_PACKET_S: Final = 0.02

MAX_PAYLOAD_LEN: Final = 1160
"""Chromium makes packets of at most 1,200 bytes with their headers, all those of a frame as long or a byte longer."""
CLIP_FRAMES: Final = 300
"""Ten seconds, then the next keyframe: browsers send few that nobody asked for."""
MIN_BITRATE_BPS: Final = 100_000

STAMP_LEN: Final = 12
_STAMP_MAGIC: Final = b"\xa7GrS"

_LARGE: Final = (1280, 720)
_SMALL: Final = (320, 180)
_LARGE_FROM_BPS: Final = 1_000_000
"""Pictures are as large as cameras send them at that bitrate: servers that decode them are to have the real work."""
_SQUARE: Final = 24
_KEYFRAME_FACTOR: Final = 5
"""A keyframe's size in average frames; realtime encoders keep it about there."""
_SIZE_DEVIATION: Final = 0.25

_DESCRIPTOR_START: Final = b"\x10"
_DESCRIPTOR_CONTINUED: Final = b"\x00"
"""RFC 7741 section 4.2 without options: the S bit marks the start of partition 0."""

_OPUS_CODE_3: Final = 3
_OPUS_ONE_PADDED_FRAME: Final = 0x41


@dataclass(frozen=True, slots=True)
class Payload:
    """One packet's. Where `stamped` the last STAMP_LEN bytes are free for `write_stamp`."""

    data: bytes
    stamped: bool


Frame = tuple[Payload, ...]


def stamp(sent_ns: int) -> bytes:
    """The end of a payload that was sent at `sent_ns` (monotonic clock, shared by all processes of a machine)."""
    return sent_ns.to_bytes(8) + _STAMP_MAGIC


def read_stamp(payload: bytes) -> int | None:
    """When it was sent, None where it carries no time."""
    if len(payload) < STAMP_LEN or payload[-len(_STAMP_MAGIC) :] != _STAMP_MAGIC:
        return None
    return int.from_bytes(payload[-STAMP_LEN : -len(_STAMP_MAGIC)])


@functools.cache
def vp8_clip(bitrate_bps: int) -> tuple[Frame, ...]:
    """CLIP_FRAMES frames, the first one a keyframe, of `bitrate_bps` on average. `ValueError` below MIN_BITRATE_BPS."""
    if bitrate_bps < MIN_BITRATE_BPS:
        raise ValueError(f"video needs at least {MIN_BITRATE_BPS} bit/s")
    encoded = encode_vp8(CLIP_FRAMES, *(_LARGE if bitrate_bps >= _LARGE_FROM_BPS else _SMALL))
    sizes = _frame_sizes(bitrate_bps, len(encoded))
    return tuple(packetise_vp8(frame, size) for frame, size in zip(encoded, sizes, strict=True))


@functools.cache
def encode_vp8(frames: int, width: int, height: int) -> tuple[bytes, ...]:
    """Pictures that change a little: a square that travels over a plain ground."""
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, VIDEO_FPS)
    encoder.bit_rate = 40_000
    encoder.gop_size = 10 * frames
    encoder.thread_count = 1
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"}
    encoded: list[bytes] = []
    for index in range(frames):
        frame = av.VideoFrame.from_ndarray(_picture(index, width, height), format="gray").reformat(format="yuv420p")
        frame.pts = index
        encoded += [bytes(packet) for packet in encoder.encode(frame)]
    return (*encoded, *(bytes(packet) for packet in encoder.encode(None)))


def _picture(index: int, width: int, height: int) -> NDArray[np.uint8]:
    picture = np.full((height, width), 96, np.uint8)
    x, y = 4 * index % (width - _SQUARE), 2 * index % (height - _SQUARE)
    picture[y : y + _SQUARE, x : x + _SQUARE] = 200
    return picture


def _frame_sizes(bitrate_bps: int, frames: int) -> list[int]:
    """Bytes of each frame: unequal, and the bitrate's on average. The same for everybody, so that runs compare."""
    mean = bitrate_bps / 8 / VIDEO_FPS
    weights = np.clip(np.random.default_rng(1).normal(1.0, _SIZE_DEVIATION, frames), 0.4, 2.0)
    weights[0] = _KEYFRAME_FACTOR
    sizes: list[int] = np.round(weights * (mean * frames / weights.sum())).astype(int).tolist()
    return sizes


def packetise_vp8(frame: bytes, size: int) -> Frame:
    """RTP payloads (RFC 7741) of a frame filled up to `size` bytes, or as long as it is where that is more."""
    padded = frame + bytes(max(0, size - len(frame)))
    count = -(-len(padded) // (MAX_PAYLOAD_LEN - 1))
    shortest, longer = divmod(len(padded), count)
    payloads: list[Payload] = []
    start = 0
    for index in range(count):
        end = start + shortest + (index >= count - longer)
        descriptor = _DESCRIPTOR_CONTINUED if index else _DESCRIPTOR_START
        free = end - max(start, len(frame))
        payloads.append(Payload(descriptor + padded[start:end], free >= STAMP_LEN))
        start = end
    return tuple(payloads)


def starts_vp8_keyframe(payload: bytes) -> bool:
    """Whether a payload, with whatever descriptor, is the first of a keyframe (RFC 7741 sections 4.2 and 4.3)."""
    if len(payload) < 2 or not payload[0] & 0x10 or payload[0] & 0x07:
        return False
    offset = 1
    if payload[0] & 0x80:
        options = payload[1]
        offset = 2
        if options & 0x80 and offset < len(payload):
            offset += 2 if payload[offset] & 0x80 else 1
        offset += (options >> 6 & 1) + (1 if options & 0x30 else 0)
    return offset < len(payload) and not payload[offset] & 0x01


@functools.cache
def opus_clip(seconds: int = 2) -> tuple[Payload, ...]:
    """Packets of 20 ms: a tone under noise, about 48 kbit/s, 80-160 bytes each."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate = AUDIO_CLOCK_HZ
    encoder.layout = "mono"
    encoder.format = av.AudioFormat("s16")
    encoder.bit_rate = 40_000
    encoder.time_base = Fraction(1, AUDIO_CLOCK_HZ)
    samples = round(AUDIO_CLOCK_HZ * AUDIO_PACKET_S)
    noise = np.random.default_rng(2)
    packets: list[bytes] = []
    for index in range(round(seconds / AUDIO_PACKET_S)):
        phase = 2 * np.pi * 440 * (index * samples + np.arange(samples)) / AUDIO_CLOCK_HZ
        sound = (np.sin(phase) * 8000 + noise.normal(0, 800, samples)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(sound[None, :], format="s16", layout="mono")
        frame.sample_rate = AUDIO_CLOCK_HZ
        frame.pts = index * samples
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return tuple(Payload(pad_opus(packet), stamped=True) for packet in packets)


def pad_opus(packet: bytes) -> bytes:
    """The packet of one frame in the form that allows padding, with STAMP_LEN bytes of it. `ValueError` for others."""
    if len(packet) < 2 or packet[0] & _OPUS_CODE_3:
        raise ValueError("this Opus packet has more than one frame")
    head = bytes([packet[0] | _OPUS_CODE_3, _OPUS_ONE_PADDED_FRAME, STAMP_LEN])
    return head + packet[1:] + bytes(STAMP_LEN)
