"""The control process's side of one worker process, and of one room in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sfu.rtp.parameters import ConsumerParameters, ProducerParameters

from .channel import REQUEST_TIMEOUT_S, Channel
from .messages import (
    MediaError,
    RemoteTransportParameters,
    TransportParameters,
    TransportState,
    TransportStats,
    WorkerConfig,
    WorkerStats,
)

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S = 5.0
START_TIMEOUT_S = 30.0
"""Importing numpy and OpenSSL on a loaded machine takes seconds."""

_MALLOC_TUNABLES = "GLIBC_TUNABLES"
_HUGE_PAGES = "glibc.malloc.hugetlb=1"
"""glibc asks for transparent huge pages. Hundreds of SRTP sessions are scattered over the heap, each packet looks at
another one, and in a virtual machine what that costs is as much the walk through the page tables as the memory: 4-7 %
of a wake-up (docs/decisions/0004). Others than glibc ignore it."""


class RoomListener(Protocol):
    """Told, on the event loop, what happens to a room's media. Calls must not block."""

    def transport_state_changed(self, transport_id: str, state: TransportState) -> None: ...
    def media_lost(self) -> None: ...


class WorkerClient:
    """One worker process. Made by `WorkerClient.spawn`."""

    def __init__(self, process: asyncio.subprocess.Process, on_exit: Callable[[WorkerClient], None]) -> None:
        self._process = process
        self._on_exit = on_exit
        self._channel: Channel | None = None
        self._listeners: dict[str, RoomListener] = {}
        self._started = False
        self._stopping = False
        self._gone = False
        self.port = 0

    @classmethod
    async def spawn(cls, config: WorkerConfig, on_exit: Callable[[WorkerClient], None]) -> WorkerClient:
        """Start a process and wait until its UDP port is open.

        `on_exit` is called once, from the event loop, when the process is gone without having been told to stop.
        Raises `MediaError` when it can't start (the port is taken, for instance).
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sfu.worker",
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                # Ctrl-C reaches the whole foreground process group; only the control process may act on it.
                start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL,
                env=_environment(),
            )
        client = cls(process, on_exit)
        client._channel = await Channel.open(
            ours,
            on_request=client._unexpected_request,
            on_notification=client._notified,
            on_closed=client._closed,
        )
        try:
            ready = await client._request("start", config.model_dump(), timeout_s=START_TIMEOUT_S)
        except MediaError:
            await client.stop()
            raise
        client.port = int(ready["port"])
        client._started = True
        return client

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._gone

    @property
    def room_count(self) -> int:
        return len(self._listeners)

    async def create_room(self, room_id: str, listener: RoomListener) -> WorkerRoom:
        self._listeners[room_id] = listener
        try:
            await self._request("create_room", {"room_id": room_id})
        except BaseException:
            self._listeners.pop(room_id, None)
            raise
        return WorkerRoom(self, room_id)

    async def stats(self, *, timeout_s: float = REQUEST_TIMEOUT_S) -> WorkerStats:
        return WorkerStats.model_validate(await self._request("worker_stats", {}, timeout_s=timeout_s))

    def kill(self) -> None:
        """End a process that does not answer any more; `on_exit` follows."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Let the process say goodbye to its peers, then make sure that it is gone."""
        self._stopping = True
        if self._channel is not None:
            self._channel.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            logger.warning("worker %d did not stop in time, killing it", self.pid)
            self.kill()
            await self._process.wait()

    async def _request(self, method: str, params: dict[str, Any], *, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        assert self._channel is not None
        return await self._channel.request(method, params, timeout_s=timeout_s)

    def _unexpected_request(self, method: str, params: dict[str, Any]) -> Any:
        raise MediaError("bad_parameters", f"workers ask for nothing, not for {method}")

    def _notified(self, event: str, params: dict[str, Any]) -> None:
        listener = self._listeners.get(params["room_id"])
        if listener is None:
            return
        if event == "transport_state":
            listener.transport_state_changed(params["transport_id"], params["state"])

    def _closed(self) -> None:
        self._gone = True
        if self._stopping or not self._started:
            return
        logger.error("worker %d is gone, with %d rooms", self.pid, len(self._listeners))
        # A worker that closed the channel but still runs would keep its port.
        self.kill()
        listeners, self._listeners = self._listeners, {}
        self._on_exit(self)
        for listener in listeners.values():
            listener.media_lost()

    def _forget_room(self, room_id: str) -> None:
        self._listeners.pop(room_id, None)


class WorkerRoom:
    """A room's router in a worker: `signaling.ports.MediaRoom`. Every method may raise `MediaError`."""

    def __init__(self, worker: WorkerClient, room_id: str) -> None:
        self._worker = worker
        self._room_id = room_id

    async def _ask(self, method: str, **params: Any) -> Any:
        return await self._worker._request(method, {"room_id": self._room_id, **params})

    async def create_transport(self, transport_id: str) -> TransportParameters:
        answer = await self._ask("create_transport", transport_id=transport_id)
        return TransportParameters.model_validate(answer)

    async def connect_transport(self, transport_id: str, remote: RemoteTransportParameters) -> None:
        await self._ask("connect_transport", transport_id=transport_id, remote=remote.model_dump())

    async def close_transport(self, transport_id: str) -> None:
        await self._ask("close_transport", transport_id=transport_id)

    async def produce(self, transport_id: str, producer_id: str, parameters: ProducerParameters, paused: bool) -> None:
        await self._ask(
            "produce",
            transport_id=transport_id,
            producer_id=producer_id,
            parameters=parameters.model_dump(),
            paused=paused,
        )

    async def set_producer_paused(self, producer_id: str, paused: bool) -> None:
        await self._ask("set_producer_paused", producer_id=producer_id, paused=paused)

    async def close_producer(self, producer_id: str) -> None:
        await self._ask("close_producer", producer_id=producer_id)

    async def consume(self, transport_id: str, consumer_id: str, producer_id: str) -> ConsumerParameters:
        answer = await self._ask("consume", transport_id=transport_id, consumer_id=consumer_id, producer_id=producer_id)
        return ConsumerParameters.model_validate(answer)

    async def start_consumer(self, consumer_id: str, payload_types: Sequence[int]) -> None:
        await self._ask("start_consumer", consumer_id=consumer_id, payload_types=list(payload_types))

    async def set_consumer_paused(self, consumer_id: str, paused: bool) -> None:
        await self._ask("set_consumer_paused", consumer_id=consumer_id, paused=paused)

    async def close_consumer(self, consumer_id: str) -> None:
        await self._ask("close_consumer", consumer_id=consumer_id)

    async def stats(self) -> tuple[TransportStats, ...]:
        answer = await self._ask("room_stats")
        return tuple(TransportStats.model_validate(entry) for entry in answer)

    async def close(self) -> None:
        self._worker._forget_room(self._room_id)
        with contextlib.suppress(MediaError):
            await self._ask("close_room")


def _environment() -> dict[str, str]:
    """Of a worker: this process' own, and what helps it."""
    tunables = os.environ.get(_MALLOC_TUNABLES, "")
    # The last one of a name counts, and the operator's is the last.
    return {
        **os.environ,
        _MALLOC_TUNABLES: f"{_HUGE_PAGES}:{tunables}".rstrip(":"),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
