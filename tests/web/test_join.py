"""web/lib/join.js: a room that is joined, or why not; nobody waits for what does not come."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, Route

from tests.support.console import Console
from tests.support.server import free_tcp_port
from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

JOIN = """
async (options) => {
  const { GreenroomError, join } = await import("/lib/index.js");
  const Native = globalThis.WebSocket;
  window.sockets = 0;
  globalThis.WebSocket = class extends Native {
    constructor(...address) {
      super(...address);
      sockets += 1;
    }
  };
  return join({ ...options, token: TOKEN }).then(
    (room) => {
      window.room = room;
      return { status: room.status, you: room.state.you.name };
    },
    (error) => {
      const { code, message, retryAfterS } = error;
      return { ours: error instanceof GreenroomError, code, message, retryAfterS };
    },
  );
}
"""
QUICKLY = """
for (const name of ["setTimeout", "setInterval"]) {
  const real = globalThis[name];
  globalThis[name] = (act, ms, ...rest) => real(act, ms === 120_000 ? 50 : ms, ...rest);
}
"""
NO_SOCKETS = """
globalThis.WebSocket = class {
  constructor() {
    throw new DOMException("no ws: from https:", "SecurityError");
  }
};
"""
JOIN_TOKENS = [f"e30.{payload}.x" for payload in ("eyJzZXNzaW9uIjoiMSJ9", "eyJzZXNzaW9uIjoiMiJ9")]
"""Their payload names a session."""


async def join(page: Page, server: FakeServer, token: str = "'the-token'", at: str | None = "") -> dict[str, Any]:
    """What became of it, with a server `at` another address."""
    if not page.url.startswith(f"{server.url}/examples/"):
        # Of no policy that forbids other servers.
        await page.goto(f"{server.url}/examples/lib/index.js")
    wanted = {"server": server.url if at == "" else at, "sessionId": SESSION_ID}
    return dict(await page.evaluate(JOIN.replace("TOKEN", token), wanted))


async def test_a_room_is_joined_whatever_the_address_of_the_server_ends_with(page: Page, server: FakeServer) -> None:
    assert await join(page, server, at=f"{server.url}/page?of=it") == {"status": "connected", "you": "Vera"}


@pytest.mark.parametrize("address", ["live.example.org", "localhost:8080", "ftp://live.example.org", None])
async def test_what_is_no_address_is_said(page: Page, server: FakeServer, address: str | None) -> None:
    failure = await join(page, server, at=address)
    assert (failure["ours"], failure["code"]) == (True, "invalid_address")


async def test_an_address_that_the_browser_refuses_ends_it(page: Page, server: FakeServer) -> None:
    await page.goto(f"{server.url}/examples/lib/index.js")
    await page.evaluate(f"() => {{ {NO_SOCKETS} }}")
    assert (await join(page, server))["code"] == "invalid_address"


async def test_a_server_that_is_not_there_is_not_waited_for(page: Page, server: FakeServer, console: Console) -> None:
    console.expect("ERR_CONNECTION_REFUSED")
    failure = await join(page, server, at=f"http://127.0.0.1:{free_tcp_port()}")
    assert (failure["ours"], failure["code"]) == (True, "network")
    # Nobody has the room: it does not go on.
    await page.evaluate("new Promise((done) => setTimeout(done, 1500))")
    assert await page.evaluate("sockets") == 1


async def test_a_server_that_does_not_let_the_page_in_for_now_says_when_it_does(page: Page, server: FakeServer) -> None:
    server.hello_answer = {"type": "error", "code": "rate_limited", "message": "Too many.", "retry_after_s": 7}
    failure = await join(page, server)
    assert (failure["code"], failure["message"]) == ("rate_limited", "Too many.")
    assert 7 <= failure["retryAfterS"] <= 8
    server.hello_answer = None
    assert (await join(page, server))["status"] == "connected"


async def test_a_function_that_gives_no_token_is_told_with_its_own_words(page: Page, server: FakeServer) -> None:
    failure = await join(page, server, "async () => { throw new Error('Sign in first'); }")
    assert (failure["ours"], failure["code"], failure["message"]) == (True, "token_unavailable", "Sign in first")
    outside = await page.evaluate("""
      async () => {
        const { Api } = await import("/lib/index.js");
        return new Api("/", () => { throw new Error("Sign in first"); }).active().catch(({ code }) => code);
      }
    """)
    assert outside == "token_unavailable"
    assert await page.evaluate(
        "async (url) => (await new (await import('/lib/index.js')).Api(`${url}/`).active()).sessions.length", server.url
    )


async def test_a_join_token_is_kept_fresh_until_the_room_is_left(page: Page, server: FakeServer) -> None:
    asked: list[str | None] = []

    async def renew(route: Route) -> None:
        asked.append(await route.request.header_value("authorization"))
        await route.fulfill(json={"token": JOIN_TOKENS[1]})

    await page.route("**/live/join-token", renew)
    await page.goto(f"{server.url}/examples/lib/index.js")
    await page.evaluate(QUICKLY)
    assert (await join(page, server, f"'{JOIN_TOKENS[0]}'"))["status"] == "connected"
    await until(lambda: asked[-1:] == [f"Bearer {JOIN_TOKENS[1]}"], "the new one is renewed in its turn")
    assert asked[0] == f"Bearer {JOIN_TOKENS[0]}"
    server.cut()
    assert (await server.wait_for("hello", 2))["token"] == JOIN_TOKENS[1]
    await page.wait_for_function("room.status === 'connected'")
    await page.evaluate("room.disconnect()")
    await page.evaluate("new Promise((done) => setTimeout(done, 200))")
    before = len(asked)
    await page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert len(asked) == before
