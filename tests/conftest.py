"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has a core of its own; the libraries read this once, as they are loaded.
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(threads, "1")

import pytest
from hypothesis import settings

# Continuous integration judges a change, not the luck of the draw; everybody else keeps looking for new examples.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

TESTS = Path(__file__).parent
GOLDEN = TESTS / "golden"

CheckGolden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files from what is printed")
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="run files, and the tests of each, in an order drawn from SEED"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """No test may need another one: with ``--shuffle`` they run in another order; every worker draws the same."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        items[:] = shuffled(items, seed)


def shuffled(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """``items`` in an order drawn from ``seed``; those of a file stay together, so that they share what they set up."""
    draw = random.Random(seed)
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    for tests in files.values():
        draw.shuffle(tests)
    order = list(files.values())
    draw.shuffle(order)
    return [item for tests in order for item in tests]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> CheckGolden:
    """``golden("name.txt", text)``: compare with ``golden/<test file>/<test>-name.txt``."""
    test = Path(str(request.node.path)).relative_to(TESTS).with_suffix("")
    folder = GOLDEN / test
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.name)

    def check(name: str, text: str) -> None:
        path = folder / f"{stem}-{name}"
        if request.config.getoption("--update-golden"):
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no golden file {path.name}: run pytest with --update-golden and read what it wrote"
        assert text == path.read_text(encoding="utf-8")

    return check
