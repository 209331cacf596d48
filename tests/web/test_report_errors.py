"""web/ui: what the page tells the server about its own errors."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from control_api.http.routes.client_errors import ClientErrorBody
from tests.support import axe
from tests.support.console import Console
from tests.support.waiting import until
from tests.web.fake_server import FakeServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def broken(context: BrowserContext, server: FakeServer, console: Console) -> AsyncIterator[Page]:
    """The page, which may fail."""
    console.expect("")
    page = await context.new_page()
    await page.goto(server.url)
    yield page
    await page.close()


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_an_uncaught_error_and_a_rejection_are_reported_once_each(broken: Page, server: FakeServer) -> None:
    bad = "function fail() { null.boom; } setInterval(fail, 5);"
    await broken.route("**/ui/bad.js", lambda route: route.fulfill(content_type="text/javascript", body=bad))
    await broken.evaluate(
        "() => document.body.append(Object.assign(document.createElement('script'), {src: '/ui/bad.js'}))"
    )
    for _ in range(3):
        await broken.evaluate("() => { Promise.reject(new TypeError('never heard')); }")
    await until(lambda: len(server.reports) >= 2, "both are reported")
    await broken.evaluate("() => { Promise.reject('the last one'); }")
    await until(lambda: any(report["message"] == "the last one" for report in server.reports), "and the last one")
    kinds = [report["kind"] for report in server.reports]
    assert sorted(kinds) == ["error", "rejection", "rejection"]
    (error,) = [report for report in server.reports if report["kind"] == "error"]
    assert error["source"].startswith("/ui/bad.js:1:")
    assert "fail" in error["stack"]
    for report in server.reports:
        ClientErrorBody.model_validate(report)


async def test_errors_without_end_are_ten_reports(broken: Page, server: FakeServer) -> None:
    await broken.evaluate("() => { for (let i = 0; i < 50; i++) Promise.reject(new Error(`number ${i}`)); }")
    await until(lambda: len(server.reports) >= 10, "ten are reported")
    await broken.evaluate("() => fetch('/live/active')")
    assert len(server.reports) == 10


async def test_no_token_and_nothing_that_the_server_would_refuse(broken: Page, server: FakeServer) -> None:
    await broken.evaluate(
        """() => {
          Promise.reject(new Error(`at ${location.origin}/#/s/1?token=hunter2 now`));
          Promise.reject(new Error("\\u{1F600}".repeat(3000)));
          Promise.reject(undefined);
        }"""
    )
    await until(lambda: len(server.reports) == 3, "all are reported")
    for report in server.reports:
        ClientErrorBody.model_validate(report)
        assert "hunter2" not in str(report)


async def test_scripts_of_others_are_none_of_ours(broken: Page, server: FakeServer) -> None:
    await broken.evaluate(
        """() => {
          const event = (filename) => new ErrorEvent("error", { filename, message: filename, lineno: 1, colno: 2 });
          dispatchEvent(event("chrome-extension://abc/x.js"));
          dispatchEvent(event(""));
          const echo = { filename: location.href, message: "ResizeObserver loop completed." };
          dispatchEvent(new ErrorEvent("error", echo));
          dispatchEvent(event(`${location.origin}/ui/main.js?token=hunter2`));
        }"""
    )
    await until(lambda: server.reports, "ours is reported")
    (report,) = server.reports
    assert (report["kind"], report["source"]) == ("error", "/ui/main.js:1:2")


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_a_page_that_does_not_arrive_whole_says_so(broken: Page, server: FakeServer) -> None:
    await broken.route("**/ui/lobby.js", lambda route: route.abort())
    await broken.reload()
    await expect(broken.get_by_role("alert")).to_contain_text("The page could not be loaded.")
    assert (await axe.violations(broken)) == []
    await broken.unroute("**/ui/lobby.js")
    await broken.get_by_role("link", name="Reload").click()
    await expect(broken.get_by_test_id("sign-in-name")).to_be_visible()
    assert await broken.locator("#not-loaded").count() == 0
