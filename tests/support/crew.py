"""The people of one test: makes users and participants on a server, and sends them home at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Browser

from .aiortc_peer import AiortcPeer
from .api import Api, User
from .browsers import Person
from .raw_peer import RawPeer
from .server import Server
from .ws import WsClient


class Crew:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.api = Api(server.url)
        self._farewells: list[Callable[[], Awaitable[object]]] = []

    async def user(self, name: str) -> User:
        return await self.api.user(name)

    async def raw(self, user: User, session_id: str, **options: Any) -> RawPeer:
        peer = await RawPeer.join(user, session_id, **options)
        self._farewells.append(peer.close)
        return peer

    async def aiortc(self, user: User, session_id: str, **options: Any) -> AiortcPeer:
        peer = await AiortcPeer.join(user, session_id, **options)
        self._farewells.append(peer.close)
        return peer

    async def socket(self, user: User, session_id: str, **options: Any) -> WsClient:
        client = await WsClient.open(user, session_id, **options)
        self._farewells.append(client.close)
        return client

    async def person(self, browser: Browser, name: str, *scripts: str) -> Person:
        person = await Person.arrive(browser, self.server.url, name, *scripts)
        self._farewells.append(person.leave)
        return person

    async def live(self, name: str = "Host", **settings: Any) -> tuple[User, str]:
        """A host with a session of their own."""
        host = await self.user(name)
        session = await host.start(**settings)
        return host, session["id"]

    async def bring_on_stage(self, host: User, guest: User, session_id: str) -> None:
        """The guest has to be in the session."""
        request = await guest.request_guest(session_id)
        await host.respond(session_id, request["id"], approve=True)

    async def dismiss(self) -> None:
        results = await asyncio.gather(*(farewell() for farewell in reversed(self._farewells)), return_exceptions=True)
        await self.api.close()
        for result in results:
            if isinstance(result, BaseException):
                raise result
