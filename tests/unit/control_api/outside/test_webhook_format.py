import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from control_api.outside.webhook_format import EVENT_TYPES, Delivery, event_type, headers_of, receiver_url, signature

ROOT = Path(__file__).parents[4]
OPERATIONS = (ROOT / "docs" / "OPERATIONS.md").read_text()
SECRET = b"0123456789abcdef0123456789abcdef"
DELIVERY = Delivery(
    id=1,
    attempts=1,
    event_id=77,
    type="role_changed",
    session_id="11111111-1111-4111-8111-111111111111",
    at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    actor_user_id="ana",
    target_user_id="ben",
    data='{"from": "viewer", "to": "guest"}',
)


def test_the_body_is_the_event():
    assert json.loads(DELIVERY.body()) == {
        "id": 77,
        "type": "role_changed",
        "session_id": "11111111-1111-4111-8111-111111111111",
        "at": "2026-01-02T03:04:05Z",
        "actor_user_id": "ana",
        "target_user_id": "ben",
        "data": {"from": "viewer", "to": "guest"},
    }


def test_the_signature_is_over_time_and_body():
    expected = hmac.new(SECRET, b"1700000000." + b"{}", hashlib.sha256).hexdigest()
    assert signature(SECRET, b"{}", 1700000000.9) == f"t=1700000000,v1={expected}"
    headers = headers_of(DELIVERY, b"{}", SECRET, 1700000000.9)
    assert headers["Greenroom-Signature"] == f"t=1700000000,v1={expected}"
    assert headers["Greenroom-Event-Id"] == "77"


def documented_check():
    """The function of docs/OPERATIONS.md, as it stands there."""
    (code,) = re.findall(r"```python\n(import hashlib.*?)```", OPERATIONS, re.DOTALL)
    names: dict = {}
    exec(code, names)
    return names["is_from_greenroom"]


def test_the_documented_check_takes_what_is_sent_and_nothing_else():
    check = documented_check()
    body, at = DELIVERY.body(), datetime.now(UTC).timestamp()
    good = signature(SECRET, body, at)
    assert check(SECRET, body, good)
    assert not check(SECRET, body + b" ", good)
    assert not check(b"another secret of 32 bytes or so", body, good)
    assert not check(SECRET, body, good.replace(f"t={int(at)}", f"t={int(at) + 1}"))
    assert not check(SECRET, body, signature(SECRET, body, at - 3600)), "an old request sent again"
    for garbage in ("", "t=,v1=", "v1=ab", "t=x,v1=y", good.replace("v1", "v0"), ",", "=", "t=1,v1=é"):
        assert not check(SECRET, body, garbage)


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.com/hook", "https://example.com:8443/a?b=c", "https://[2001:db8::1]/", "https://10.1.2.3/"),
        *("http://127.0.0.1:9/hook", "http://localhost:3000", "http://[::1]:3000/", "http://backend:3000/hook"),
        *("http://10.1.2.3/hook", "http://192.168.1.5", "http://hooks.internal/x", "http://a.b.svc.cluster.local/"),
    ],
)
def test_addresses_that_events_may_go_to(url):
    assert receiver_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/hook", "http://8.8.8.8/", "ftp://example.com", "example.com", "", "https://", "//x/y"),
        *("https://user:secret@example.com/", "https://example.com/#part", "https://example.com/a b", "https://a:0/"),
        *("https://example.com:99999/", "https://[::1/", "http://internal.example.com/", "https://example.com/\n"),
    ],
)
def test_addresses_that_they_may_not_go_to(url):
    with pytest.raises(ValueError) as failure:
        receiver_url(url)
    assert "secret" not in str(failure.value)


def test_there_is_a_name_for_everything_that_the_database_records():
    schema = (ROOT / "schema.sql").read_text()
    recorded = set()
    for start in re.finditer(r"perform live_record\(", schema):
        what = schema[start.end() :].split(",", 2)[1]
        # `case x when 'kicked' then 'participant_kicked' else ...`: the conditions are no events.
        recorded |= set(re.findall(r"'([a-z_]+)'", re.sub(r"when '\w+'", "", what)))
    assert len(recorded) > 15
    assert recorded <= set(EVENT_TYPES)
    # Written by the server itself, in a batch with what it sums up.
    assert set(EVENT_TYPES) - recorded <= {"reactions"}


def test_events_are_known_by_name_and_documented():
    assert event_type("banned") == "banned"
    with pytest.raises(ValueError, match="'dance' is not an event"):
        event_type("dance")
    for name in EVENT_TYPES:
        assert f"`{name}`" in OPERATIONS, name
