"""A damaged file through the command line, in a process of its own with bounded memory and time."""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .mutants import Mutant, drawn_mutant
from .networks import NetworkSettings
from .verdict import Verdict

SECONDS = 10
"""Processor time that a command may take, and with that what its user waits on an idle machine."""

PATIENCE = 90.0
"""Seconds after which a command hangs, however loaded the machine is."""

MEGABYTES = 2048
_GUARD = 6 << 30
"""Bytes of address space at which a child gets no more, so that a mutant cannot harm the machine."""

_CODE = re.compile(r"\b[EWI]\d{3}\b")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FAILED = 113
"""Exit code of a child that met an exception outside of the command line's own handling."""


def try_mutant(number: int, settings: NetworkSettings, replayed: Sequence[int] | None = None) -> Verdict:
    """Judge mutant ``number``."""
    mutant = drawn_mutant(number, settings, replayed)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in mutant.files.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return _watched(mutant, Path(folder))


def _watched(mutant: Mutant, folder: Path) -> Verdict:
    """Run the command in a forked child; time and memory that it took beside what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setpgid(0, 0)
        _run_command(mutant, folder)
    os.close(writing)
    alive = not select.select([reading], [], [], PATIENCE)[0]
    if alive:
        os.killpg(child, signal.SIGKILL)
    os.close(reading)
    _, status, usage = os.wait4(child, 0)
    seconds = usage.ru_utime + usage.ru_stime
    spent = f"{seconds:.1f} s of the processor and {usage.ru_maxrss / 1024:.0f} MB"
    if alive or seconds > SECONDS:
        return Verdict("over time", f"{mutant.arguments} took {spent}")
    if usage.ru_maxrss > MEGABYTES * 1024:
        return Verdict("over memory", f"{mutant.arguments} took {spent}")
    printed, told = ((folder / name).read_text(errors="replace") for name in (".stdout", ".stderr"))
    code = os.waitstatus_to_exitcode(status)
    return _judged(mutant, code, printed, told)


def _run_command(mutant: Mutant, folder: Path) -> None:
    """Never returns: ends this process with the command's exit code. The pipe closes when it does."""
    code = _FAILED
    try:
        os.chdir(folder)
        for stream, name in ((1, ".stdout"), (2, ".stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), stream)
        sys.stdout, sys.stderr = (os.fdopen(k, "w", encoding="utf-8", errors="backslashreplace") for k in (1, 2))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS + 1, SECONDS + 2))
        resource.setrlimit(resource.RLIMIT_AS, (_GUARD, _GUARD))
        from spikec.__main__ import run

        code = run(list(mutant.arguments))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _judged(mutant: Mutant, code: int, printed: str, told: str) -> Verdict:
    last = told.strip().splitlines()[-1] if told.strip() else ""
    if code < 0:
        return Verdict("crash", f"{mutant.arguments} died of signal {-code}: {last}")
    if "Traceback" in told or code == _FAILED:
        return Verdict("traceback", f"{mutant.arguments}: {last}")
    if code not in (0, 1, 2):
        return Verdict("exit code", f"{mutant.arguments} ended with {code}: {last}")
    internal = [line for line in told.splitlines() if re.search(r"\bE9\d\d\b", line)]
    if internal:
        return Verdict("E9xx", f"{mutant.arguments}: {internal[0]}")
    control = _CONTROL.search(printed + told)
    if control is not None:
        return Verdict("control character", f"{mutant.arguments} prints {control[0]!r}")
    if code == 1 and mutant.arguments[0] == "verify":
        return Verdict("backends differ", f"{mutant.arguments}: {printed.strip()[-200:]}")
    if code == 2:
        found = _CODE.findall(told)
        return (
            Verdict(f"refused {found[0]}")
            if found
            else Verdict("refused without a code", f"{mutant.arguments}: {last}")
        )
    return Verdict(f"accepted by {mutant.arguments[0]}")
