"""What verbs cost: the classes of rate limits, shared by both faces of the API. The numbers are control_api's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from .ports import Identity

RateClass = Literal[
    "start", "join", "token", "ask", "manage", "chat", "react", "gift", "read", "report", "connect", "media"
]
"""`start` a session, `join` or leave one, make a `token`, `ask` for the stage, `manage` a session and who is in it,
`chat`, `react`, `gift`, `read` what there is, `report` an error, `connect` media (work for a worker, and SDP), steer
running `media`."""

Spend = Callable[[Identity, RateClass], None]
"""Counts a request against what its sender may do. Raises `LiveError` `rate_limited`."""


def unlimited(identity: Identity, rate: RateClass) -> None:
    """A `Spend` that lets everything pass."""
