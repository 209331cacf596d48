"""The engine's requests, without peers."""

import asyncio
import time
from typing import Any

import pytest

from sfu.worker.engine import CLOSED_AT_ONCE, Engine
from sfu.worker.lag import INTERVAL_S
from sfu.worker.messages import MediaError, WorkerConfig


@pytest.fixture
async def engine():
    made = Engine(
        WorkerConfig(bind=("127.0.0.1",), port=0, public_ip=None, log_level="WARNING"), lambda event, params: None
    )
    yield made
    made.close()


def request(engine: Engine, method: str, **params: Any) -> Any:
    return engine.handle(method, params)


async def test_a_large_room_ends_bit_by_bit(engine):
    """Whoever ends a room of a thousand must not stop the pictures of another one."""
    request(engine, "create_room", room_id="large")
    for number in range(3 * CLOSED_AT_ONCE):
        request(engine, "create_transport", room_id="large", transport_id=str(number))
    room = engine._rooms["large"]
    request(engine, "close_room", room_id="large")
    assert len(room.transports) == 2 * CLOSED_AT_ONCE
    with pytest.raises(MediaError) as refused:
        request(engine, "create_transport", room_id="large", transport_id="late")
    assert refused.value.code == "unknown_room"
    request(engine, "create_room", room_id="large")
    while room.transports:
        await asyncio.sleep(0)
    assert request(engine, "worker_stats")["rooms"] == 1
    assert not engine._mux._by_ufrag


async def test_statistics_tell_the_processor_time_and_how_late_the_loop_was(engine):
    stats = request(engine, "worker_stats")
    assert stats["cpu_s"] > 0
    assert stats["repairs"] == {}
    engine._loop.call_soon(time.sleep, INTERVAL_S + 0.1)
    await asyncio.sleep(INTERVAL_S)
    await asyncio.sleep(0)
    assert request(engine, "worker_stats")["worst_lag_ms"] >= 90
