"""A worker that gets more than it can deal with."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.support.crew import Crew
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

_REQUESTS = 1500
"""More than twice what counts as a backlog, and what the kernel keeps for one socket."""


async def shed(crew: Crew) -> int:
    report = await crew.api.healthz()
    return sum(worker["drops"].get("rtcp_shed", 0) for worker in report["workers"])


async def test_a_backlog_costs_reports_and_no_media(crew: Crew) -> None:
    host, session_id = await crew.live()
    publisher = await crew.raw(host, session_id)
    await publisher.publish("camera", "microphone")
    viewer = await crew.raw(await crew.user("Viewer"), session_id)
    video = await viewer.receiving(publisher.id, "camera", packets=50)
    assert viewer.receiver is not None
    before = await shed(crew)
    workers = crew.server.worker_pids()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(_REQUESTS):
            viewer.receiver.send_pli(video)
        await asyncio.sleep(0.5)
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)

    async def noticed() -> bool:
        return await shed(crew) > before

    await until(noticed, "reports of subscribers are dropped unread")
    arrived = video.received
    await until(lambda: video.received > arrived + 50, "media goes on")
    await until(lambda: video.lost == 0, "and none of it was lost")
