"""What never leaves the process in a log or an error report: tokens, passwords, query strings, what people wrote.

Our own messages don't hold any of it. This is for those of others: a driver's error quotes the row that it could not
write, a library's the header that it could not read.
"""

from __future__ import annotations

import re
import traceback
from typing import Final

QUOTE_THEIR_INPUT: Final = frozenset({"aiohttp", "asyncpg", "pydantic", "pydantic_core"})
"""Packages whose exceptions say what they were given."""

MAX_TEXT: Final = 8192
"""Characters of one text; what is longer was not written for a log."""

_SECRETS: Final = (
    # JSON Web Tokens, whole or cut off.
    (re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){0,2}"), "[token]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s'\",]+"), r"\1 [token]"),
    # The user information and the query of a URL.
    (re.compile(r"(?<=://)[^\s/?#@'\"]+@"), "[user]@"),
    (re.compile(r"(?<=[\w/.])[?#][\w.~%-]+=[^\s'\"<>]*"), "?[query]"),
    (
        re.compile(
            r"(?i)(?<![a-z])(token|password|passwd|secret|api_?key|authorization|credential)(['\"]?\s*[=:]\s*)[^\s,;}]+"
        ),
        r"\1\2[secret]",
    ),
)
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"} | {
    code: f"\\u{code:04x}" for code in (0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_ONE_LINE: Final = _CONTROLS | {ord("\n"): "\\n", ord("\t"): " "}


def scrub(text: str) -> str:
    """The text without secrets and without characters that steer a terminal. Line breaks stay."""
    text = text[:MAX_TEXT]
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text.translate(_CONTROLS)


def one_line(text: str) -> str:
    """`scrub`, on one line: nobody forges a second entry."""
    return scrub(text).translate(_ONE_LINE)


def told(error: BaseException) -> str:
    """What an exception says, without the values that drivers and validators quote."""
    module = type(error).__module__.partition(".")[0]
    if module == "asyncpg":
        parts = [getattr(error, name, None) for name in ("sqlstate", "constraint_name", "table_name")]
        return " ".join(part for part in parts if isinstance(part, str)) or "[withheld]"
    if module in QUOTE_THEIR_INPUT:
        return "[withheld]"
    return scrub(str(error))


def traceback_text(error: BaseException) -> str:
    """Like `traceback.format_exception`, but for what the exceptions say: see `told`."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\nwhile handling this:\n".join(_one(each) for each in reversed(chain))


def _one(error: BaseException) -> str:
    lines = ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
    inner = [traceback_text(each) for each in error.exceptions] if isinstance(error, BaseExceptionGroup) else []
    name = type(error).__qualname__
    return "\n".join(["".join(lines) + f"{name}: {told(error)}", *inner])
