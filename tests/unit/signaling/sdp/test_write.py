from sfu.worker.messages import Fingerprint
from signaling.sdp import (
    Candidate,
    ExtMap,
    Group,
    MediaDescription,
    PayloadFormat,
    SessionDescription,
    SsrcAttribute,
    SsrcGroup,
    parse,
    write,
)

FULL = SessionDescription(
    origin="- 1 2 IN IP4 127.0.0.1",
    ice_lite=True,
    groups=(Group("BUNDLE", ("0",)),),
    extmap_allow_mixed=True,
    msid_semantic="WMS *",
    media=(
        MediaDescription(
            kind="video",
            port=9,
            protocol="UDP/TLS/RTP/SAVPF",
            payload_formats=(
                PayloadFormat(96, "VP8", 90000, feedback=("nack", "nack pli")),
                PayloadFormat(97, "rtx", 90000, parameters="apt=96"),
            ),
            mid="0",
            direction="sendonly",
            setup="actpass",
            ice_ufrag="abcd",
            ice_pwd="p" * 22,
            fingerprints=(Fingerprint(algorithm="sha-256", value=":".join(["AB"] * 32)),),
            candidates=(Candidate("1", 1, "udp", 7, "127.0.0.1", 3478, "host"),),
            end_of_candidates=True,
            rtcp_mux=True,
            rtcp_rsize=True,
            extmap_allow_mixed=True,
            extmaps=(ExtMap(3, "urn:x", "recvonly"),),
            msid="stream track",
            ssrc_groups=(SsrcGroup("FID", (1, 2)),),
            ssrc_attributes=(SsrcAttribute(1, "cname", "c"), SsrcAttribute(2, "cname", "c")),
        ),
    ),
)


def test_lines_are_written_as_peers_expect_them():
    lines = write(FULL).split("\r\n")
    assert lines[:4] == ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    assert lines[-1] == "", "the last line ends, too"
    assert "a=group:BUNDLE 0" in lines
    assert lines.index("a=ice-lite") < lines.index("m=video 9 UDP/TLS/RTP/SAVPF 96 97")
    for line in (
        "c=IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 7 127.0.0.1 3478 typ host",
        "a=end-of-candidates",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack pli",
        "a=fmtp:97 apt=96",
        "a=extmap:3/recvonly urn:x",
        "a=msid:stream track",
        "a=ssrc-group:FID 1 2",
        "a=ssrc:2 cname:c",
    ):
        assert line in lines


def test_what_was_written_reads_the_same():
    assert parse(write(FULL)) == FULL
