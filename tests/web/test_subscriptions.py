"""web/lib/subscriptions.js: what the server is told of sources that are not wanted."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.web.fake_server import FakeServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

TELL = """
async () => {
  const { Subscriptions } = await import("/lib/subscriptions.js");
  const told = [];
  let failure = null;
  const subscriptions = new Subscriptions(async (id, paused) => {
    told.push(`${id} ${paused}`);
    if (failure) throw Object.assign(new Error(failure), { code: failure });
  });
  const since = () => told.splice(0);
  const settled = (promise) => promise.catch((error) => error.code);
  const found = {};
  await subscriptions.set("a", false);
  await subscriptions.set("a", true);
  await subscriptions.set("a", true);
  found.once = since();
  subscriptions.resume(true);
  found.resumed = since();
  subscriptions.resume(false);
  found.forgotten = since();
  failure = "connection_lost";
  found.error = await settled(subscriptions.set("b", true));
  since();
  failure = null;
  subscriptions.resume(true);
  found.unsure = since();
  failure = "unknown_producer";
  await settled(subscriptions.set("c", true));
  since();
  failure = null;
  subscriptions.resume(false);
  found.gone = since();
  found.paused = ["a", "b", "c"].filter((id) => subscriptions.isPaused(id));
  return found;
}
"""


async def test_the_server_is_told_what_it_does_not_know(page: Page, server: FakeServer) -> None:
    await page.goto(f"{server.url}/icon.svg")
    assert await page.evaluate(TELL) == {
        "once": ["a true"],
        "resumed": [],
        "forgotten": ["a true"],
        "error": "connection_lost",
        "unsure": ["b true"],
        "gone": ["a true", "b true"],
        "paused": ["a", "b"],
    }
