"""No test needs another one: the suite can run in any order, and the checks before a merge run it in another one."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def collected(*options: str) -> list[str]:
    """Names of the tests of two small files, in the order in which they would run."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options]
    files = ("tests/runtime/test_encoding.py", "tests/targets/test_targets_command.py")
    listed = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=True)
    return re.findall(r"^tests/\S+::.+$", listed.stdout, re.MULTILINE)


def test_shuffling_draws_an_order_and_loses_nothing() -> None:
    written, one, again, two = (collected(*o) for o in ((), ("--shuffle=1",), ("--shuffle=1",), ("--shuffle=2",)))
    assert one == again
    assert len({tuple(order) for order in (written, one, two)}) == 3
    assert sorted(written) == sorted(one) == sorted(two)
    files = [name.split("::")[0] for name in two]
    assert sum(a != b for a, b in itertools.pairwise(files)) == 1


def test_the_checks_run_the_suite_shuffled_on_all_cores() -> None:
    command = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "-n auto" in command
    assert re.search(r"--shuffle \d+", command)
