"""Who may do what. Decided by the role that a participant has now, never by a token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, get_args

from .errors import ErrorCode, LiveError
from .model import Role, SessionType, Source

HOST, COHOST, GUEST, VIEWER = Role.HOST, Role.COHOST, Role.GUEST, Role.VIEWER

Action = Literal["end", "leave", "publish", "moderate", "leave_stage", "request_guest", "configure"]
"""What needs no target. `moderate`: see viewers, requests and bans, answer requests, invite, lift bans, mute all."""

ManageAction = Literal[
    "mute_audio",
    "unmute_audio",
    "mute_video",
    "unmute_video",
    "silence",
    "unsilence",
    "kick",
    "promote",
    "demote",
    "remove_guest",
]
MANAGE_ACTIONS: Final[tuple[ManageAction, ...]] = get_args(ManageAction)

STAGE: Final = frozenset({HOST, COHOST, GUEST})
GUEST_SLOTS: Final = frozenset({COHOST, GUEST})
"""Roles that `max_guests` counts."""
MODERATORS: Final = frozenset({HOST, COHOST})
_HEARD: Final[frozenset[Source]] = frozenset({"microphone", "screen_audio"})

_ALLOWED: Final[dict[Action, frozenset[Role]]] = {
    "end": frozenset({HOST}),
    "leave": frozenset({COHOST, GUEST, VIEWER}),
    "publish": STAGE,
    "moderate": MODERATORS,
    "leave_stage": GUEST_SLOTS,
    "request_guest": frozenset({VIEWER}),
    "configure": frozenset({HOST}),
}
_REFUSALS: Final[dict[Action, ErrorCode]] = {"leave_stage": "not_a_guest", "request_guest": "already_on_stage"}

_EVERY_TARGET: Final = frozenset({COHOST, GUEST, VIEWER})
_BELOW_COHOST: Final = frozenset({GUEST, VIEWER})
_NOBODY: Final[frozenset[Role]] = frozenset()

# Whom the caller may treat so at all: (as host, as cohost).
_REACH: Final[dict[ManageAction, tuple[frozenset[Role], frozenset[Role]]]] = {
    "mute_audio": (_EVERY_TARGET, _BELOW_COHOST),
    "unmute_audio": (_EVERY_TARGET, _BELOW_COHOST),
    "mute_video": (_EVERY_TARGET, _BELOW_COHOST),
    "unmute_video": (_EVERY_TARGET, _BELOW_COHOST),
    "silence": (_EVERY_TARGET, _BELOW_COHOST),
    "unsilence": (_EVERY_TARGET, _BELOW_COHOST),
    "kick": (_EVERY_TARGET, _BELOW_COHOST),
    "remove_guest": (_EVERY_TARGET, _BELOW_COHOST),
    "promote": (_EVERY_TARGET, _NOBODY),
    "demote": (_EVERY_TARGET, _NOBODY),
}

# For which roles the action means anything, and what is said otherwise.
_FITTING: Final[dict[ManageAction, tuple[frozenset[Role], ErrorCode]]] = {
    "remove_guest": (GUEST_SLOTS, "not_a_guest"),
    "promote": (frozenset({GUEST}), "wrong_role"),
    "demote": (frozenset({COHOST}), "wrong_role"),
}


def require(role: Role, action: Action) -> None:
    """Raise `LiveError` (`forbidden`, or the code that says more) unless `role` may do `action`."""
    if role not in _ALLOWED[action]:
        raise LiveError(_REFUSALS.get(action, "forbidden"))


def require_manage(role: Role, action: ManageAction, target: Role) -> None:
    """Raise `LiveError`: `forbidden` by who calls, then `wrong_role` or `not_a_guest` by what the target is."""
    as_host, as_cohost = _REACH[action]
    reach = {HOST: as_host, COHOST: as_cohost}.get(role, _NOBODY)
    if target not in reach:
        raise LiveError("forbidden")
    fitting, refusal = _FITTING.get(action, (reach, "forbidden"))
    if target not in fitting:
        raise LiveError(refusal)


def require_invitable(target: Role) -> None:
    """Raise `LiveError` `already_on_stage` unless the target is a viewer."""
    if target is not VIEWER:
        raise LiveError("already_on_stage", "This participant is on stage already.")


def require_sources(session_type: SessionType, sources: Iterable[Source]) -> None:
    """Raise `LiveError` `forbidden` where pictures are to be sent into a session that everybody came to listen to."""
    if session_type == "audio" and not _HEARD.issuperset(sources):
        raise LiveError("forbidden", "This session is for listening: it takes no camera and no screen.")
