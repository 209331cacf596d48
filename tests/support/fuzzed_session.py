"""Hooks for schemathesis: what it invents is asked of a session that is really live, by people who are really in it.

Runs inside schemathesis, which test_schemathesis.py starts with the address of a server and its secret's file.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import requests
import schemathesis

from control_api.tokens.operator_tokens import OperatorTokens

URL = os.environ["FUZZED_SERVER"]
SECRET = Path(os.environ["FUZZED_SECRET"]).read_bytes().strip()
TIMEOUT_S = 10

_turns = itertools.count()


class World:
    """A session with a host and a viewer, made anew whenever something ended it or threw the viewer out."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.ids: dict[str, str] = {}
        """By the names that bodies and paths have for them."""
        self.in_doubt = True
        """Something may have ended the session, or thrown the viewer out."""

    def call(self, method: str, path: str, token: str = "", body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = requests.request(method, URL + path, json=body, headers=headers, timeout=TIMEOUT_S)
        return response.json() if response.status_code < 400 else None

    def renew(self) -> None:
        host, viewer = self.tokens = [self._user(name) for name in ("Hana", "Vera")]
        session = self.call("POST", "/live/start", host, {"title": "Fuzzed", "enable_gifts": True})
        session_id = session["session"]["id"]
        body = {"session_id": session_id}
        joined = self.call("POST", "/live/join", viewer, body)
        request = self.call("POST", "/live/request-guest", viewer, body)
        message = self.call("POST", "/live/send-message", viewer, body | {"text": "Hello"})
        gifts = self.call("GET", "/live/gifts", viewer)["gifts"]
        self.ids = {
            "session_id": session_id,
            "id": session_id,
            "participant_id": joined["participant"]["id"],
            "user_id": joined["participant"]["user_id"],
            "request_id": request["request"]["id"],
            "message_id": message["message"]["id"],
            "gift_id": gifts[0]["id"],
        }

    def _user(self, name: str) -> str:
        return str(self.call("POST", "/auth/dev-token", body={"name": name})["token"])

    def keep(self) -> None:
        """Make sure that both are in a live session."""
        if not self.in_doubt:
            return
        self.in_doubt = False
        path = f"/live/sessions/{self.ids.get('session_id', 'none')}/participants"
        if not all(self.call("GET", path, token) for token in self.tokens or [""]):
            self.renew()


WORLD = World()


@schemathesis.auth(refresh_interval=None)
class Tokens:
    """The host's and the viewer's by turns, the operator's where that is asked for."""

    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str:
        if case.operation.path.startswith("/operator/"):
            return OperatorTokens(SECRET).issue()
        WORLD.keep()
        return WORLD.tokens[next(_turns) % 2]

    def set(self, case: schemathesis.Case, data: str, context: schemathesis.AuthContext) -> None:
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: schemathesis.Case, response: schemathesis.Response) -> None:
    ends = case.operation.path.endswith(("/end", "/end-session", "/leave", "/ban", "/manage-participant"))
    WORLD.in_doubt |= response.status_code in (403, 410) or (ends and response.status_code == 200)


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Three of four valid requests are about what exists. Invalid ones stay as they are."""
    if case.meta is None or not case.meta.generation.mode.is_positive or next(_turns) % 4 == 0:
        return
    for part in (case.path_parameters, case.body):
        if isinstance(part, dict):
            part.update(
                {name: WORLD.ids[name] for name in part.keys() & WORLD.ids.keys() if isinstance(part[name], str)}
            )
