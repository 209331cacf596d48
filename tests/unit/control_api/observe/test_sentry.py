"""Reports, on a transport that keeps them."""

from __future__ import annotations

import json
import logging
import sys

import asyncpg
import pytest
import sentry_sdk
from pydantic import BaseModel, ValidationError
from sentry_sdk.transport import Transport

from control_api.observe import sentry

DSN = "https://public@sentry.example/1"
SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"


class Kept(Transport):
    def __init__(self) -> None:
        super().__init__()
        self.events = []

    def capture_envelope(self, envelope):
        self.events.append(envelope.get_event())


@pytest.fixture
def kept():
    transport = Kept()
    stop = sentry.start(DSN, transport)
    yield transport
    stop()


def failing(error):
    try:
        local_secret = SECRET
        raise error
    except type(error):
        logging.getLogger("control_api.http.errors").exception("%s failed: %s", "POST /live/start", SECRET)
        assert local_secret


def test_what_is_logged_as_an_error_is_reported_with_its_traceback(kept):
    failing(RuntimeError("the engine is on fire"))
    (event,) = kept.events
    (value,) = event["exception"]["values"]
    assert (value["type"], value["value"]) == ("RuntimeError", "the engine is on fire")
    assert value["stacktrace"]["frames"][-1]["function"] == "failing"
    assert event["release"].startswith("greenroom@")


def test_warnings_are_not_reported(kept):
    logging.getLogger("control_api").warning("hm")
    assert not kept.events


def test_no_token_leaves_the_process(kept):
    failing(RuntimeError(f"bad header: Bearer {SECRET}"))
    sentry_sdk.set_user({"id": "ana@example.com"})
    sentry_sdk.capture_message(f"at https://greenroom.example/?token={SECRET}")
    failing(asyncpg.CheckViolationError(f"row {SECRET}"))
    sent = json.dumps(kept.events, default=str)
    assert len(kept.events) == 3
    assert "eyJ" not in sent
    assert "ana@example.com" not in sent


class Chat(BaseModel):
    text: int


def test_what_drivers_and_validators_quote_is_withheld(kept):
    with pytest.raises(ValidationError) as caught:
        Chat.model_validate({"text": "my love letter"})
    failing(caught.value)
    failing(asyncpg.UniqueViolationError("Key (text)=(my love letter) already exists"))
    sent = json.dumps(kept.events, default=str)
    assert "love letter" not in sent
    assert "UniqueViolationError" in sent


def test_nothing_happens_without_a_dsn():
    before = sentry_sdk.get_client()
    sentry.start(None)()
    assert sentry_sdk.get_client() is before


def test_a_missing_package_is_told_and_nothing_else(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    sentry.start(DSN)()
    assert "greenroom[sentry]" in caplog.text
    assert "public@" not in caplog.text


def test_a_broken_dsn_is_told_without_naming_it(caplog):
    sentry.start("hunter2")()
    assert "no DSN" in caplog.text
    assert "hunter2" not in caplog.text
