"""Runs a script in a guarded process of its own: a deadline, its last lines where it fails, nothing left behind."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from ..targets.records import dataclass
from .lava import supervisor

_SHUTDOWN_SECONDS = 20.0
_LOG_FILE = "log.txt"
_LOG_LINES = 5


@dataclass(frozen=True, slots=True)
class Ended:
    """How a script ended: its ``status``, 0 where all is well, whether at its deadline, and the last that it said."""

    status: int
    expired: bool
    last_lines: str


def run_script(script: Path, directory: Path, deadline: float) -> Ended:
    """Run ``python script directory`` with this Python and wait for its end, at most ``deadline`` seconds.

    What it says goes to a log in ``directory``, and so do its temporary files. No process of it outlives the call, also
    when this process is interrupted or killed. Linux only.
    """
    # It makes no shared memory; the prefix is one that nothing has.
    prefix = f"spikec_{os.getpid()}_{secrets.token_hex(4)}_"
    worker = [sys.executable, str(script), str(directory)]
    arguments = [str(os.getpid()), str(deadline), prefix, str(directory), *worker]
    log = directory / _LOG_FILE
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-I", supervisor.__file__, *arguments],
            env=os.environ | {"TMPDIR": str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        process.wait()
    finally:
        if process.poll() is None:
            _stop(process, directory)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return Ended(process.returncode, process.returncode == supervisor.EXPIRED, "\n".join(lines[-_LOG_LINES:]))


def _stop(process: subprocess.Popen[bytes], directory: Path) -> None:
    process.terminate()
    try:
        process.wait(_SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        supervisor.kill_session(int((directory / supervisor.SESSION_FILE).read_text()))
