"""Descriptions of load clients are ones that the server's own SDP code accepts, and the other way about."""

import pytest

from bench import sdp
from sfu.rtp.canonical import TRANSPORT_CC_URI
from sfu.rtp.parameters import Codec, ConsumerParameters, HeaderExtension
from sfu.worker.messages import Fingerprint, IceCandidate, TransportParameters
from signaling.codecs import OPUS, VP8
from signaling.extensions import RoomExtensions
from signaling.publish import PublishNegotiation
from signaling.receive import ReceiveNegotiation

LOCAL = sdp.Credentials("ufragufr", "p" * 24, "sha-256 " + ":".join(["AB"] * 32))
SERVER = TransportParameters(
    ice_ufrag="serverUf",
    ice_pwd="s" * 24,
    candidates=(
        IceCandidate(address="192.0.2.7", port=40000, foundation="1", priority=2),
        IceCandidate(address="127.0.0.1", port=40000, foundation="2", priority=1),
    ),
    fingerprints=(Fingerprint(algorithm="sha-256", value=":".join(["CD"] * 32)),),
)
TRACKS = [
    sdp.SentTrack("0", "video", "camera", 1111, 2222),
    sdp.SentTrack("1", "audio", "microphone", 3333),
]


def consumer(number: int, codec: Codec) -> ConsumerParameters:
    return ConsumerParameters(
        consumer_id=f"c{number}",
        producer_id=f"p{number}",
        kind=codec.mime_type.partition("/")[0],
        ssrc=100 + number,
        rtx_ssrc=200 + number if codec.rtx_payload_type else None,
        cname="x",
        codecs=(codec,),
        header_extensions=(HeaderExtension(uri=TRANSPORT_CC_URI, id=1),),
    )


def test_the_server_understands_the_offer_and_its_answer_is_understood():
    negotiation = PublishNegotiation(RoomExtensions())
    plan = negotiation.parse_offer(sdp.publish_offer(LOCAL, TRACKS), sdp.sources(TRACKS))
    video, audio = plan.started
    assert (video.source, audio.source) == ("camera", "microphone")
    assert (video.parameters.encodings[0].ssrc, video.parameters.encodings[0].rtx_ssrc) == (1111, 2222)
    assert audio.parameters.encodings[0].ssrc == 3333
    assert [codec.codec.mime_type for codec in video.parameters.codecs] == ["video/vp8"]
    offered = {received.extension.uri: received.id for received in audio.parameters.header_extensions}
    assert offered == sdp.EXTENSION_IDS
    assert plan.remote.ice_ufrag == LOCAL.ufrag
    assert plan.remote.local_dtls_role == "server"

    answer = sdp.parse(negotiation.answer(plan, SERVER))
    assert answer.credentials == sdp.Credentials("serverUf", "s" * 24, "sha-256 " + ":".join(["CD"] * 32))
    assert answer.setup == "passive"
    assert answer.candidates == [("192.0.2.7", 40000), ("127.0.0.1", 40000)]


def test_the_servers_offer_is_understood_and_the_answer_accepted():
    negotiation = ReceiveNegotiation()
    negotiation.add(consumer(1, VP8), "host", "camera")
    negotiation.add(consumer(2, OPUS), "host", "microphone")
    offer = negotiation.offer(SERVER)
    description = sdp.parse(offer.sdp)
    video, audio = description.sections
    assert (video.kind, video.ssrc, video.rtx_ssrc, video.transport_cc_id, video.sends) == ("video", 101, 201, 1, True)
    assert (audio.kind, audio.ssrc, audio.rtx_ssrc, audio.sends) == ("audio", 102, None, True)

    result = negotiation.answer(offer.offer_id, sdp.receive_answer(LOCAL, description))
    assert result.accepted == {"c1": (96, 97), "c2": (111,)}
    assert result.rejected == ()


def test_a_source_that_ended_is_answered_as_inactive():
    negotiation = ReceiveNegotiation()
    negotiation.add(consumer(1, VP8), "host", "camera")
    offer = negotiation.offer(SERVER)
    negotiation.answer(offer.offer_id, sdp.receive_answer(LOCAL, sdp.parse(offer.sdp)))
    negotiation.remove("c1")
    offer = negotiation.offer(SERVER)
    description = sdp.parse(offer.sdp)
    assert not description.sections[0].sends
    answer = sdp.receive_answer(LOCAL, description)
    assert "a=inactive" in answer
    negotiation.answer(offer.offer_id, answer)


@pytest.mark.parametrize("text", ["", "v=0\r\n", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:abcd\r\n"])
def test_a_description_without_a_transport_is_refused(text):
    with pytest.raises(ValueError, match="has no a="):
        sdp.parse(text)
