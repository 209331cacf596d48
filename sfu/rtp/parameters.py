"""What is negotiated about RTP, as values that signaling and a worker exchange.

Payload types and header extension ids exist twice: as the *publisher* numbered them in its offer, and as the
*canonical* ones of `sfu.rtp.canonical` that every subscriber is offered. They are translated once, at ingress.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MediaKind = Literal["audio", "video"]
PayloadType = int
"""0-127 on the wire."""


class Parameters(BaseModel):
    """Base of all negotiated values: immutable, and strict about what they are built from."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Codec(Parameters):
    """A codec with its canonical payload type (RFC 3264, RFC 8866 `a=rtpmap`, `a=fmtp`, `a=rtcp-fb`)."""

    mime_type: str
    """Lower case, for instance `video/vp8`, `audio/opus`, `audio/red`."""
    payload_type: int = Field(ge=0, le=127)
    clock_rate: int = Field(gt=0)
    channels: int = Field(default=1, ge=1, le=255)
    format_parameters: str = ""
    """The value of `a=fmtp` as it is to be offered to subscribers, canonical payload types inside."""
    feedback: tuple[str, ...] = ()
    """Values of `a=rtcp-fb`, for instance `nack`, `nack pli`, `ccm fir`, `transport-cc`, `goog-remb`."""
    rtx_payload_type: int | None = Field(default=None, ge=0, le=127)
    """Canonical payload type of its RTX stream (RFC 4588), where there is one."""


class ReceivedCodec(Parameters):
    """How a publisher numbers a codec."""

    payload_type: int = Field(ge=0, le=127)
    rtx_payload_type: int | None = Field(default=None, ge=0, le=127)
    codec: Codec


class HeaderExtension(Parameters):
    """A header extension with its canonical id (RFC 8285)."""

    uri: str
    id: int = Field(ge=1, le=255)


class ReceivedHeaderExtension(Parameters):
    """How a publisher numbers a header extension."""

    id: int = Field(ge=1, le=255)
    extension: HeaderExtension


class Encoding(Parameters):
    """One RTP stream of a producer. Without an SSRC it is recognised by MID (RFC 8843) or payload type."""

    ssrc: int | None = Field(default=None, ge=0, le=0xFFFFFFFF)
    rtx_ssrc: int | None = Field(default=None, ge=0, le=0xFFFFFFFF)


class ProducerParameters(Parameters):
    """One media source as its publisher sends it."""

    kind: MediaKind
    mid: str
    codecs: tuple[ReceivedCodec, ...]
    header_extensions: tuple[ReceivedHeaderExtension, ...] = ()
    encodings: tuple[Encoding, ...] = (Encoding(),)
    cname: str = ""


class ConsumerParameters(Parameters):
    """One RTP sender towards one subscriber, as it is to be offered."""

    consumer_id: str
    producer_id: str
    kind: MediaKind
    ssrc: int
    rtx_ssrc: int | None
    cname: str
    codecs: tuple[Codec, ...]
    header_extensions: tuple[HeaderExtension, ...]
