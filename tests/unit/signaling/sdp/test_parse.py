import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.sdp import ExtMap, SdpError, SsrcGroup, parse, write
from signaling.sdp.parse import MAX_CHARACTERS
from tests.support.descriptions import golden, golden_names

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n"


def one(lines: str, head: str = HEAD):
    return parse(head + AUDIO + lines.replace("\n", "\r\n")).media[0]


@pytest.mark.parametrize("name", golden_names())
def test_every_browser_description_is_read_and_survives_writing(name):
    description = parse(golden(name))
    assert description.media
    assert all(section.mid for section in description.media)
    assert parse(write(description)) == description


def test_a_chromium_offer_is_read_field_by_field():
    offer = parse(golden("chromium_offer_camera"))
    audio, video = offer.media
    assert offer.bundle == ("0", "1")
    assert (audio.kind, audio.mid, audio.direction, audio.setup) == ("audio", "0", "sendonly", "actpass")
    assert (audio.ice_ufrag, audio.ice_pwd) == ("Fm4O", "I9PJXfpc5uZHKuwLZizszguM")
    assert audio.fingerprints[0].algorithm == "sha-256"
    assert audio.fingerprints[0].value.endswith(":E1:CC")
    assert audio.rtcp_mux
    assert audio.extmap_allow_mixed, "given once, for the whole session"
    assert video.candidates[0].address == "192.0.2.10"
    assert video.candidates[2].extensions == "tcptype active generation 0 network-id 1"
    vp8 = video.payload_formats[0]
    assert (vp8.payload_type, vp8.name, vp8.clock_rate) == (96, "VP8", 90000)
    assert vp8.feedback == ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
    assert video.payload_formats[1].parameters == "apt=96"
    assert video.ssrc_groups == (SsrcGroup("FID", (2521768336, 2028196062)),)
    assert video.ssrc_attributes[0].value == "PXrGAOvJtEYyFgF0"


def test_what_firefox_says_for_the_session_holds_for_its_sections():
    audio, video = parse(golden("firefox_offer_camera")).media
    assert audio.fingerprints == video.fingerprints != ()
    assert audio.direction == "sendonly", "the section's own direction wins over the session's"
    assert ExtMap(6, "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay", "recvonly") in video.extmaps


def test_simulcast_stays_readable():
    video = parse(golden("chromium_offer_simulcast")).media[1]
    assert [rid.id for rid in video.rids] == ["q", "h", "f"]
    assert video.simulcast == "send q;h;f"


def test_bundle_only_sections_with_port_0_are_not_rejected():
    _, video = parse(golden("firefox_offer_max_bundle")).media
    assert (video.port, video.bundle_only, video.rejected, video.sends) == (0, True, False, True)


def test_feedback_for_all_payload_types_reaches_each():
    section = one("a=rtcp-fb:* nack\na=rtcp-fb:111 transport-cc\n")
    assert section.payload_formats[0].feedback == ("transport-cc", "nack")


def test_line_feeds_alone_end_lines_too():
    assert parse((HEAD + AUDIO).replace("\r\n", "\n")) == parse(HEAD + AUDIO)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        (" \r\n", "empty"),
        ("hello\r\n", "line 1 is not of the form"),
        ("v=1\r\n", "v=0"),
        ("v=0\r\n", "o="),
        ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n", "s= or the t="),
        (HEAD + AUDIO[:-2], "truncated"),
        (HEAD + AUDIO[:-1], "truncated"),
        (HEAD + AUDIO + "a=mid:1\r\n", "twice"),
        (HEAD + AUDIO + AUDIO, "same a=mid"),
        (HEAD + "m=audio 9 RTP/SAVPF 111 111\r\n", "twice"),
        (HEAD + "m=audio 9 RTP/SAVPF 128\r\n", "payload type 128"),
        (HEAD + "m=audio 65536 RTP/SAVPF 111\r\n", "port"),
        (HEAD + "m=audio 9\r\n", "cut short"),
        (HEAD + AUDIO + "a=rtpmap:111 PCMU/8000\r\n", "two different a=rtpmap"),
        (HEAD + AUDIO + "a=fmtp:111 a=1\r\na=fmtp:111 a=2\r\n", "two different a=fmtp"),
        (HEAD + AUDIO + "a=rtpmap:111\r\n", "a=rtpmap is cut short"),
        (HEAD + AUDIO + "a=rtpmap:111 opus/\r\n", "clock rate"),
        (HEAD + AUDIO + "a=rtcp-fb:111\r\n", "a=rtcp-fb is cut short"),
        (HEAD + AUDIO + "a=setup:both\r\n", "a=setup"),
        (HEAD + AUDIO + "a=ice-ufrag:abc\r\n", "a=ice-ufrag"),
        (HEAD + AUDIO + "a=ice-ufrag:ab:cd\r\n", "a=ice-ufrag"),
        (HEAD + AUDIO + f"a=ice-ufrag:{'a' * 257}\r\n", "a=ice-ufrag"),
        (HEAD + AUDIO + "a=ice-pwd:short\r\n", "a=ice-pwd"),
        (HEAD + AUDIO + "a=fingerprint:sha-256 AB:CD\r\n", "a=fingerprint"),
        (HEAD + AUDIO + f"a=fingerprint:sha-256 {':'.join(['GG'] * 32)}\r\n", "a=fingerprint"),
        (HEAD + AUDIO + f"a=fingerprint:sha-256 {':'.join(['AB'] * 20)}\r\n", "a=fingerprint"),
        (HEAD + AUDIO + "a=candidate:1 1 udp 1 1.2.3.4 9\r\n", "a=candidate is cut short"),
        (HEAD + AUDIO + "a=candidate:1 1 udp 4294967296 1.2.3.4 9 typ host\r\n", "priority"),
        (HEAD + AUDIO + "a=ssrc:4294967296 cname:x\r\n", "SSRC 4294967296"),
        (HEAD + AUDIO + "a=ssrc:-1 cname:x\r\n", "SSRC"),
        (HEAD + AUDIO + "a=ssrc:٣ cname:x\r\n", "SSRC"),
        (HEAD + AUDIO + "a=ssrc-group:FID 1 x\r\n", "SSRC"),
        (HEAD + AUDIO + "a=extmap:0 urn:x\r\n", "a=extmap"),
        (HEAD + AUDIO + "a=extmap:1 urn:x\r\na=extmap:1 urn:y\r\n", "id 1 twice"),
        (HEAD + AUDIO + "a=rid:x both\r\n", "a=rid"),
        (HEAD + AUDIO + "a=sendonly\r\na=recvonly\r\n", "direction"),
        (HEAD + AUDIO + "a=mid:0\rx\r\n", "control"),
        (HEAD + AUDIO + "a=x:\x00\r\n", "control"),
        (HEAD + AUDIO + "a=x:\ud800\r\n", "control"),
        (HEAD + AUDIO + f"a=x:{'y' * 5000}\r\n", "line 8 is longer"),
        (HEAD + "a=x\r\n" * (MAX_CHARACTERS // 4), "longer than 200000"),
        (HEAD + AUDIO + "a=ssrc:1 cname:x\r\n" * 513, "more than 512 a=ssrc"),
        (HEAD + "m=application 9 UDP/DTLS/SCTP" + " x" * 17 + "\r\n", "too many formats"),
        (HEAD + "a=group:BUNDLE" + " 0" * 300 + "\r\n", "a=group"),
    ],
)
def test_each_fault_is_named(text, complaint):
    with pytest.raises(SdpError, match=complaint):
        parse(text)


