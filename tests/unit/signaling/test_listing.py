import base64
import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.listing import MAX_CURSOR, Place, place_of
from signaling.model import SessionRecord

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def session(**values):
    defaults = {"id": str(uuid4()), "host_user_id": "u", "host_name": "H", "title": "T", "started_at": START}
    return SessionRecord.model_validate(defaults | values)


def cursor(*parts):
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize("order", ["started", "viewers"])
def test_a_place_survives_the_way_through_an_address(order):
    place = Place.of(order, session(viewer_count=7))
    assert place.viewers == (7 if order == "viewers" else 0)
    assert place_of(place.cursor(), order) == place
    assert len(place.cursor()) < MAX_CURSOR
    assert set(place.cursor()).isdisjoint("=+/&")


def test_a_cursor_of_another_order_is_none_of_this():
    with pytest.raises(ValueError):
        place_of(Place.of("started", session()).cursor(), "viewers")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "x",
        "ä",
        "a" * (MAX_CURSOR + 1),
        cursor(),
        cursor("started", 0, START.isoformat()),
        cursor("name", 0, START.isoformat(), str(uuid4())),
        cursor("started", -1, START.isoformat(), str(uuid4())),
        cursor("started", 2**31, START.isoformat(), str(uuid4())),
        cursor("started", 0, "2026-01-02T03:04:05", str(uuid4())),
        cursor("started", 0, "0001-01-01T00:00:00+23:00", str(uuid4())),
        cursor("started", 0, "9999-12-31T23:59:59-23:00", str(uuid4())),
        cursor("started", 0, START.isoformat(), "x"),
        base64.urlsafe_b64encode(b'{"order": 1}').decode(),
    ],
)
def test_what_is_no_cursor_is_refused(wrong):
    with pytest.raises(ValueError):
        place_of(wrong, "started")


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_anything_may_come_as_a_cursor(text):
    with pytest.raises(ValueError):
        place_of(text, "started")
