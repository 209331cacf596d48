import pytest

from sfu.net.classify import Kind, classify


@pytest.mark.parametrize(
    ("first_byte", "kind"),
    [
        (0, Kind.STUN),
        (1, Kind.STUN),
        (2, Kind.STUN),
        (3, Kind.STUN),
        (4, Kind.UNKNOWN),
        (19, Kind.UNKNOWN),
        (20, Kind.DTLS),
        (63, Kind.DTLS),
        (64, Kind.UNKNOWN),
        (127, Kind.UNKNOWN),
        (128, Kind.RTP),
        (191, Kind.RTP),
        (192, Kind.UNKNOWN),
        (255, Kind.UNKNOWN),
    ],
)
def test_boundaries_of_rfc_7983(first_byte: int, kind: Kind) -> None:
    assert classify(first_byte) is kind
