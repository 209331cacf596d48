"""A program that gets webhooks: answers as it is told, and keeps what came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class Got:
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Receiver:
    url: str = ""
    answer: Answer | None = None
    """None: 200 for everything."""
    got: list[Got] = field(default_factory=list)
    """What was answered with 2xx."""
    refused: list[Got] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    elsewhere: int = 0
    """Requests at `/elsewhere`."""

    @property
    def events(self) -> list[dict[str, Any]]:
        return [got.event for got in self.got]

    def of(self, session_id: str) -> list[str]:
        return [event["type"] for event in self.events if event["session_id"] == session_id]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()

    async def hook(request: web.Request) -> web.StreamResponse:
        got = Got(dict(request.headers), await request.read())
        receiver.under_way += 1
        receiver.most_under_way = max(receiver.most_under_way, receiver.under_way)
        try:
            response = web.Response() if receiver.answer is None else await receiver.answer(got.event)
        finally:
            receiver.under_way -= 1
        (receiver.got if 200 <= response.status < 300 else receiver.refused).append(got)
        return response

    async def elsewhere(request: web.Request) -> web.Response:
        receiver.elsewhere += 1
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    app.router.add_route("*", "/elsewhere", elsewhere)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def answering(status: int, **headers: str) -> Answer:
    async def answer(event: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return answer


def holding(gate: asyncio.Event, only: Callable[[dict[str, Any]], bool] = lambda event: True) -> Answer:
    async def answer(event: dict[str, Any]) -> web.StreamResponse:
        if only(event):
            await gate.wait()
        return web.Response()

    return answer
