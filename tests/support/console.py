"""What pages say on their consoles: no error, or the test fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.async_api import BrowserContext, ConsoleMessage

NO_ERROR = re.compile(
    # Refusals of the API, which browsers log: what the page makes of them is what tests look at. No missing files.
    r"status of 4\d\d .*\(https?://[^/]+/(live|auth)/"
    # Asked for by the browser itself, where a test's own page names no icon.
    r"|/favicon\.ico\)$"
)


class Console:
    """The consoles of all pages of one test. What is listened to while no test runs is heard by nobody."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        """Errors on a console, and exceptions that nothing caught."""
        self._expected: list[re.Pattern[str]] = []

    def expect(self, *patterns: str) -> None:
        """Errors in which one of these is found are what the test is about, such as refusals, which browsers log."""
        self._expected += [re.compile(pattern) for pattern in patterns]

    @property
    def unexpected(self) -> list[str]:
        return [error for error in self.errors if not any(pattern.search(error) for pattern in self._expected)]


_current: list[Console] = []


def listen(context: BrowserContext) -> None:
    """To every page of this context, for as long as it is open."""
    context.on("console", _note)
    context.on("weberror", lambda error: _hear(f"uncaught: {error.error}"))


@contextmanager
def gate() -> Iterator[Console]:
    """Fails, when it is left, if a page said an error that the test did not expect."""
    console = Console()
    _current.append(console)
    try:
        yield console
    finally:
        _current.remove(console)
    assert not console.unexpected, f"errors on the console: {console.unexpected}"


def _note(message: ConsoleMessage) -> None:
    if message.type == "error":
        _hear(f"{message.text} ({message.location.get('url')})")


def _hear(error: str) -> None:
    if NO_ERROR.search(error):
        return
    for console in _current:
        console.errors.append(error)
