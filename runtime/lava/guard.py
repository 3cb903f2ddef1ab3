"""Runs a job in a guarded session: a deadline, the true error, and nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys

from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ..progress import Report
from . import supervisor
from .job import Job

_POLL_SECONDS = 0.1
_SHUTDOWN_SECONDS = 20.0
_LOG_LINES = 5
_SINGLE_THREADED = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Lava has a process per layer; threads inside them would only fight for the same cores."""


def run_guarded(job: Job, deadline: float, progress: Report | None = None) -> None:
    """Run ``job`` in a fresh interpreter and return when its recordings are complete.

    Ends within ``deadline`` seconds plus the moment that killing takes, and leaves no process and no shared memory,
    also when this process is interrupted or killed. Raises ``UnusableInput`` E502 with the error of the
    Lava process that failed, E503 at the deadline.
    """
    prefix = f"psm_{os.getpid()}_{secrets.token_hex(8)}_"
    worker = [sys.executable, "-m", "spikec.runtime.lava.worker", str(job.directory), prefix]
    script = [sys.executable, "-I", supervisor.__file__]
    arguments = [str(os.getpid()), str(deadline), prefix, str(job.directory), *worker]
    # Temporary files of Lava's processes go with the folder of the job.
    environment = os.environ | _SINGLE_THREADED | {"TMPDIR": str(job.directory)}
    with open(job.log_file, "wb") as log:
        process = subprocess.Popen(
            [*script, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(process, job, progress)
    finally:
        _stop(process, job, prefix)
    if process.returncode == supervisor.EXPIRED:
        raise UnusableInput(_expired(job, deadline))
    if process.returncode:
        raise UnusableInput(_failed(job, process.returncode))


def _wait(process: subprocess.Popen[bytes], job: Job, progress: Report | None) -> None:
    finished = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS if progress else None)
        if progress and (now := job.finished_samples()) != finished:
            finished = now
            progress(finished, job.samples)
        if process.returncode is not None:
            return


def _stop(process: subprocess.Popen[bytes], job: Job, prefix: str) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.returncode == -signal.SIGKILL:
        with contextlib.suppress(FileNotFoundError):
            supervisor.kill_session(int((job.directory / supervisor.SESSION_FILE).read_text()))
        supervisor.unlink_segments(prefix)


def _last_lines(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-_LOG_LINES:])


def _log(job: Job) -> str:
    return job.log_file.read_text(errors="replace") if job.log_file.exists() else ""


def _expired(job: Job, deadline: float) -> Diagnostic:
    finished = job.finished_samples()
    return Diagnostic(
        "E503",
        f"Lava was stopped at its deadline with {finished} of {job.samples} samples done",
        measured=deadline,
        limit=deadline,
        unit="s",
        hint="run fewer samples (--limit), give a longer deadline, or use --backend simulator",
    )


def _failed(job: Job, status: int) -> Diagnostic:
    simulator = "--backend simulator runs the same program without Lava"
    if job.failure_file.exists():
        failure = json.loads(job.failure_file.read_text())
        return Diagnostic(
            "E502",
            f"Lava process {failure['process']!r} failed: {failure['error']}",
            Place(layer=failure["process"]),
            hint=f"{simulator}; the last lines were:\n{_last_lines(failure['traceback'])}",
        )
    return Diagnostic(
        "E502",
        f"the Lava session ended without a result (status {status})",
        hint=f"{simulator}; the last lines were:\n{_last_lines(_log(job))}",
    )
