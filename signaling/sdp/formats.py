"""The payload types of a media section, put together from its m-line and its rtpmap, fmtp and rtcp-fb lines."""

from __future__ import annotations

from typing import Final

from .attributes import number, quote, split, token
from .errors import SdpError
from .model import PayloadFormat

_MAX_FEEDBACK: Final = 32
_EVERY: Final = "*"
_RtpMap = tuple[str, int, int]


class FormatLines:
    """Collects the lines of one section. Payload types that are not on the m-line are ignored."""

    def __init__(self, formats: list[str]) -> None:
        self._payload_types = [number(text, 0, 127, "a payload type") for text in formats]
        if len(set(self._payload_types)) != len(self._payload_types):
            raise SdpError("the m-line names a payload type twice")
        self._rtpmaps: dict[int, _RtpMap] = {}
        self._parameters: dict[int, str] = {}
        self._feedback: dict[str, dict[str, None]] = {}

    def rtpmap(self, value: str) -> None:
        words = split(value, 2, "a=rtpmap", most=2)
        payload_type = number(words[0], 0, 127, "the payload type of a=rtpmap")
        name, _, rates = words[1].strip().partition("/")
        clock_rate, slash, channels = rates.partition("/")
        mapping = (
            token(name, "the encoding name of a=rtpmap"),
            number(clock_rate, 1, 10_000_000, "the clock rate of a=rtpmap"),
            number(channels, 1, 255, "the channels of a=rtpmap") if slash else 1,
        )
        if self._rtpmaps.setdefault(payload_type, mapping) != mapping:
            raise SdpError(f"payload type {payload_type} has two different a=rtpmap lines")

    def fmtp(self, value: str) -> None:
        words = split(value, 1, "a=fmtp", most=2)
        payload_type = number(words[0], 0, 127, "the payload type of a=fmtp")
        parameters = words[1].strip() if len(words) > 1 else ""
        if self._parameters.setdefault(payload_type, parameters) != parameters:
            raise SdpError(f"payload type {payload_type} has two different a=fmtp lines")

    def rtcp_fb(self, value: str) -> None:
        target, feedback = split(value, 2, "a=rtcp-fb", most=2)
        if target != _EVERY:
            target = str(number(target, 0, 127, "the payload type of a=rtcp-fb"))
        values = self._feedback.setdefault(target, {})
        values[" ".join(feedback.split())] = None
        if len(values) > _MAX_FEEDBACK:
            raise SdpError(f"payload type {quote(target)} has more than {_MAX_FEEDBACK} a=rtcp-fb lines")

    def result(self) -> tuple[PayloadFormat, ...]:
        every = self._feedback.get(_EVERY, {})
        return tuple(self._format(payload_type, every) for payload_type in self._payload_types)

    def _format(self, payload_type: int, every: dict[str, None]) -> PayloadFormat:
        name, clock_rate, channels = self._rtpmaps.get(payload_type, ("", 0, 1))
        return PayloadFormat(
            payload_type=payload_type,
            name=name,
            clock_rate=clock_rate,
            channels=channels,
            parameters=self._parameters.get(payload_type, ""),
            feedback=tuple(self._feedback.get(str(payload_type), {}) | every),
        )
