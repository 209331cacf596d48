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
"""More than what counts as a backlog, and less than the kernel keeps for one socket."""

_NACKED = 150
"""Packets that one NACK asks for."""
_NACKS_AT_ONCE = 200
"""More than any machine reads in the hundredth of a second until the next ones."""


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


async def test_who_asks_for_everything_again_does_not_take_the_time_of_others(crew: Crew) -> None:
    host, session_id = await crew.live()
    publisher = await crew.raw(host, session_id)
    await publisher.publish("camera")
    greedy, other = [await crew.raw(await crew.user(name), session_id) for name in ("Greedy", "Other")]
    wanted = await greedy.receiving(publisher.id, "camera", packets=200)
    video = await other.receiving(publisher.id, "camera", packets=50)
    assert greedy.receiver is not None
    before = await shed(crew)

    async def ask() -> None:
        newest = max(wanted.seqs)
        greedy.receiver.send_nack(wanted, [newest - back & 0xFFFF for back in range(_NACKED)], times=_NACKS_AT_ONCE)
        await asyncio.sleep(0.01)

    async def noticed() -> bool:
        await ask()
        return await shed(crew) > before

    await until(noticed, "what is too much is dropped unread")
    video.withheld = lambda ext_seq: ext_seq % 10 == 0
    repaired = video.repaired
    while video.repaired < repaired + 20:
        await ask()
    video.withheld = lambda ext_seq: False
    await until(lambda: video.lost == 0, "who asks for little has all of it")
    await until(lambda: wanted.lost == 0, "and so has who asked")
