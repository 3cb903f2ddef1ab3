"""Loads an artefact, simulates one batch and prints its memory: ``memory_worker.py ARTEFACT IMAGES.npy``.

Prints the resident MiB once the program is loaded, and the peak.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

import spikec


def resident(field: str) -> float:
    """MiB of ``VmRSS`` or ``VmHWM``. ``getrusage`` would count the parent's pages from before ``exec``."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {field}")
    return int(found.group(1)) / 1024


def main(artefact: str, images: str) -> None:
    """Run the batch."""
    program = spikec.load_program(artefact)
    loaded = resident("VmRSS")
    spikec.simulate(program, np.load(images))
    sys.stdout.write(f"{loaded} {resident('VmHWM')}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
