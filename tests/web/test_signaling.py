"""web/lib/signaling.js and room.js: handshake, requests, and coming back."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = """
async ({ url, times }) => {
  const { Room } = await import("/lib/index.js");
  window.statuses = [];
  window.room = new Room(times);
  room.addEventListener("status", ({ detail }) => statuses.push(detail));
  window.outcome = room.connect(url, "the-token").then(
    (welcome) => ({ name: welcome.you.name }),
    (error) => ({ code: error.code }),
  );
}
"""
QUICK = {"retryMs": 20, "retryMaxMs": 40}


async def open_room(page: Page, server: FakeServer, **times: int) -> None:
    await page.goto(f"{server.url}/icon.svg")
    url = f"{server.url.replace('http', 'ws')}/ws/live/{SESSION_ID}"
    await page.evaluate(OPEN, {"url": url, "times": {**QUICK, **times}})


async def statuses(page: Page) -> list[str]:
    return [detail["status"] for detail in await page.evaluate("statuses")]


async def last_status(page: Page) -> dict[str, Any]:
    return dict(await page.evaluate("statuses.at(-1)"))


async def request(page: Page, call: str) -> dict[str, Any]:
    """What became of a request: the reply, or the code of its error."""
    return dict(await page.evaluate(f"room.{call}.catch((error) => ({{ code: error.code }}))"))


async def test_hello_is_the_first_message_and_welcome_is_the_answer(page: Page, server: FakeServer) -> None:
    await open_room(page, server)
    assert await page.evaluate("outcome") == {"name": "Vera"}
    hello = await server.wait_for("hello")
    assert hello == {"type": "hello", "protocol": 1, "token": "the-token"}
    assert await statuses(page) == ["connecting", "connected"]


async def test_replies_find_their_requests_by_id(page: Page, server: FakeServer) -> None:
    await open_room(page, server)
    await page.evaluate("outcome")
    server.replies["get_stats"] = lambda _: {"type": "stats", "connections": ["mine"]}
    server.replies["end"] = lambda _: {"type": "error", "code": "forbidden", "message": "No."}
    ending = request(page, "end()")
    stats = request(page, "serverStatistics()")
    assert (await ending)["code"] == "forbidden"
    assert (await stats)["connections"] == ["mine"]


async def test_what_is_asked_while_the_socket_closes_is_lost_without_noise(page: Page, server: FakeServer) -> None:
    await page.add_init_script("""
      const Native = WebSocket;
      window.WebSocket = class WebSocket extends Native {
        constructor(...args) {
          super(...args);
          window.socket = this;
        }
      };
    """)
    await open_room(page, server)
    await page.evaluate("outcome")
    assert (await request(page, "end(socket.close())"))["code"] == "connection_lost"


async def test_a_lost_socket_comes_back_with_the_resume_token(page: Page, server: FakeServer) -> None:
    await open_room(page, server)
    await page.evaluate("outcome")
    server.welcome["resumed"] = True
    server.cut()
    hello = await server.wait_for("hello", 2)
    assert hello["resume"] == "resume-1"
    await until(lambda: has_status(page, "connected"), "connected again")
    assert await statuses(page) == ["connecting", "connected", "reconnecting", "connected"]


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_a_lost_network_is_noticed_at_once_and_so_is_its_return(page: Page, server: FakeServer) -> None:
    await open_room(page, server, pingEveryMs=60_000, retryMs=60_000, retryMaxMs=60_000)
    await page.evaluate("outcome")
    await page.context.set_offline(True)
    await until(lambda: has_status(page, "reconnecting"), "the lost network is noticed")
    assert len(server.received["hello"]) == 1
    await page.context.set_offline(False)
    hello = await server.wait_for("hello", 2)
    assert hello["resume"] == "resume-1"
    await until(lambda: has_status(page, "connected"), "connected again")


async def test_an_attempt_begun_without_a_network_is_not_waited_for(page: Page, server: FakeServer) -> None:
    """The second attempt never gets an answer; the third begins as soon as there is a network again."""
    await open_room(page, server)
    await page.evaluate("outcome")
    server.hello_answer = {"type": "not_yet"}
    server.cut()
    await server.wait_for("hello", 2)
    server.hello_answer = None
    await page.evaluate("() => { dispatchEvent(new Event('online')); }")
    await server.wait_for("hello", 3)
    await until(lambda: has_status(page, "connected"), "connected again")


async def has_status(page: Page, status: str) -> bool:
    return (await last_status(page))["status"] == status


async def test_requests_under_way_fail_when_the_socket_is_lost(page: Page, server: FakeServer) -> None:
    await open_room(page, server)
    await page.evaluate("outcome")
    server.silent = True
    await page.evaluate("() => { window.asked = room.serverStatistics().catch((error) => error.code); }")
    await server.wait_for("get_stats")
    server.cut()
    assert await page.evaluate("asked") == "connection_lost"


@pytest.mark.parametrize("code", [1000, 4400, 4401, 4403, 4404, 4406, 4409, 4410])
async def test_final_close_codes_end_it(page: Page, server: FakeServer, code: int) -> None:
    await open_room(page, server)
    await page.evaluate("outcome")
    await server.close(code, "because")
    await until(lambda: has_status(page, "closed"), "closed")
    assert await last_status(page) == {"status": "closed", "code": code, "reason": "because"}
    await page.wait_for_timeout(150)  # several times the longest wait before a new attempt
    assert len(server.received["hello"]) == 1


@pytest.mark.parametrize("code", [1001, 1011])
async def test_other_close_codes_do_not(page: Page, server: FakeServer, code: int) -> None:
    await open_room(page, server)
    await page.evaluate("outcome")
    await server.close(code)
    await server.wait_for("hello", 2)


@pytest.mark.parametrize("code", [1009, 4429])
async def test_who_is_told_to_slow_down_waits_longer(page: Page, server: FakeServer, code: int) -> None:
    await open_room(page, server)
    await page.evaluate("outcome")
    await server.close(code)
    await until(lambda: has_status(page, "reconnecting"), "reconnecting")
    assert (await last_status(page))["retryInMs"] > 4_000


async def test_a_server_that_went_silent_is_given_up(page: Page, server: FakeServer) -> None:
    await open_room(page, server, pingEveryMs=50, pongWithinMs=100)
    await page.evaluate("outcome")
    server.silent = True
    await server.wait_for("ping")
    await server.wait_for("hello", 2)


async def test_a_page_that_is_looked_at_again_asks_whether_the_server_is_there(page: Page, server: FakeServer) -> None:
    await open_room(page, server, pingEveryMs=60_000, pongWithinMs=100)
    await page.evaluate("outcome")
    await page.evaluate("() => { document.dispatchEvent(new Event('visibilitychange')); }")
    await server.wait_for("ping")
    assert await has_status(page, "connected")
    server.silent = True
    await page.evaluate("() => { document.dispatchEvent(new Event('visibilitychange')); }")
    await server.wait_for("hello", 2)


async def test_pings_keep_a_quiet_room_connected(page: Page, server: FakeServer) -> None:
    await open_room(page, server, pingEveryMs=50, pongWithinMs=1_000)
    await page.evaluate("outcome")
    await server.wait_for("ping", 4)
    assert await statuses(page) == ["connecting", "connected"]


async def test_a_refused_hello_is_final(page: Page, server: FakeServer) -> None:
    server.hello_answer = {"type": "error", "code": "session_full", "message": "Full."}
    await open_room(page, server)
    assert await page.evaluate("outcome") == {"code": "session_full"}
    assert await has_status(page, "closed")


@pytest.mark.parametrize("code", ["database_unavailable", "rate_limited"])
async def test_a_server_that_is_not_ready_is_asked_again_when_it_said(
    page: Page, server: FakeServer, code: str
) -> None:
    server.hello_answer = {"type": "error", "code": code, "message": "Later.", "retry_after_s": 0.3}
    await open_room(page, server)
    await server.wait_for("hello", 2)
    server.hello_answer = None
    assert await page.evaluate("outcome") == {"name": "Vera"}
    waits = [detail["retryInMs"] for detail in await page.evaluate("statuses") if "retryInMs" in detail]
    assert waits
    assert min(waits) >= 300


async def test_garbage_from_the_server_is_ignored(page: Page, server: FakeServer) -> None:
    await open_room(page, server)
    await page.evaluate("outcome")
    await server.push("no_such_event", participant=None)
    await server.push_text("{not json")
    await server.push_text("null")
    assert (await request(page, "serverStatistics()"))["type"] == "ok"
