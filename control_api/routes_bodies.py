"""Bodies and answers of the REST API that several routes share (docs/API.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from sfu.worker.messages import WorkerStats
from signaling.model import SessionRecord

Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Body(BaseModel):
    """Base of all bodies: unknown members are refused, and nothing is converted (`"1"` is no number)."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Query(BaseModel):
    """Base of all queries. Query parameters are text, and so are converted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SessionBody(Body):
    session_id: Id


class SessionAnswer(BaseModel):
    session: SessionRecord


class Liveness(BaseModel):
    status: Literal["ok"] = "ok"
    workers: list[WorkerStats]
    """Of those that answer; none for callers from elsewhere."""


class Readiness(BaseModel):
    status: Literal["ok", "unavailable"]
    """`ok` while all the others are, and the server is not stopping."""
    database: Literal["ok", "unavailable"]
    migrations: Literal["ok", "unavailable"]
    """Whether the database has what this version of the server needs."""
    workers: Literal["ok", "unavailable"]
    """`ok` while at least one answers."""
    stopping: bool = False
