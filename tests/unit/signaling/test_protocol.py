import json
import re
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling import messages
from signaling.errors import MESSAGES, ErrorCode, LiveError
from signaling.permissions import MANAGE_ACTIONS
from signaling.protocol import (
    CLIENT_MESSAGES,
    MAX_FRAME_BYTES,
    MAX_SECTIONS,
    PROTOCOL_VERSION,
    BadMessage,
    CloseCode,
    decode,
    parse,
    request_id,
)

DOCS = Path(__file__).parents[3] / "docs"
PROTOCOL = (DOCS / "PROTOCOL.md").read_text()
API = (DOCS / "API.md").read_text()

VALID = {
    "hello": {"protocol": 1, "token": "t", "resume": None},
    "publish_offer": {"connection_id": None, "sdp": "v=0", "sources": {"0": "camera", "1": "screen_audio"}},
    "publish_close": {},
    "receive_answer": {"connection_id": "c", "offer_id": 1, "sdp": "v=0"},
    "receive_restart": {},
    "set_subscription": {"producer_id": "p", "paused": True},
    "set_muted": {"kind": "audio", "muted": False},
    "request_guest": {"message": "  Please  "},
    "cancel_guest_request": {},
    "respond_guest_request": {"request_id": "r", "approve": False},
    "respond_all": {"approve": True},
    "clear_requests": {},
    "invite_guest": {"participant_id": "p"},
    "cancel_invitation": {"request_id": "r"},
    "respond_invitation": {"request_id": "r", "accept": True},
    "update_settings": {"settings": {"max_guests": 3, "locked": True}},
    "ban": {"participant_id": "p", "user_id": None, "reason": "spam"},
    "unban": {"user_id": "u"},
    "mute_all": {"except_cohosts": True},
    "manage_participant": {"participant_id": "p", "action": "kick"},
    "react": {"reaction": "heart", "count": 3},
    "send_gift": {"gift_id": "rose", "quantity": 2, "key": "k-1"},
    "leave_stage": {},
    "send_message": {"text": " Hi ", "client_id": "a-1"},
    "delete_message": {"message_id": "m"},
    "leave": {},
    "end": {},
    "get_stats": {},
    "ping": {},
}
OPTIONAL_ONLY = ("request_guest", "mute_all")
WRONG = [
    ("hello", {"protocol": "1"}),
    ("hello", {"token": 5}),
    ("publish_offer", {"sources": {"0": "tv"}}),
    ("publish_offer", {"sources": {"": "camera"}}),
    ("publish_offer", {"sources": ["camera"]}),
    ("publish_offer", {"sources": {str(n): "camera" for n in range(MAX_SECTIONS + 1)}}),
    ("publish_offer", {"sdp": None}),
    ("receive_answer", {"offer_id": "1"}),
    ("receive_answer", {"offer_id": True}),
    ("set_subscription", {"paused": 1}),
    ("set_muted", {"kind": "smell"}),
    ("request_guest", {"message": "x" * 501}),
    ("request_guest", {"message": "nul\x00"}),
    ("respond_guest_request", {"approve": "yes"}),
    ("react", {"reaction": ""}),
    ("react", {"count": 0}),
    ("react", {"count": 51}),
    ("react", {"count": 1.5}),
    ("send_gift", {"gift_id": "ROSE"}),
    ("send_gift", {"quantity": 1001}),
    ("send_gift", {"key": ""}),
    ("send_gift", {"key": "k" * 65}),
    ("send_gift", {"key": "two words"}),
    ("send_message", {"text": ""}),
    ("send_message", {"text": 5}),
    ("send_message", {"text": "x" * 501}),
    ("send_message", {"client_id": ""}),
    ("send_message", {"client_id": "with space"}),
    ("respond_invitation", {"accept": 1}),
    ("update_settings", {"settings": {"max_guests": 21}}),
    ("update_settings", {"settings": {"max_guests": "3"}}),
    ("update_settings", {"settings": {"max_guest": 3}}),
    ("update_settings", {"settings": {"locked": None}}),
    ("update_settings", {"settings": []}),
    ("ban", {"reason": "x" * 501}),
    ("unban", {"user_id": "x" * 201}),
    ("unban", {"user_id": "nul\x00"}),
    ("mute_all", {"except_cohosts": 1}),
    ("manage_participant", {"action": "ban"}),
    ("manage_participant", {"participant_id": "x" * 65}),
    ("ping", {"id": ""}),
    ("ping", {"id": "x" * 65}),
    ("ping", {"id": 7}),
]


