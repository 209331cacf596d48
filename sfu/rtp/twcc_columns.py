"""Transport-cc feedback that says that everything arrived, read for many datagrams at a time.

A thousand subscribers send ten thousand of these a second, and nearly all are one run of small deltas.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .rtcp_header import PT_RTPFB
from .twcc import FMT_TWCC, MAX_RUN, SMALL

_HEAD_LEN: Final = 22
"""Up to the end of the first status chunk."""
_FIRST_BYTE: Final = 0x80 | FMT_TWCC
_PADDING_BIT: Final = 0x20
_WITHOUT_PADDING: Final = 0xFF - _PADDING_BIT
# Words of 16 bits.
_LENGTH, _BASE_SEQ, _STATUS_COUNT, _FIRST_CHUNK = 1, 6, 7, 10

Numbers = NDArray[np.int64]


def read_complete_feedback(
    matrix: NDArray[np.uint8], rows: Numbers, column: int, lengths: Numbers
) -> tuple[NDArray[np.bool_], Numbers, Numbers]:
    """(which datagrams these are, their base sequence numbers, their status counts).

    A decrypted RTCP datagram of `lengths[i]` bytes, at least one, begins at `column` of row `rows[i]`; rows reach 22
    bytes further at least. Those that are chosen `sfu.rtp.reports.parse_reports` would read as transport-cc feedback,
    alone in its datagram, by which every packet was received. Of the others the numbers mean nothing.
    """
    heads = matrix[rows, column : column + _HEAD_LEN]
    words = heads.view(">u2").astype(np.int64)
    first = heads[:, 0]
    has_padding = first & _PADDING_BIT != 0
    padding = matrix[rows, column + lengths - 1].astype(np.int64) * has_padding
    counts = words[:, _STATUS_COUNT]
    run = words[:, _FIRST_CHUNK] - (SMALL << 13)
    chosen = (
        (first & _WITHOUT_PADDING == _FIRST_BYTE)
        & (heads[:, 1] == PT_RTPFB)
        & (4 * words[:, _LENGTH] + 4 == lengths)
        & (counts > 0)
        & (run >= counts)
        & (run <= MAX_RUN)
        & (_HEAD_LEN + counts + padding <= lengths)
        & (has_padding == (padding > 0))
    )
    return chosen, words[:, _BASE_SEQ], counts
