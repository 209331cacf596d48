from itertools import product
from typing import get_args

import pytest

from signaling.errors import LiveError
from signaling.model import Role, SessionType, Source
from signaling.permissions import MANAGE_ACTIONS, require, require_manage, require_sources

HOST, COHOST, GUEST, VIEWER = Role.HOST, Role.COHOST, Role.GUEST, Role.VIEWER
MUTES = ("mute_audio", "unmute_audio", "mute_video", "unmute_video", "silence", "unsilence")


def outcome(call, *arguments):
    try:
        call(*arguments)
    except LiveError as error:
        return error.code
    return "ok"


# Written out rather than computed: who does it, to whom, what comes of it. Whatever is not here is `forbidden`.
MANAGE = {
    **{(HOST, action, target): "ok" for action in (*MUTES, "kick") for target in (COHOST, GUEST, VIEWER)},
    **{(COHOST, action, target): "ok" for action in (*MUTES, "kick") for target in (GUEST, VIEWER)},
    (HOST, "promote", GUEST): "ok",
    (HOST, "promote", COHOST): "wrong_role",
    (HOST, "promote", VIEWER): "wrong_role",
    (HOST, "demote", COHOST): "ok",
    (HOST, "demote", GUEST): "wrong_role",
    (HOST, "demote", VIEWER): "wrong_role",
    (HOST, "remove_guest", COHOST): "ok",
    (HOST, "remove_guest", GUEST): "ok",
    (HOST, "remove_guest", VIEWER): "not_a_guest",
    (COHOST, "remove_guest", GUEST): "ok",
    (COHOST, "remove_guest", VIEWER): "not_a_guest",
}
PLAIN = {
    "end": {HOST: "ok", COHOST: "forbidden", GUEST: "forbidden", VIEWER: "forbidden"},
    "leave": {HOST: "forbidden", COHOST: "ok", GUEST: "ok", VIEWER: "ok"},
    "publish": {HOST: "ok", COHOST: "ok", GUEST: "ok", VIEWER: "forbidden"},
    "moderate": {HOST: "ok", COHOST: "ok", GUEST: "forbidden", VIEWER: "forbidden"},
    "leave_stage": {HOST: "not_a_guest", COHOST: "ok", GUEST: "ok", VIEWER: "not_a_guest"},
    "configure": {HOST: "ok", COHOST: "forbidden", GUEST: "forbidden", VIEWER: "forbidden"},
    "request_guest": {HOST: "already_on_stage", COHOST: "already_on_stage", GUEST: "already_on_stage", VIEWER: "ok"},
}


@pytest.mark.parametrize(("role", "action", "target"), list(product(Role, MANAGE_ACTIONS, Role)))
def test_who_may_manage_whom(role, action, target):
    assert outcome(require_manage, role, action, target) == MANAGE.get((role, action, target), "forbidden")


@pytest.mark.parametrize(("action", "role"), list(product(PLAIN, Role)))
def test_what_each_role_may_do(action, role):
    assert outcome(require, role, action) == PLAIN[action][role]


@pytest.mark.parametrize("session_type", get_args(SessionType))
@pytest.mark.parametrize("source", get_args(Source))
def test_what_a_session_takes(session_type, source):
    seen = session_type == "audio" and source in ("camera", "screen")
    assert outcome(require_sources, session_type, ["microphone", source]) == ("forbidden" if seen else "ok")


def test_nobody_manages_the_host():
    for role, action in product(Role, MANAGE_ACTIONS):
        assert outcome(require_manage, role, action, HOST) == "forbidden"
