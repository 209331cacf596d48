"""What load publishers send is what a decoder takes, at the size that was asked for."""

import av
import pytest

from bench import clips


def reassemble(frame):
    """The frame as a receiver puts it together: payloads without their descriptors."""
    return b"".join(payload.data[1:] for payload in frame)


def stamped(payload, sent_ns):
    return payload.data[: -clips.STAMP_LEN] + clips.stamp(sent_ns) if payload.stamped else payload.data


def test_every_frame_decodes_with_the_times_in_it():
    decoder = av.CodecContext.create("vp8", "r")
    clip = clips.vp8_clip(600_000)
    brightest = []
    for number, frame in enumerate(clip[:60]):
        sent = [clips.Payload(stamped(payload, 10**18 + number), True) for payload in frame]
        (picture,) = decoder.decode(av.Packet(reassemble(sent)))
        assert (picture.width, picture.height) == (320, 180)
        pixels = picture.to_ndarray(format="gray")
        brightest.append(tuple(divmod(int(pixels.argmax()), 320)))
    assert len(set(brightest)) > 20, "the square moves"


def test_what_libvpx_cannot_decode_is_noticed_here():
    decoder = av.CodecContext.create("vp8", "r")
    broken = bytearray(reassemble(clips.vp8_clip(600_000)[0]))
    broken[3:6] = b"\0\0\0"
    with pytest.raises(av.error.InvalidDataError):
        decoder.decode(av.Packet(bytes(broken)))


@pytest.mark.parametrize("bitrate_bps", [clips.MIN_BITRATE_BPS, 300_000, 1_500_000, 4_000_000])
def test_the_clip_has_the_bitrate_that_was_asked_for(bitrate_bps):
    clip = clips.vp8_clip(bitrate_bps)
    octets = sum(len(payload.data) for frame in clip for payload in frame)
    assert 8 * octets / (len(clip) / clips.VIDEO_FPS) == pytest.approx(bitrate_bps, rel=0.02)


def test_a_bitrate_that_holds_no_picture_is_refused():
    with pytest.raises(ValueError, match="at least"):
        clips.vp8_clip(clips.MIN_BITRATE_BPS - 1)


def test_packets_are_cut_as_chromium_cuts_them():
    clip = clips.vp8_clip(1_500_000)
    for frame in clip:
        lengths = [len(payload.data) for payload in frame]
        assert max(lengths) <= clips.MAX_PAYLOAD_LEN
        assert max(lengths) - min(lengths) <= 1
    assert len({sum(len(payload.data) for payload in frame) for frame in clip}) > 100, "frames are of unequal size"
    assert 5 < sum(len(frame) for frame in clip) / len(clip) < 7
    assert len(clip[0]) > 3 * len(clip[1]), "a keyframe is several times a frame"


def test_only_the_first_packet_of_the_first_frame_starts_a_keyframe():
    clip = clips.vp8_clip(1_500_000)
    starts = [clips.starts_vp8_keyframe(payload.data) for frame in clip for payload in frame]
    assert starts == [True] + [False] * (len(starts) - 1)


@pytest.mark.parametrize(
    ("payload", "starts"),
    [
        (b"\x10\x00", True),
        (b"\x10\x01", False),
        (b"\x00\x00", False),
        (b"\x11\x00", False),
        (b"\x90\x80\x05\x00", True),
        (b"\x90\x80\x85\x01\x00", True),
        (b"\x90\x80\x85\x01\x01", False),
        (b"\x90\xe0\x85\x01\x07\x20\x00", True),
        (b"\x90\xe0\x85\x01\x07\x20\x01", False),
        (b"\x90\x10\x07\x00", True),
        (b"\x90\x80\x85\x01", False),
        (b"\x90", False),
        (b"", False),
    ],
)
def test_keyframes_are_recognised_behind_every_descriptor(payload, starts):
    assert clips.starts_vp8_keyframe(payload) is starts


def test_a_stamp_is_read_back_and_nothing_else_is_taken_for_one():
    assert clips.read_stamp(b"picture" + clips.stamp(123_456_789_012_345)) == 123_456_789_012_345
    assert clips.read_stamp(bytes(100)) is None
    assert clips.read_stamp(b"") is None
    assert clips.read_stamp(clips.stamp(1)[1:]) is None


def test_pictures_leave_room_for_the_time_in_nearly_every_packet():
    payloads = [payload for frame in clips.vp8_clip(300_000) for payload in frame]
    assert sum(payload.stamped for payload in payloads) / len(payloads) > 0.95
    for payload in payloads:
        if payload.stamped:
            assert payload.data[-clips.STAMP_LEN :] == bytes(clips.STAMP_LEN)


def test_opus_sounds_the_same_with_the_time_in_its_padding():
    clip = clips.opus_clip()
    silent, timed = av.CodecContext.create("libopus", "r"), av.CodecContext.create("libopus", "r")
    for decoder in (silent, timed):
        decoder.sample_rate = clips.AUDIO_CLOCK_HZ
        decoder.layout = "mono"
    loudest = 0
    for number, payload in enumerate(clip):
        plain = [frame.to_ndarray() for frame in silent.decode(av.Packet(payload.data))]
        stamped_ = [frame.to_ndarray() for frame in timed.decode(av.Packet(stamped(payload, 10**18 + number)))]
        assert len(plain) == len(stamped_) == 1
        assert (plain[0] == stamped_[0]).all()
        assert plain[0].shape[-1] == 960
        loudest = max(loudest, abs(plain[0].astype(float)).max())
    assert loudest > 0
    assert all(80 <= len(payload.data) <= 200 for payload in clip)


@pytest.mark.parametrize("packet", [b"", b"\x78", b"\x79\x00\x00", b"\x7b\x01\x00"])
def test_opus_packets_that_are_no_single_frame_are_refused(packet):
    with pytest.raises(ValueError, match="more than one frame"):
        clips.pad_opus(packet)
