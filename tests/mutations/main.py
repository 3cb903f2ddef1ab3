"""Mutations of our own code: each is applied to a copy of the tree, and the tests that should notice it are run there.

``mutations.toml`` lists them. A mutation is caught when a test fails. Prints a table, and exits with 1 if one was not
caught.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("mutations.toml")
NUMBA_CACHE = Path("runtime/simulator/__pycache__")
COMPILED = ("runtime/simulator/compiled.py", "runtime/program/msat_threshold.py")
"""What numba compiles: the cache of its work is of no use once one of these has changed."""

# The environment's import hook leads to the tree that was installed; a copy has to come before it.
HOOK = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "Redirecting" not in type(finder).__name__]
"""


@dataclass(frozen=True, slots=True)
class Mutation:
    """Replacing ``old``, which stands once in ``file``, by ``new`` makes one of ``tests`` (paths) fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said: ``caught``, ``not caught`` or ``no verdict``, the first failure, and the seconds it took."""

    mutation: Mutation
    result: str
    failure: str
    seconds: float


def mutations() -> tuple[Mutation, ...]:
    """All mutations of the list, in its order."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))["mutation"]
    return tuple(Mutation(**{**each, "tests": tuple(each["tests"])}) for each in listed)


def judge(mutation: Mutation, whole: bool, limit: float) -> Verdict:
    """Apply ``mutation`` to a copy of the tree and run its tests there, or the whole default suite."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spikec-mutation-") as folder:
        copy = Path(folder) / "tree"
        _copy_tree(copy, mutation)
        changed = copy / mutation.file
        text = changed.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            return Verdict(mutation, "no verdict", "the old text does not stand there once", 0.0)
        changed.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        result, failure = _tested(copy, Path(folder), ("tests",) if whole else mutation.tests, limit)
    return Verdict(mutation, result, failure, time.monotonic() - started)


def _copy_tree(copy: Path, mutation: Mutation) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, copy / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    if mutation.file not in COMPILED and (ROOT / NUMBA_CACHE).is_dir():
        shutil.copytree(ROOT / NUMBA_CACHE, copy / NUMBA_CACHE)
        # Python compiles anew: a file of the same size and second would pass for the one that was compiled.
        for compiled in (copy / NUMBA_CACHE).glob("*.pyc"):
            compiled.unlink()


def _tested(copy: Path, folder: Path, tests: tuple[str, ...], limit: float) -> tuple[str, str]:
    (folder / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    paths = os.pathsep.join((str(folder), str(copy / ".links")))
    environment = {**os.environ, "PYTHONPATH": paths, "CI": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts="]
    command += ["--import-mode=importlib", "-m", "not slow", "--no-header", "--tb=no", *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return "caught", f"no end within {limit:.0f} s"
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    if done.returncode == 0:
        return "not caught", ""
    if done.returncode == 1 and failures:
        return "caught", failures[0].removeprefix("FAILED ").split(" - ")[0]
    return "no verdict", (done.stdout + done.stderr).strip().splitlines()[-1][:100]


def main() -> int:
    """Judge the mutations that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of mutations; all without one")
    parser.add_argument("--whole", action="store_true", help="run the whole default suite instead of the listed tests")
    parser.add_argument("--jobs", type=int, default=1, help="mutations at a time")
    parser.add_argument("--limit", type=float, default=600, help="seconds for each")
    given = parser.parse_args()
    chosen = [m for m in mutations() if not given.names or any(name in m.name for name in given.names)]
    with ThreadPoolExecutor(given.jobs) as pool:
        verdicts = []
        for verdict in pool.map(lambda m: judge(m, given.whole, given.limit), chosen):
            verdicts.append(verdict)
            line = f"{verdict.result:11} {verdict.seconds:5.0f} s  {verdict.mutation.name:60} {verdict.failure}"
            print(line.rstrip(), flush=True)  # noqa: T201 - this is a command
    caught = sum(verdict.result == "caught" for verdict in verdicts)
    print(f"{caught} of {len(verdicts)} caught")  # noqa: T201
    return 0 if caught == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