def frame(kind, members):
    return json.dumps({"type": kind, **members})


@pytest.mark.parametrize("kind", CLIENT_MESSAGES)
def test_every_message_is_read(kind):
    message = parse(decode(frame(kind, VALID[kind] | {"id": "7", "of a later version": {"a": [1]}})))
    assert type(message) is CLIENT_MESSAGES[kind]
    assert message.id == "7"
    assert set(VALID[kind]) == set(CLIENT_MESSAGES[kind].model_fields) - {"type", "id"}


@pytest.mark.parametrize("kind", [kind for kind, members in VALID.items() if members and kind not in OPTIONAL_ONLY])
def test_missing_members_are_refused(kind):
    with pytest.raises(LiveError, match="invalid_request"):
        parse(decode(frame(kind, {})))


@pytest.mark.parametrize(("kind", "members"), WRONG)
def test_wrong_members_are_refused_and_named(kind, members):
    with pytest.raises(LiveError) as failure:
        parse(decode(frame(kind, VALID[kind] | members)))
    assert failure.value.code == "invalid_request"
    assert failure.value.details[0]["field"].split(".")[0] == next(iter(members))


@pytest.mark.parametrize("members", [{}, {"participant_id": "p", "user_id": "u"}, {"user_id": None}])
def test_a_ban_names_one_user_in_one_way(members):
    with pytest.raises(LiveError, match="invalid_request"):
        parse(decode(frame("ban", members)))
    parse(decode(frame("ban", {"user_id": "u"})))


def test_details_do_not_repeat_what_was_sent():
    with pytest.raises(LiveError) as failure:
        parse(decode(frame("hello", {"protocol": "secret-1", "token": ["secret-2"], "resume": {"a": "secret-3"}})))
    assert "secret" not in json.dumps(failure.value.details)


def test_an_unknown_type_is_told_apart():
    with pytest.raises(LiveError, match="unknown_type"):
        parse(decode('{"type": "dance"}'))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "7", '"hello"', "{}", '{"type": 1}', '{"type": null}', '{"type": NaN}', "[" * 100_000),
        *('{"type": "ping", "id": "\\ud800"}', '{"type": "ping"} x', "\x00", '{"a":' * 5000 + "1" + "}" * 5000),
    ],
)
def test_what_is_no_message_is_a_bad_message(text):
    with pytest.raises(BadMessage):
        decode(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")) | json_values.map(json.dumps))
def test_no_frame_breaks_the_decoder(text):
    try:
        value = decode(text)
    except BadMessage:
        return
    assert isinstance(value["type"], str)
    request_id(value)


@given(st.sampled_from(sorted(CLIENT_MESSAGES)), st.data())
def test_no_members_break_the_parser(kind, data):
    names = sorted({name for model in CLIENT_MESSAGES.values() for name in model.model_fields} - {"type"})
    members = data.draw(st.dictionaries(st.sampled_from(names), json_values))
    with suppress(LiveError, BadMessage):
        parse(decode(frame(kind, members)))


def test_a_request_id_is_echoed_only_where_it_can_be():
    assert request_id({"id": "a"}) == "a"
    assert [request_id({"id": value}) for value in ("", "x" * 65, 5, None, ["a"])] == [None] * 5


# The document is normative: what is in the code and not on the page is a mistake in one of them.


def server_types():
    source = Path(messages.__file__).read_text()
    return set(re.findall(r'"type": "([a-z_]+)"', source))


def test_every_message_type_is_in_the_document():
    replies = {model.reply for model in CLIENT_MESSAGES.values()}
    assert len(server_types()) > 12
    for name in {*CLIENT_MESSAGES, *server_types(), *replies}:
        assert f"`{name}`" in PROTOCOL or f'"type": "{name}"' in PROTOCOL, name


def test_every_close_code_is_in_the_document():
    for code in CloseCode:
        assert re.search(rf"^\| {code.value} \|", PROTOCOL, re.MULTILINE), code


def test_every_error_code_is_in_the_document_and_has_a_sentence():
    assert set(MESSAGES) == set(get_args(ErrorCode))
    for code in get_args(ErrorCode):
        assert f"`{code}`" in API, code


def test_versions_limits_and_actions_are_in_the_document():
    assert f'"protocol": {PROTOCOL_VERSION}' in PROTOCOL
    assert f"| frame | {MAX_FRAME_BYTES // 1024} KiB |" in PROTOCOL
    assert f"| media sections of an offer | {MAX_SECTIONS} |" in PROTOCOL
    for action in MANAGE_ACTIONS:
        assert f"`{action}`" in PROTOCOL
