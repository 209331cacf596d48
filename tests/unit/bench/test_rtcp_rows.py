"""Reports of many transports arrive encrypted, each with the keys of its own."""

from types import SimpleNamespace

import numpy as np

from bench.rtcp_rows import RtcpRows
from sfu.net.srtp import RowPointers, SrtpInbound, SrtpKeys, SrtpOutbound
from sfu.rtp.rtcp import ReceiverReport

STRIDE = 1408


def keys(number):
    key = bytes([number]) * 28
    return SrtpKeys("AEAD_AES_128_GCM", key, key)


class Sent(dict):
    """{transport: plain packet} of what was sent."""

    def __call__(self, matrix, lengths, transports):
        for row, transport in enumerate(transports):
            inbox = RowPointers(np.zeros((1, STRIDE), np.uint8), 0)
            inbox.matrix[0] = matrix[row]
            inbox.lengths[0] = lengths[row]
            assert SrtpInbound(keys(transport)).unprotect_rtcp(inbox, 0) is None
            self[transport] = inbox.matrix[0, : inbox.lengths[0]].tobytes()


def test_everybody_gets_their_own_and_nobody_who_is_not_connected():
    transports = {number: SimpleNamespace(srtp_out=SrtpOutbound(keys(number))) for number in (1, 2, 3, 5)}
    transports[4] = SimpleNamespace(srtp_out=None)
    sent = Sent()
    rows = RtcpRows(np.zeros((8, STRIDE), np.uint8), np.zeros(8, np.int32), transports, sent)
    owners = [9, 3, 4, 1, 5]
    for row, owner in enumerate(owners):
        rows.write(row, ReceiverReport(owner).to_bytes() * (row + 1))
    rows.send(owners)
    assert sent == {owner: ReceiverReport(owner).to_bytes() * (owners.index(owner) + 1) for owner in (3, 1, 5)}
    sent.clear()
    rows.write(0, ReceiverReport(2).to_bytes())
    rows.send([2])
    rows.send([])
    assert sent == {2: ReceiverReport(2).to_bytes()}
