"""Memory that the C library keeps for the next array."""

from __future__ import annotations

import numpy as np

_MAPPED_BYTES = 31 << 20


def keep_freed_pages() -> None:
    """Let arrays take the memory that the arrays before them left; up to 62 MB stay with the process.

    GNU's malloc maps a large block anew until one as large was freed; from then on it serves such blocks from its
    heap. Until a run had come to that, simulating ResNet-20 took up to twice the time, and compiling a small network
    took five page faults of six for arrays that live for one operation. Elsewhere this does nothing.
    """
    np.empty(_MAPPED_BYTES, dtype=np.uint8)
