import pytest
from pydantic import ValidationError

from sfu.rtp.parameters import Codec, Encoding, HeaderExtension, ProducerParameters


def test_values_survive_the_channel():
    codec = Codec(mime_type="video/vp8", payload_type=96, clock_rate=90000, rtx_payload_type=97)
    assert Codec.model_validate_json(codec.model_dump_json()) == codec


@pytest.mark.parametrize("payload_type", [-1, 128])
def test_payload_types_have_seven_bits(payload_type):
    with pytest.raises(ValidationError):
        Codec(mime_type="video/vp8", payload_type=payload_type, clock_rate=90000)


@pytest.mark.parametrize("number", [0, 256])
def test_extension_ids_have_eight_bits_and_are_not_padding(number):
    with pytest.raises(ValidationError):
        HeaderExtension(uri="urn:example", id=number)


def test_unknown_fields_are_refused():
    with pytest.raises(ValidationError):
        Encoding.model_validate({"ssrc": 1, "bitrate": 5})


def test_parameters_cannot_be_changed_behind_anyones_back():
    parameters = ProducerParameters(kind="video", mid="0", codecs=())
    with pytest.raises(ValidationError):
        parameters.mid = "1"
