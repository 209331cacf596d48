"""Credentials for a TURN server that shares a secret with this one, such as coturn with `--use-auth-secret`.

The scheme is the one of draft-uberti-behave-turn-rest-00: the user name is a time, the password its HMAC, and the TURN
server needs to know nothing of users.
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable
from typing import Final

from signaling.messages import IceServer

CREDENTIAL_LIFETIME_S: Final = 12 * 3600
"""How long new relays may be asked for: a credential has to outlive the WebSocket that it came with, because whoever
makes a connection anew hours later uses it. What is relayed already goes on after it."""


class TurnServers:
    """`urls` of one TURN server or of several that share a secret (RFC 7065). `clock` is Unix time, in seconds."""

    def __init__(self, urls: tuple[str, ...], secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._urls = urls
        self._secret = secret
        self._clock = clock

    def __call__(self, participant_id: str) -> tuple[IceServer, ...]:
        """For one participant. The TURN server sees, and logs, the id and not the user's."""
        username = f"{int(self._clock()) + CREDENTIAL_LIFETIME_S}:{participant_id}"
        # SHA-1 is what the TURN servers of this scheme compute; HMAC does not suffer from its collisions.
        password = base64.b64encode(hmac.digest(self._secret, username.encode(), "sha1")).decode()
        return (IceServer(urls=self._urls, username=username, credential=password),)
