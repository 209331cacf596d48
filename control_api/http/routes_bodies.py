"""Bodies and answers of the REST API that several routes share (docs/API.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sfu.worker.messages import WorkerStats
from signaling.model import SessionRecord

Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(examples=["3f2c9a4e-6d0b-4c5e-8a71-0d9b1c2e7f54"]),
]


class Body(BaseModel):
    """Base of all bodies: unknown members are refused, and nothing is converted (`"1"` is no number)."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True)


class Query(BaseModel):
    """Base of all queries. Query parameters are text, and so are converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Answer(BaseModel):
    """Base of all answers. The docstring below a member is what /docs says of it."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class SessionBody(Body):
    session_id: Id


class SessionAnswer(Answer):
    session: SessionRecord


class Liveness(Answer):
    status: Literal["ok"] = "ok"
    workers: list[WorkerStats]
    """Of those that answer; none for callers from elsewhere."""


class Readiness(Answer):
    status: Literal["ok", "unavailable"]
    """`ok` while all the others are, and the server is not stopping."""
    database: Literal["ok", "unavailable"]
    migrations: Literal["ok", "unavailable"]
    """Whether the database has what this version of the server needs."""
    workers: Literal["ok", "unavailable"]
    """`ok` while at least one answers."""
    stopping: bool = False
