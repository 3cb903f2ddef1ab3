"""A share of the fuzzer's damaged files on every run, by its command and so in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .mutants import FAMILIES, Mutant, drawn_mutant, family_of
from .networks import NetworkSettings
from .shrinking import shrunk
from .verdict import Verdict

START = Path(__file__).parent / "start.py"
SEED = 20


def fuzz(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command; ``folder`` takes its results."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    command = [sys.executable, "-W", "ignore", str(START), *map(str, arguments), "--jobs", "1", "-o", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads}, timeout=600)


@pytest.mark.parametrize("part", range(3))
def test_damaged_files_are_refused_or_read(part: int, tmp_path: Path) -> None:
    numbers = range(80 * part, 80 * part + 80)
    chosen = [n for n in numbers if part == 0 or family_of(n) != "checkpoint"]
    finished = fuzz(tmp_path, "--seed", SEED, "--no-shrink", *(a for n in chosen for a in ("--mutant", n)))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == len(chosen)


def test_a_campaign_goes_on_where_it_stopped(tmp_path: Path) -> None:
    assert fuzz(tmp_path, "--mutants", 3).returncode == 0
    before = (tmp_path / "results.jsonl").read_text()
    finished = fuzz(tmp_path, "--mutants", 5)
    after = (tmp_path / "results.jsonl").read_text()
    assert after.startswith(before)
    assert sorted(json.loads(line)["number"] for line in after.splitlines()) == [0, 1, 2, 3, 4]
    assert "5 mutants" in finished.stdout


def test_a_finding_is_told_by_the_exit_code(tmp_path: Path) -> None:
    row = {"case": "mutant", "number": 0, "seed": 0, "kind": "traceback", "finding": "ValueError: no"}
    (tmp_path / "results.jsonl").write_text(json.dumps(row) + "\n")
    finished = fuzz(tmp_path, "--mutants", 1, "--no-shrink")
    assert finished.returncode == 1
    assert "FINDING traceback, 1 times, such as mutant 0: ValueError: no" in finished.stdout


def test_every_family_is_drawn_and_its_decisions_give_it_again() -> None:
    numbers = {family_of(n): n for n in range(40)}
    assert set(numbers) == set(FAMILIES)
    for family, number in numbers.items():
        mutant = drawn_mutant(number, NetworkSettings(SEED))
        again = drawn_mutant(number, NetworkSettings(SEED), mutant.decisions)
        assert (again.family, again.arguments) == (mutant.family, mutant.arguments) == (family, mutant.arguments)
        assert again.files == mutant.files


WATCHED = """
import sys, spikec_fuzz
from pathlib import Path
from spikec_fuzz import mutant_trial
import spikec.__main__ as line
def run(arguments):
    {body}
line.run = run
mutant_trial.SECONDS, mutant_trial.PATIENCE, mutant_trial.MEGABYTES = 2, 5.0, 300
print(mutant_trial._watched(spikec_fuzz.mutants.Mutant("model", {{}}, ("verify",), ()), Path(sys.argv[1])).kind)
"""


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("return 0", "accepted by verify"),
        ("return 1", "backends differ"),
        ("return 3", "exit code"),
        ("raise ValueError", "traceback"),
        ("import os; os.abort()", "crash"),
        ("import time; time.sleep(60)", "over time"),
        ("while True: pass", "over time"),
        ("b'x' * (1 << 29); return 0", "over memory"),
        ("print('error E902: x', file=sys.stderr); return 2", "E9xx"),
        ("print('error E004: x', file=sys.stderr); return 2", "refused E004"),
        ("print('unusable', file=sys.stderr); return 2", "refused without a code"),
        ("print('\\x1b[1m'); return 0", "control character"),
    ],
)
def test_what_a_command_does_is_seen(body: str, kind: str, tmp_path: Path) -> None:
    package = START.read_text().split("importlib.import_module")[0].replace("Path(__file__)", f"Path({str(START)!r})")
    program = package + WATCHED.format(body=body)
    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert finished.stdout.strip() == kind, finished.stderr


def test_shrinking_leaves_what_the_failure_needs() -> None:
    plainest = shrunk((9, 4, 0, 7, 3, 8, 1), lambda decisions: 7 in decisions and len(decisions) >= 2)
    assert plainest == (0, 7)


def test_signatures_leave_out_what_differs_between_cases() -> None:
    first = Verdict("E9xx", "E901 after read-onnx: 'Clip_8' holds numbers that are not finite")
    second = Verdict("E9xx", "E901 after read-onnx: 'Min_19' holds numbers that are not finite")
    other = Verdict("E9xx", "E902 after read-onnx: 'Min_19' holds numbers that are not finite")
    assert first.signature == second.signature != other.signature
    assert isinstance(drawn_mutant(1, NetworkSettings()), Mutant)
