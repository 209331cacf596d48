"""The rig of the benchmark, which is also the shortest way to see a whole wake-up of an engine from outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from bench.wakeups import SHAPES, Rig, Shape
from sfu.net.srtp import RowPointers, SrtpInbound, SrtpKeys
from sfu.worker import engine as engine_module


def received(rig: Rig) -> list[list[bytes]]:
    """What each subscriber got, decrypted."""
    taken = []
    for peer in rig._subscribers:
        inbound = SrtpInbound(SrtpKeys("AEAD_AES_128_GCM", peer.key, peer.key))
        pointers = RowPointers(np.zeros((1, 2048), np.uint8), 0)
        packets = []
        while True:
            try:
                datagram = peer.socket.recv(2048)
            except BlockingIOError:
                break
            pointers.matrix[0, : len(datagram)] = np.frombuffer(datagram, np.uint8)
            pointers.lengths[0] = len(datagram)
            if datagram[1] in range(192, 224) or datagram[0] < 0x80:
                continue
            assert inbound.unprotect(pointers, 0) is None
            packets.append(bytes(pointers.matrix[0, : int(pointers.lengths[0])]))
        taken.append(packets)
    return taken


@pytest.fixture
async def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(request.param)
    received(made)
    yield made
    made.close()


MEDIA = [shape for shape in SHAPES if shape.packets and shape.subscribers < 100 and not shape.report]
REPORTS = [shape for shape in SHAPES if shape.report or shape.checks]


def names(shapes: list[Shape]) -> list[str]:
    return [shape.name for shape in shapes]


@pytest.mark.parametrize("rig", MEDIA, ids=names(MEDIA), indirect=True)
async def test_everybody_gets_every_packet_once_and_in_order(rig: Rig) -> None:
    shape = rig.shape
    for _ in range(3):
        rig.prepare()
        rig._wake_up()
        for packets in received(rig):
            assert len(packets) == shape.publishers * shape.packets
            by_ssrc: dict[bytes, list[int]] = {}
            for packet in packets:
                by_ssrc.setdefault(packet[8:12], []).append(int.from_bytes(packet[2:4]))
            assert len(by_ssrc) == shape.publishers
            for seqs in by_ssrc.values():
                assert seqs == list(range(seqs[0], seqs[0] + shape.packets))
    assert not {reason for reason in rig.engine._drops if reason != "no_active_consumer"}


@pytest.mark.parametrize("rig", REPORTS, ids=names(REPORTS), indirect=True)
async def test_reports_and_checks_are_taken(rig: Rig) -> None:
    rig.prepare()
    rig._wake_up()
    assert not rig.engine._drops
    for peer in rig._subscribers[: rig.shape.feedback]:
        subscriber = peer.transport.subscriber
        assert subscriber is not None
        (consumer,) = subscriber.consumers.values()
        if rig.shape.report in ("twcc", "both"):
            assert rig.engine._ports.acknowledged[subscriber.port] == 20
        if rig.shape.report in ("rr", "both"):
            assert consumer.jitter_ticks == 7
        if rig.shape.report == "nack":
            assert consumer.retransmitted == 1


@pytest.mark.parametrize("rig", [shape for shape in REPORTS if shape.report == "twcc"], ids=str, indirect=True)
async def test_two_reports_of_one_subscriber_in_one_wake_up_are_both_taken(rig: Rig) -> None:
    rig.prepare()
    rig._report()
    rig._wake_up()
    assert not rig.engine._drops
    for peer in rig._subscribers[: rig.shape.feedback]:
        assert peer.transport.subscriber is not None
        assert rig.engine._ports.acknowledged[peer.transport.subscriber.port] == 40


@pytest.mark.parametrize(
    "rig",
    [Shape("few", subscribers=5, packets=2, video=True), Shape("many", subscribers=30, packets=2, video=True)],
    ids=["few", "many"],
    indirect=True,
)
async def test_a_packet_that_cannot_be_protected_is_not_sent_in_clear(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect_rows = engine_module.protect_rows

    def fail_for_one(pointers: RowPointers, first: int, handles: list[Any], longest: int | None = None) -> list[int]:
        good = protect_rows(pointers, first, handles[:3], longest)
        return good + [3] + [4 + index for index in protect_rows(pointers, 4, handles[4:], longest)]

    monkeypatch.setattr(engine_module, "protect_rows", fail_for_one)
    sent = rig.engine._packets_out
    rig.prepare()
    rig._wake_up()
    counts = [len(packets) for packets in received(rig)]
    assert sorted(counts) == [1] + [2] * (len(counts) - 1)
    assert rig.engine._drops == {"srtp_protect_failed": 1}
    assert rig.engine._packets_out - sent == sum(counts)
