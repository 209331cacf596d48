"""The page under the real policy: nothing inline is run or styled, whatever gets into it."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from control_api.http.security_headers import SECURITY_HEADERS
from tests.support.console import Console
from tests.support.waiting import until
from tests.web.fake_server import FakeServer
from tests.web.states import landing

INJECT = """
() => {
  window.violated = [];
  document.addEventListener("securitypolicyviolation", (event) => window.violated.push(event.effectiveDirective));
  const script = document.createElement("script");
  script.textContent = "window.ran = true";
  const box = document.createElement("div");
  box.innerHTML = `<img src="/nothing.png" onerror="window.ran = true"><p id="styled" style="color: rgb(1, 2, 3)">x</p>`
    + `<img src="https://elsewhere.example/pixel.png"><style>body { color: rgb(1, 2, 3) }</style>`;
  document.body.append(script, box);
  fetch("https://elsewhere.example/").catch(() => {});
}
"""
DONE = """
() => ["connect-src", "img-src", "script-src-attr", "script-src-elem", "style-src-attr", "style-src-elem"]
  .every((directive) => window.violated.includes(directive))
"""


def test_the_policy_allows_nothing_inline() -> None:
    policy = dict(part.strip().split(" ", 1) for part in SECURITY_HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert "unsafe" not in SECURITY_HEADERS["Content-Security-Policy"]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_what_gets_in_does_nothing(page: Page, server: FakeServer, console: Console) -> None:
    console.expect("Content.Security.Policy", "settings blocked", "404")
    await landing(page, server)
    await page.evaluate(INJECT)
    await until(lambda: page.evaluate(DONE), "everything that was injected is refused")
    assert await page.evaluate("window.ran") is None
    for element in ("#styled", "body"):
        assert await page.locator(element).evaluate("(e) => getComputedStyle(e).color") != "rgb(1, 2, 3)"
