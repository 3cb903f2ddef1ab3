"""Runs a command and prints what it took, as JSON: ``watched_worker.py LOG COMMAND ARGUMENT...``.

Seconds by the clock and of processor time, and the largest resident set in bytes. A process counts what its parent held
when it was started, so that a benchmark of gigabytes has to let a small one do it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path


def main(log: str, *command: str) -> int:
    """Run it; what it says goes to ``log``, and its exit code is this one's."""
    began = time.perf_counter()
    with Path(log).open("wb") as written:
        code = subprocess.run(command, stdout=written, stderr=subprocess.STDOUT, check=False).returncode
    wall, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    sys.stdout.write(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
