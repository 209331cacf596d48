import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.chat_model import MAX_CHARACTERS, MAX_LINES, clean_text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("  Hello  ", "Hello"),
        ("\n\n a \n", "a"),
        ("a\tb", "a b"),
        ("a\r\nb\rc\u2028d\u2029e\x85f", "a\nb\nc\nd\ne\nf"),
        ("a\x00b\x1b[31mc\x7fd\x9be", "ab[31mcde"),
        ("safe\u202egnp.exe\u2066", "safegnp.exe"),
        ("👩‍👩‍👧 ‏שלום", "👩‍👩‍👧 ‏שלום"),
        ("e\u0301", "e\u0301"),
        ("<b>&amp;", "<b>&amp;"),
        ("x" * MAX_CHARACTERS, "x" * MAX_CHARACTERS),
        (" " * 5000 + "x", "x"),
        ("\n".join("x" * MAX_LINES), "\n".join("x" * MAX_LINES)),
    ],
)
def test_what_is_left_of_a_text(written, shown):
    assert clean_text(written) == shown


@pytest.mark.parametrize(
    "written",
    ["", "   ", "\n\t", "\x00\x01", "\u200b\u200d", "\u202e", "\ufeff", "x" * 501, "\n".join("x" * 11), "😀" * 501],
)
def test_what_is_no_message(written):
    with pytest.raises(ValueError):
        clean_text(written)


@given(st.text(max_size=600))
def test_whatever_comes_is_clean_afterwards_or_refused(written):
    try:
        shown = clean_text(written)
    except ValueError:
        return
    assert clean_text(shown) == shown
    assert 1 <= len(shown) <= MAX_CHARACTERS
    assert not any(ord(character) < 32 and character != "\n" for character in shown)