def test_a_thousand_sections_are_refused_and_32_are_not():
    def sections(count):
        return HEAD + "".join(f"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{index}\r\n" for index in range(count))

    assert len(parse(sections(32)).media) == 32
    with pytest.raises(SdpError, match="more than 32"):
        parse(sections(1000))
    assert len(parse(sections(84), max_sections=84).media) == 84


def test_error_messages_stay_short_and_printable():
    with pytest.raises(SdpError) as caught:
        parse(HEAD + AUDIO + "a=setup:" + "\u202e" * 3000 + "\r\n")
    assert len(str(caught.value)) < 400
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    "filler",
    [
        "a=rtcp-fb:* nack\r\n",
        "a=ssrc:1 cname:x\r\n",
        "a=extmap:1 urn:x\r\n",
        "a=group:BUNDLE 0\r\n",
        "a=rtpmap:111 opus/48000/2\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
        "a=candidate:" + " " * 3000 + "\r\n",
        "a=fingerprint:sha-256 " + "AB:" * 1000 + "\r\n",
    ],
)
def test_the_longest_hostile_text_is_dealt_with_at_once(filler):
    text = (HEAD + AUDIO + filler * (MAX_CHARACTERS // len(filler)))[:MAX_CHARACTERS]
    started = time.process_time()
    try:
        parse(text)
    except SdpError:
        pass
    assert time.process_time() - started < 1.0


@given(st.text())
def test_any_text_is_refused_or_read(text):
    try:
        parse(text)
    except SdpError:
        pass


@given(st.text(alphabet=st.characters(max_codepoint=0x2100), max_size=60), st.sampled_from(["", ":", ":1 ", ":111 "]))
def test_any_attribute_is_refused_or_read(value, separator):
    for name in (
        "rtpmap",
        "fmtp",
        "rtcp-fb",
        "candidate",
        "extmap",
        "ssrc",
        "ssrc-group",
        "rid",
        "group",
        "fingerprint",
    ):
        text = f"{HEAD}{AUDIO}a={name}{separator}{value}\r\n"
        try:
            description = parse(text)
        except SdpError:
            continue
        assert parse(write(description)) == description


@settings(max_examples=200)
@given(st.data())
def test_broken_browser_descriptions_are_refused_or_read(data):
    lines = golden(data.draw(st.sampled_from(golden_names()))).split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        at = data.draw(st.integers(0, len(line)))
        change = data.draw(st.sampled_from(["cut", "insert", "drop", "double", "swap"]))
        if change == "cut":
            lines[index] = line[:at]
        elif change == "insert":
            lines[index] = line[:at] + data.draw(st.text(max_size=6)) + line[at:]
        elif change == "drop":
            del lines[index]
        elif change == "double":
            lines.insert(index, line)
        else:
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[index], lines[other] = lines[other], lines[index]
        if not lines:
            return
    try:
        description = parse("\r\n".join(lines))
    except SdpError:
        return
    assert parse(write(description)) == description
