"""RTCP of a whole engine, without DTLS."""

from collections.abc import Iterator

import pytest

from bench.stand_ins import Peer
from bench.wakeups import Rig, Shape
from sfu.rtp.nack import Nack

_NUMBERS = 5000
"""Of packets that one NACK asks for; a datagram has room for more."""
_MANY = 400


@pytest.fixture
async def rig() -> Iterator[Rig]:
    made = Rig(Shape("reports", subscribers=2, packets=1, video=True, feedback=2, report="twcc"))
    yield made
    made.close()


def acknowledged(rig: Rig, peer: Peer) -> int:
    assert peer.transport.subscriber is not None
    return int(rig.engine._ports.acknowledged[peer.transport.subscriber.port])


async def test_who_asks_for_too_much_is_not_heard_for_a_while_and_others_are(rig: Rig) -> None:
    greedy, other = rig._subscribers
    assert greedy.transport.subscriber is not None
    (consumer,) = greedy.transport.subscriber.consumers.values()
    nack = Nack(77, consumer.parameters.ssrc, tuple(range(_NUMBERS))).to_bytes()
    for _ in range(_MANY):
        # The bound on everybody together is not what this is about.
        rig.engine._rtcp_time.spend(-1)
        greedy.send(greedy.outbound.protect_rtcp(nack))
        rig._wake_up()
        if rig.engine._drops["rtcp_shed"]:
            break
    assert rig.engine._drops["rtcp_shed"] == 1
    rig.engine._rtcp_time.spend(-1)
    heard = acknowledged(rig, other)
    rig._report()
    rig._wake_up()
    assert rig.engine._drops["rtcp_shed"] == 2
    assert acknowledged(rig, other) == heard + 20
