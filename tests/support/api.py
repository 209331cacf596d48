"""The REST API as a client uses it, and the users that the tests play."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import pytest

_numbers = itertools.count(1)


class ApiError(Exception):
    def __init__(self, status: int, code: str, message: str, details: Any) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.details = details


def refused(status: int, code: str) -> pytest.RaisesExc[ApiError]:
    """Around a call that the server has to refuse."""
    return pytest.raises(ApiError, match=f"^{status} {code}:")


class Api:
    """An HTTP client of one server. Use it as a context manager, or `close` it."""

    def __init__(self, base_url: str, connector: aiohttp.BaseConnector | None = None) -> None:
        self.base_url = base_url
        # Without a limit of its own: a hundred sockets must not make the next one wait on this side.
        connector = connector or aiohttp.TCPConnector(limit=0)
        self.http = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.http.close()

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """The JSON answer. Raises `ApiError` for the API's own errors; any other failure fails the test."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(method, self.base_url + path, json=body, headers=headers) as response:
            answer = await response.json()
        if response.status < 400:
            return answer
        error = answer["error"]
        raise ApiError(response.status, error["code"], error["message"], error.get("details"))

    async def healthz(self) -> dict[str, Any]:
        """Whatever the status: 503 has the same body."""
        async with self.http.get(self.base_url + "/healthz") as response:
            return dict(await response.json())

    async def user(self, name: str) -> User:
        """A new user with a token from the server itself. Names get a number, so that tests can share a server."""
        answer = await self.call("POST", "/auth/dev-token", {"name": f"{name} {next(_numbers)}"})
        return User(self, answer["token"], answer["user_id"], answer["name"])


@dataclass
class User:
    api: Api
    token: str
    user_id: str
    name: str

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        return await self.api.call(method, path, body, self.token)

    async def start(self, title: str = "A test", **settings: Any) -> dict[str, Any]:
        """The session."""
        return dict((await self.call("POST", "/live/start", {"title": title, **settings}))["session"])

    async def join(self, session_id: str) -> dict[str, Any]:
        """The caller's participant."""
        return dict((await self.call("POST", "/live/join", {"session_id": session_id}))["participant"])

    async def leave(self, session_id: str) -> None:
        await self.call("POST", "/live/leave", {"session_id": session_id})

    async def end(self, session_id: str) -> dict[str, Any]:
        return dict((await self.call("POST", "/live/end", {"session_id": session_id}))["session"])

    async def session(self, session_id: str) -> dict[str, Any]:
        return dict((await self.call("GET", f"/live/sessions/{session_id}"))["session"])

    async def active(self) -> list[dict[str, Any]]:
        return list((await self.call("GET", "/live/active?limit=100"))["sessions"])

    async def participants(self, session_id: str) -> list[dict[str, Any]]:
        return list((await self.call("GET", f"/live/sessions/{session_id}/participants"))["participants"])

    async def request_guest(self, session_id: str, message: str = "") -> dict[str, Any]:
        body = {"session_id": session_id, "message": message}
        return dict((await self.call("POST", "/live/request-guest", body))["request"])

    async def respond(self, session_id: str, request_id: str, approve: bool) -> dict[str, Any]:
        body = {"session_id": session_id, "request_id": request_id, "approve": approve}
        return dict((await self.call("POST", "/live/respond-guest-request", body))["request"])

    async def manage(self, session_id: str, participant_id: str, action: str) -> dict[str, Any]:
        body = {"session_id": session_id, "participant_id": participant_id, "action": action}
        return dict((await self.call("POST", "/live/manage-participant", body))["participant"])
