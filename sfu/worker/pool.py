"""All worker processes of this node: starts them, replaces the dead, places rooms on the least loaded."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from .channel import REQUEST_TIMEOUT_S
from .client import RoomListener, WorkerClient, WorkerRoom
from .messages import MediaError, WorkerConfig, WorkerStats

logger = logging.getLogger(__name__)

FIRST_RESTART_DELAY_S = 0.1
MAX_RESTART_DELAY_S = 10.0
STABLE_AFTER_S = 30.0
"""A worker that lived this long is replaced at once when it dies; after one that died young the wait grows."""
LOAD_INTERVAL_S = 2.0
LATE_AFTER_S = 2.0
"""A worker that takes this long for an answer counts as stuck; it is killed when the request times out."""
ROOM_WORTH = 0.01
"""What a room counts beside measured load, so that rooms placed between two measurements spread out."""


@dataclass
class WorkerReport:
    """What is known of a worker without asking it. `stats` are at most `LOAD_INTERVAL_S` old while `answers`."""

    starts: int = 0
    """More than one: it died, and was replaced."""
    answers: bool = False
    stats: WorkerStats | None = None
    """Of the process that runs now; None in its first moments."""


class WorkerPool:
    """`signaling.ports.MediaPlane`. `start`, then `create_room`; `stop` at the end."""

    def __init__(self, configs: list[WorkerConfig]) -> None:
        self._configs = configs
        self._workers: list[WorkerClient | None] = [None] * len(configs)
        self._loads = [0.0] * len(configs)
        self.reports = tuple(WorkerReport() for _ in configs)
        """One for each worker, in their order; changed in place."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._available = asyncio.Condition()
        self._stopping = False

    async def start(self) -> None:
        """Start every worker. Raises `MediaError` if one can't start: a taken port is the operator's to solve."""
        results = await asyncio.gather(*map(self._spawn, range(len(self._configs))), return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        if errors:
            await self.stop()
            raise errors[0]
        # One task each: a worker that does not answer must not make the others look so.
        for index in range(len(self._configs)):
            self._keep(self._measure_load(index))

    async def stop(self) -> None:
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers if worker is not None))

    async def create_room(self, room_id: str, listener: RoomListener, *, timeout_s: float = 15.0) -> WorkerRoom:
        """Place a room on the least loaded worker; waits for one that is being restarted."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    worker = await self._least_loaded()
                    try:
                        return await worker.create_room(room_id, listener)
                    except MediaError as error:
                        if error.code != "worker_lost":
                            raise
        except TimeoutError:
            raise MediaError("no_worker", "no media worker is running") from None

    async def stats(self, *, timeout_s: float = REQUEST_TIMEOUT_S) -> list[WorkerStats]:
        """Of the workers that answer in time."""
        workers = [worker for worker in self._workers if worker is not None and worker.alive]
        results = await asyncio.gather(
            *(worker.stats(timeout_s=timeout_s) for worker in workers), return_exceptions=True
        )
        return [result for result in results if isinstance(result, WorkerStats)]

    async def _least_loaded(self) -> WorkerClient:
        async with self._available:
            while True:
                candidates = [
                    (self._loads[index] + worker.room_count * ROOM_WORTH, index, worker)
                    for index, worker in enumerate(self._workers)
                    if worker is not None and worker.alive
                ]
                if candidates:
                    return min(candidates)[2]
                await self._available.wait()

    async def _spawn(self, index: int) -> None:
        started = asyncio.get_running_loop().time()

        def exited(worker: WorkerClient) -> None:
            self._workers[index] = None
            self.reports[index].answers = False
            self.reports[index].stats = None
            lived_s = asyncio.get_running_loop().time() - started
            if not self._stopping:
                self._keep(self._respawn(index, lived_s))

        worker = await WorkerClient.spawn(self._configs[index], exited)
        self._workers[index] = worker
        self._loads[index] = 0.0
        self.reports[index].starts += 1
        self.reports[index].answers = True
        async with self._available:
            self._available.notify_all()
        logger.info("worker %d listens on UDP port %d", worker.pid, worker.port)

    async def _respawn(self, index: int, lived_s: float) -> None:
        delay_s = FIRST_RESTART_DELAY_S if lived_s > STABLE_AFTER_S else FIRST_RESTART_DELAY_S * 4
        while True:
            await asyncio.sleep(delay_s)
            try:
                await self._spawn(index)
                return
            except MediaError as error:
                delay_s = min(delay_s * 2, MAX_RESTART_DELAY_S)
                logger.error("a worker can't start (%s), next try in %.1f s", error, delay_s)

    async def _measure_load(self, index: int) -> None:
        while True:
            await asyncio.sleep(LOAD_INTERVAL_S)
            worker = self._workers[index]
            if worker is not None and worker.alive:
                await self._measure(index, worker)

    async def _measure(self, index: int, worker: WorkerClient) -> None:
        report = self.reports[index]
        late = asyncio.get_running_loop().call_later(LATE_AFTER_S, setattr, report, "answers", False)
        try:
            stats = await worker.stats()
        except MediaError as error:
            if error.code == "timeout":
                logger.error("worker %d does not answer, killing it", worker.pid)
                worker.kill()
            return
        finally:
            late.cancel()
        if self._workers[index] is worker:
            self._loads[index] = stats.load
            report.stats = stats
            report.answers = True

    def _keep(self, coroutine: object) -> None:
        assert asyncio.iscoroutine(coroutine)
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
