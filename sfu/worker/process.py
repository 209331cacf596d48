"""The worker process: an event loop, one engine, and the channel to the control process."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from typing import Any

from . import logs
from .channel import Channel
from .engine import Engine
from .messages import MediaError, WorkerConfig

logger = logging.getLogger(__name__)


async def serve(sock: socket.socket) -> None:
    """Serve requests until the control process closes its end of `sock` (or dies, which closes it too)."""
    worker = _Worker()
    worker.channel = await Channel.open(
        sock,
        on_request=worker.handle,
        on_notification=lambda event, params: None,
        on_closed=worker.stopped.set,
    )
    await worker.stopped.wait()
    if worker.engine is not None:
        worker.engine.close()
        # DTLS goodbyes are written by tasks; one turn of the loop lets them out.
        await asyncio.sleep(0)


class _Worker:
    def __init__(self) -> None:
        self.channel: Channel | None = None
        self.engine: Engine | None = None
        self.stopped = asyncio.Event()

    def handle(self, method: str, params: dict[str, Any]) -> Any:
        if method == "start":
            return self._start(WorkerConfig.model_validate(params))
        if self.engine is None:
            raise MediaError("wrong_state", "the worker was not started")
        return self.engine.handle(method, params)

    def _start(self, config: WorkerConfig) -> dict[str, int]:
        logs.configure(config.log_format)
        logging.getLogger().setLevel(config.log_level)
        try:
            self.engine = Engine(config, notify=self._notify)
        except OSError as error:
            raise MediaError("bad_parameters", f"UDP port {config.port} can't be opened: {error.strerror}") from None
        return {"port": self.engine.port}

    def _notify(self, event: str, params: dict[str, Any]) -> None:
        # The first request may arrive before `Channel.open` has returned.
        assert self.channel is not None
        self.channel.notify(event, params)


def main(channel_fd: int) -> int:
    """Run a worker on the channel that it inherited. Returns the exit code."""
    logs.configure("console")
    # The control process decides when a worker ends, by closing the channel.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sock = socket.socket(fileno=channel_fd)
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(sock))
    else:
        uvloop.run(serve(sock))
    return 0
