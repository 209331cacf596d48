"""A participant of a live room, in memory."""

from __future__ import annotations

import secrets
from typing import NamedTuple, Protocol, Self

from sfu.rtp.parameters import MediaKind

from .messages import ParticipantView, SourceView
from .model import GuestRequestRecord, ParticipantRecord, Role
from .peer import Peer


class Former(NamedTuple):
    """What a session remembers of somebody who has left. Small: a session may have seen many."""

    id: str
    name: str
    role: Role
    audio_locked: bool
    video_locked: bool
    chat_silenced: bool

    @classmethod
    def of(cls, record: ParticipantRecord) -> Self:
        return cls(record.id, record.name, record.role, record.audio_locked, record.video_locked, record.chat_silenced)


class Link(Protocol):
    """A participant's socket. Neither call waits or raises; what can't be delivered is dropped with the socket."""

    def send(self, frame: bytes) -> None: ...
    def close(self, code: int, reason: str) -> None:
        """Close after what was sent before."""


class Participant:
    """Somebody who is in the room, with or without a socket."""

    def __init__(self, record: ParticipantRecord, peer: Peer, absent_until: float) -> None:
        self.record = record
        """What the store holds, role and locks among it."""
        self.peer = peer
        self.audio_muted = False
        self.video_muted = False
        self.link: Link | None = None
        self.absent_until: float | None = absent_until
        """When (monotonic seconds) a participant without a socket leaves the room; None with a socket."""
        self.resume_token: str | None = None
        self.unsure_request: GuestRequestRecord | None = None
        """One that the store may or may not have taken; the next one takes its place."""

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def user_id(self) -> str:
        return self.record.user_id

    @property
    def role(self) -> Role:
        return self.record.role

    def locked(self, kind: MediaKind) -> bool:
        return self.record.audio_locked if kind == "audio" else self.record.video_locked

    def silenced(self, kind: MediaKind) -> bool:
        """Whether sources of that kind are not to be forwarded: muted by their owner or by a host."""
        return self.locked(kind) or (self.audio_muted if kind == "audio" else self.video_muted)

    def mute(self, kind: MediaKind, muted: bool) -> None:
        if kind == "audio":
            self.audio_muted = muted
        else:
            self.video_muted = muted

    def renew_resume_token(self) -> str:
        self.resume_token = secrets.token_urlsafe(24)
        return self.resume_token

    def may_resume(self, token: str | None) -> bool:
        if token is None or self.resume_token is None:
            return False
        return secrets.compare_digest(token.encode(), self.resume_token.encode())

    def view(self) -> ParticipantView:
        """For the participant, and for those who moderate."""
        view = self.public_view()
        return view.model_copy(update={"chat_silenced": True}) if self.record.chat_silenced else view

    def public_view(self) -> ParticipantView:
        """For everybody else who may see the participant."""
        return ParticipantView(
            id=self.id,
            user_id=self.user_id,
            name=self.record.name,
            role=self.role,
            connected=self.link is not None,
            joined_at=self.record.joined_at,
            audio_muted=self.audio_muted,
            video_muted=self.video_muted,
            audio_locked=self.record.audio_locked,
            video_locked=self.record.video_locked,
            sources=tuple(
                SourceView(source=p.source, kind=p.kind, producer_id=p.id, paused=self.silenced(p.kind))
                for p in self.peer.publisher.producers
            ),
        )
