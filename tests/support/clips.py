"""Media that is encoded once and sent by many: short loops of VP8 and Opus, already cut into RTP payloads."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

VIDEO_FPS = 30
VIDEO_CLOCK_HZ = 90_000
AUDIO_CLOCK_HZ = 48_000
AUDIO_PACKET_S = 0.02
TONE_HZ = 440
MAX_PAYLOAD_LEN = 1100


def picture(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """An RGB frame, shape (height, width, 3): bright moving bands, never black, different from the one before."""
    columns = np.arange(width)[None, :] + 7 * index
    rows = np.arange(height)[:, None] + 3 * index
    red = 96 + (columns * 2 % 128) + 0 * rows
    green = 96 + (rows * 3 % 128) + 0 * columns
    blue = 64 + ((columns + rows) % 160)
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def sine(first_sample: int, count: int, frequency_hz: float = TONE_HZ) -> NDArray[np.int16]:
    """Mono samples at 48 kHz, at about a third of full scale."""
    phase = 2 * np.pi * frequency_hz * (first_sample + np.arange(count)) / AUDIO_CLOCK_HZ
    return (np.sin(phase) * 10_000).astype(np.int16)


Clip = tuple[tuple[bytes, ...], ...]
"""RTP payloads of each frame, the first of them a keyframe: it may be begun anew at any time."""


@functools.cache
def vp8_clip(width: int = 640, height: int = 360, frames: int = 60, bit_rate: int = 1_200_000) -> Clip:
    """Moving bands."""
    return encode_vp8((picture(index, width, height) for index in range(frames)), bit_rate)


def small_vp8_clip() -> Clip:
    """As a guest among many sends it, one packet a frame as a rule, so that a browser can show twenty."""
    return vp8_clip(320, 180, bit_rate=150_000)


def encode_vp8(pictures: Iterable[NDArray[np.uint8]], bit_rate: int) -> Clip:
    """The pictures (RGB, all of one shape (height, width, 3)) as payloads of RFC 7741. `bit_rate` in bit/s."""
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, VIDEO_FPS)
    encoder.bit_rate = bit_rate
    # No keyframe but the first.
    encoder.gop_size = 1 << 16
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"}
    encoded: list[bytes] = []
    for index, rgb in enumerate(pictures):
        if index == 0:
            encoder.height, encoder.width = rgb.shape[:2]
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
        frame.pts = index
        encoded += [bytes(packet) for packet in encoder.encode(frame)]
    encoded += [bytes(packet) for packet in encoder.encode(None)]
    return tuple(_packetise_vp8(frame) for frame in encoded)


def _packetise_vp8(frame: bytes) -> tuple[bytes, ...]:
    pieces = [frame[start : start + MAX_PAYLOAD_LEN] for start in range(0, len(frame), MAX_PAYLOAD_LEN)]
    return tuple((b"\x10" if index == 0 else b"\x00") + piece for index, piece in enumerate(pieces))


def starts_vp8_keyframe(payload: bytes) -> bool:
    """Whether a VP8 payload with the plain one-byte descriptor of `vp8_clip` is the first of a keyframe."""
    return len(payload) > 1 and payload[0] == 0x10 and not payload[1] & 0x01


@functools.cache
def opus_clip(seconds: int = 2) -> tuple[bytes, ...]:
    """Packets of 20 ms of a sine tone that goes on smoothly when the clip is looped."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate = AUDIO_CLOCK_HZ
    encoder.layout = "mono"
    encoder.format = "s16"
    encoder.bit_rate = 32_000
    encoder.time_base = Fraction(1, AUDIO_CLOCK_HZ)
    samples = round(AUDIO_CLOCK_HZ * AUDIO_PACKET_S)
    packets: list[bytes] = []
    for index in range(round(seconds / AUDIO_PACKET_S)):
        frame = av.AudioFrame.from_ndarray(sine(index * samples, samples)[None, :], format="s16", layout="mono")
        frame.sample_rate = AUDIO_CLOCK_HZ
        frame.pts = index * samples
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return tuple(packets)
