"""web/ui/texts*.js: what the server refuses, and why a room closes, is said in a sentence, in every language."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from playwright.async_api import Page

from signaling.errors import ErrorCode
from tests.web.fake_server import FakeServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

LANGUAGES = """
async () => {
  const { LANGUAGES } = await import("/ui/texts.js");
  const { FINAL_CLOSE_CODES } = await import("/lib/signaling.js");
  const said = Object.entries(LANGUAGES).map(([name, { errors, ended }]) => [name, { errors, reasons: ended.reasons }]);
  return { final: [...FINAL_CLOSE_CODES.values()], languages: Object.fromEntries(said) };
}
"""
SIGNS_IN_AGAIN = {"token_missing", "token_invalid", "token_expired"}


async def languages(page: Page, server: FakeServer) -> dict[str, Any]:
    await page.goto(f"{server.url}/icon.svg")
    return dict(await page.evaluate(LANGUAGES))


async def test_every_error_of_the_server_is_a_sentence(page: Page, server: FakeServer) -> None:
    said = (await languages(page, server))["languages"]
    assert {"en", "de"} <= set(said)
    for language, texts in said.items():
        missing = set(get_args(ErrorCode)) - set(texts["errors"])
        assert not missing, f"{language} has no words for {sorted(missing)}"
        for code, sentence in texts["errors"].items():
            assert sentence[0].isupper(), (language, code)
            assert sentence.endswith("."), (language, code)
            assert "_" not in sentence, (language, code)


async def test_every_way_in_which_a_room_closes_for_good_is_explained(page: Page, server: FakeServer) -> None:
    found = await languages(page, server)
    for language, texts in found["languages"].items():
        known = {**texts["errors"], **texts["reasons"]}
        for reason in {*found["final"], "banned", "forbidden"} - SIGNS_IN_AGAIN:
            assert reason in known, f"{language}: {reason}"
