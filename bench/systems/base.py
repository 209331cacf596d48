"""What a server has to offer to be put under load: a process to start, and its signaling.

Media is the same everywhere: the load client offers what it publishes, and answers what the server offers to be
received, on separate connections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class SignalingError(Exception):
    """The server refused, or went away."""


@dataclass(frozen=True, slots=True)
class ReceiveOffer:
    """What the server sends. A `connection` not seen before is a new transport; the one before it is gone."""

    connection: str
    sdp: str


class OfferHandler(Protocol):
    """A participant, as its link sees it. The link waits for one offer to be dealt with before the next."""

    def answer(self, offer: ReceiveOffer) -> str:
        """The answer to an offer."""

    async def answered(self, offer: ReceiveOffer) -> None:
        """The server has the answer."""

    def lost(self) -> None:
        """The server ended the participation. Calling it while leaving does no harm."""


class Link(Protocol):
    """One participant's signaling."""

    opened_ns: int
    """When it began to connect (monotonic): the start of the join time."""

    async def publish(self, sdp: str, sources: Mapping[str, str]) -> str:
        """The answer to an offer whose sections are `sources` (by mid: camera, microphone)."""

    async def leave(self) -> None:
        """Leave and close. Does not raise."""


class Signaling(Protocol):
    """A client of one running server. Raises `SignalingError`."""

    async def open_room(self, handler: OfferHandler, capacity: int) -> tuple[str, Link]:
        """A new room of `capacity` participants: its id, and the link of its first participant, who may publish."""

    async def join(self, room: str, handler: OfferHandler, *, publishes: bool) -> Link:
        """Join a room."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Processes:
    """Whose time and memory count. Empty where the server runs on another machine."""

    workers: tuple[int, ...] = ()
    """Those that forward media."""
    control: tuple[int, ...] = ()
    """Those that do the rest."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Of a running server, from its start. Systems that do not count leave the defaults."""

    packets_out: int | None = None
    drops: Mapping[str, int] | None = None
    transports: int | None = None


class Running(Protocol):
    """A server that was started here."""

    url: str

    def stop(self) -> None: ...


class System(Protocol):
    """One kind of server."""

    name: str
    reencodes: bool
    """Whether it decodes what is published and encodes it anew: then its packets are not those that were sent."""

    def version(self) -> str | None:
        """What is installed here; None where it is not."""

    def start(self, cores: tuple[int, ...], media_core: int) -> Running:
        """Start it: what forwards media on `media_core`, the rest on `cores`. `RuntimeError` if it fails."""

    def signaling(self, url: str) -> Signaling:
        """A client for the server at `url`, on the running loop."""

    async def processes(self, url: str) -> Processes: ...

    async def counters(self, url: str) -> Counters: ...
