"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

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
