"""The probe measures a real encryption, in a process of its own."""

from bench.cores import usable
from bench.probe import probe


def test_a_packet_takes_nanoseconds_not_nothing():
    assert 50 < probe(usable()[:1]) < 1e7
