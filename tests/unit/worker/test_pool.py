"""Real worker processes, without media: what the control process relies on when one is started, stopped or killed."""

import asyncio
import os
import signal
import socket

import pytest

from sfu.worker import pool as pool_module
from sfu.worker.messages import Fingerprint, MediaError, RemoteTransportParameters, WorkerConfig
from sfu.worker.pool import WorkerPool

REMOTE = RemoteTransportParameters(
    ice_ufrag="abcd",
    ice_pwd="0123456789abcdefghijkl",
    fingerprints=(Fingerprint(algorithm="sha-256", value=":".join(["AB"] * 32)),),
    local_dtls_role="server",
)


class Listener:
    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.states = []

    def transport_state_changed(self, transport_id, state):
        self.states.append((transport_id, state))

    def media_lost(self):
        self.lost.set()


def config(port: int = 0) -> WorkerConfig:
    return WorkerConfig(port=port, bind=("127.0.0.1",))


@pytest.fixture
async def pool():
    pool = WorkerPool([config(), config()])
    await pool.start()
    yield pool
    await pool.stop()


async def eventually(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_rooms_spread_over_workers(pool):
    rooms = [await pool.create_room(f"room-{n}", Listener()) for n in range(4)]
    assert sorted(stats.rooms for stats in await pool.stats()) == [2, 2]
    for room in rooms:
        await room.close()
    assert sorted(stats.rooms for stats in await pool.stats()) == [0, 0]


async def test_a_transport_has_what_an_answer_needs(pool):
    room = await pool.create_room("room", Listener())
    parameters = await room.create_transport("t1")
    assert [candidate.address for candidate in parameters.candidates] == ["127.0.0.1"]
    assert len(parameters.ice_pwd) >= 22
    assert parameters.fingerprints[0].algorithm == "sha-256"
    await room.connect_transport("t1", REMOTE)
    (stats,) = await room.stats()
    assert (stats.transport_id, stats.state, stats.remote_address) == ("t1", "new", None)
    await room.close_transport("t1")
    await room.close_transport("t1")
    assert await room.stats() == ()


async def test_requests_about_unknown_things_have_codes(pool):
    room = await pool.create_room("room", Listener())
    for request, code in (
        (room.connect_transport("nobody", REMOTE), "unknown_transport"),
        (room.set_producer_paused("nobody", True), "unknown_producer"),
        (room.set_consumer_paused("nobody", True), "unknown_consumer"),
        (room.consume("nobody", "c", "p"), "unknown_transport"),
    ):
        with pytest.raises(MediaError) as caught:
            await request
        assert caught.value.code == code


async def test_a_killed_worker_is_replaced_and_its_rooms_are_told(pool):
    listeners = {n: Listener() for n in range(2)}
    rooms = [await pool.create_room(f"room-{n}", listeners[n]) for n in range(2)]
    victim, survivor = [stats.pid for stats in await pool.stats()]
    os.kill(victim, signal.SIGKILL)
    await eventually(lambda: any(listener.lost.is_set() for listener in listeners.values()))
    lost = [n for n, listener in listeners.items() if listener.lost.is_set()]
    assert len(lost) == 1
    with pytest.raises(MediaError) as caught:
        await rooms[lost[0]].create_transport("t")
    assert caught.value.code == "worker_lost"
    moved = await pool.create_room(f"room-{lost[0]}", Listener())
    assert await moved.create_transport("t")

    async def both_run() -> bool:
        pids = {stats.pid for stats in await pool.stats()}
        return len(pids) == 2 and survivor in pids and victim not in pids

    async with asyncio.timeout(60):
        while not await both_run():
            await asyncio.sleep(0.1)


@pytest.fixture
def frequent_reports(monkeypatch):
    monkeypatch.setattr(pool_module, "LATE_AFTER_S", 0.2)
    monkeypatch.setattr(pool_module, "LOAD_INTERVAL_S", 0.5)


async def test_reports_tell_without_asking_which_worker_is_stuck(frequent_reports, pool):
    assert all(report.answers for report in pool.reports)
    await eventually(lambda: all(report.stats for report in pool.reports))
    stuck, other = [report.stats.pid for report in pool.reports]
    os.kill(stuck, signal.SIGSTOP)
    try:
        await eventually(lambda: not pool.reports[0].answers)
        assert pool.reports[1].answers
        assert len(await pool.stats(timeout_s=0.5)) == 1
    finally:
        os.kill(stuck, signal.SIGCONT)
    await eventually(lambda: pool.reports[0].answers)
    os.kill(other, signal.SIGKILL)
    await eventually(lambda: pool.reports[1].starts == 2 and pool.reports[1].stats)
    assert pool.reports[1].answers
    assert pool.reports[1].stats.pid != other


async def test_a_room_is_placed_even_while_the_only_worker_is_being_replaced():
    pool = WorkerPool([config()])
    await pool.start()
    try:
        (stats,) = await pool.stats()
        os.kill(stats.pid, signal.SIGKILL)
        listener = Listener()
        room = await pool.create_room("room", listener, timeout_s=60)
        assert await room.create_transport("t")
    finally:
        await pool.stop()


async def test_stop_leaves_no_process():
    pool = WorkerPool([config(), config()])
    await pool.start()
    pids = [stats.pid for stats in await pool.stats()]
    await pool.stop()
    assert not any(running(pid) for pid in pids)


async def test_a_worker_ends_with_its_control_process():
    pool = WorkerPool([config()])
    await pool.start()
    (stats,) = await pool.stats()
    # What the kernel does to the channel when the control process is killed.
    pool._workers[0]._channel.close()
    await eventually(lambda: not any(worker and worker.pid == stats.pid for worker in pool._workers))
    await pool.stop()
    await eventually(lambda: not running(stats.pid))


async def test_a_port_that_is_taken_is_told_and_nothing_stays_behind():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        pool = WorkerPool([config(port)])
        with pytest.raises(MediaError, match=str(port)):
            await pool.start()
    await pool.stop()


async def test_no_worker_at_all_is_an_error_and_not_a_hang():
    pool = WorkerPool([])
    with pytest.raises(MediaError) as caught:
        await pool.create_room("room", Listener(), timeout_s=0.05)
    assert caught.value.code == "no_worker"
