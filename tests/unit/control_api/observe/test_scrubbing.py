import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from control_api.observe.scrubbing import one_line, scrub, told, traceback_text

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"a token {TOKEN} in a sentence", "c2lnbmF0dXJl"),
        (f"cut off {TOKEN[:30]}", "eyJhbGci"),
        ("Authorization: Bearer hunter2", "hunter2"),
        ("{'Authorization': 'Basic aHVudGVyMg=='}", "aHVudGVyMg"),
        ("postgresql://ana:hunter2@db/greenroom", "hunter2"),
        ("GET /live/active?token=hunter2&x=1 HTTP/1.1", "hunter2"),
        ("https://greenroom.example/#/s/1?token=hunter2", "hunter2"),
        ('{"password": "hunter2"}', "hunter2"),
        ("jwt_secret=hunter2", "hunter2"),
    ],
)
def test_no_secret_survives(text, secret):
    assert secret not in scrub(text)


def test_an_ordinary_sentence_is_left_alone():
    for text in ("worker 12 listens on UDP port 40000", "3 of 4: is it? yes #1", "a token is needed", "größer: 語"):
        assert scrub(text) == text


@given(st.text())
def test_whatever_comes_stays_on_its_line_and_steers_no_terminal(text):
    line = one_line(text)
    assert line.isprintable() or not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029\u202e" for c in line)
    assert len(line.splitlines()) <= 1


def test_a_long_text_is_cut_in_time_that_does_not_grow_with_it():
    assert len(scrub("a" * 10_000_000)) <= 8192


class Chat(BaseModel):
    text: int


def quoting():
    with pytest.raises(ValidationError) as caught:
        Chat.model_validate({"text": "my love letter"})
    yield caught.value
    error = asyncpg.CheckViolationError("new row violates a check")
    error.detail = "Failing row contains (my love letter)."
    error.constraint_name = "live_chat_messages_body_check"
    yield error
    yield asyncpg.DataError("invalid input for query argument $1: 'my love letter' (expected int)")


@pytest.mark.parametrize("error", list(quoting()), ids=lambda error: type(error).__name__)
def test_what_drivers_and_validators_quote_is_not_told(error):
    assert "love letter" not in told(error)


def test_a_constraint_is_told_by_its_name():
    (_, error, _) = quoting()
    assert "live_chat_messages_body_check" in told(error)


def test_a_traceback_has_its_chain_and_no_quotes():
    try:
        try:
            raise asyncpg.DataError("'my love letter' is no number")
        except asyncpg.DataError as error:
            raise RuntimeError("the chat failed") from error
    except RuntimeError as error:
        text = traceback_text(error)
    assert "love letter" not in text.replace("raise asyncpg.DataError(\"'my love letter' is no number\")", "")
    assert text.index("DataError") < text.index("RuntimeError: the chat failed")
    assert "test_scrubbing.py" in text


def test_a_group_tells_its_members():
    group = ExceptionGroup("two", [ValueError("one"), KeyError("other")])
    text = traceback_text(group)
    assert "ValueError: one" in text
    assert "KeyError" in text


def test_an_exception_that_caused_itself_ends():
    error = ValueError("round")
    other = KeyError("trip")
    error.__context__, other.__context__ = other, error
    assert "round" in traceback_text(error)
