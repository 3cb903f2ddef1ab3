"""Runs one command in a session of its own and leaves nothing of it behind, whatever happens.

Lava hangs when one of its processes dies, and a killed parent leaves its processes and shared memory. This script
stands between the two: it ends the whole session when the command ends, at the deadline, on a signal, and when the
process that started it is gone; then it removes the session's shared memory. It needs only the standard library and
is run by its path, so that it starts in milliseconds.

Usage: ``supervisor.py PARENT_PID SECONDS SEGMENT_PREFIX DIRECTORY COMMAND...``. Exit status: 0 if the command
succeeded, ``FAILED``, ``EXPIRED`` or ``STOPPED`` otherwise. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

FAILED, EXPIRED, STOPPED = 70, 71, 72
SHARED_MEMORY = Path("/dev/shm")
SESSION_FILE = "session"
"""File in the job's folder with the id of the command's session."""

_POLL_SECONDS = 0.02
_PR_SET_CHILD_SUBREAPER = 36


def kill_session(session: int) -> None:
    """Kill every process of the group that leads ``session``."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def unlink_segments(prefix: str) -> None:
    """Remove the shared memory whose names start with ``prefix``."""
    for segment in SHARED_MEMORY.glob(f"{prefix}*"):
        segment.unlink(missing_ok=True)


def _adopt_orphans() -> None:
    # Grandchildren become ours when their parent dies, so none escapes the final count.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _end_children() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while True:
        for child in children.read_text().split() if children.exists() else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _await(command: int, parent: int, deadline: float, signals: list[int]) -> int:
    while True:
        # Left unreaped, so that its id cannot be given to another group before the kill.
        ended = os.waitid(os.P_PID, command, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            return 0 if ended.si_code == os.CLD_EXITED and ended.si_status == 0 else FAILED
        if signals or os.getppid() != parent:
            return STOPPED
        if time.monotonic() >= deadline:
            return EXPIRED
        time.sleep(_POLL_SECONDS)


def supervise(parent: int, seconds: float, prefix: str, directory: Path, command: list[str]) -> int:
    """Run ``command`` to its end or kill it; the module says when and what is returned."""
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: signals.append(received))
    _adopt_orphans()
    deadline = time.monotonic() + seconds
    process = subprocess.Popen(command, cwd=directory, start_new_session=True)
    try:
        (directory / SESSION_FILE).write_text(str(process.pid))
        return _await(process.pid, parent, deadline, signals)
    finally:
        kill_session(process.pid)
        _end_children()
        unlink_segments(prefix)
        if os.getppid() != parent:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(supervise(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), sys.argv[5:]))
