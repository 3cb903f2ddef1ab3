"""The documentation as a site: built strictly and without a network, whole, and asking nobody for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import spikec

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / ".ci" / "site" / "mkdocs.yml"
ELSEWHERE = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)\s*=\s*["']?(?:https?:)?//[^>]*>""")

pytestmark = pytest.mark.skipif(not CONFIGURATION.exists(), reason="not a git checkout")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--config-file", str(CONFIGURATION)]
    built = subprocess.run([*command, "--site-dir", str(folder)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_there_and_asks_nobody(site: Path) -> None:
    pages = {p.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for p in (ROOT / "docs").rglob("*.md")}
    found = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {page.replace("README", "index") for page in pages} <= found
    for path in site.rglob("*.html"):
        assert ELSEWHERE.findall(path.read_text(encoding="utf-8")) == []
    for path in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", path.read_text(encoding="utf-8")) == []
    assert ELSEWHERE.search('<link rel="stylesheet" href="https://fonts.example.org/a.css">')


def test_every_public_name_is_told_with_its_docstring(site: Path) -> None:
    text = (site / "python.html").read_text(encoding="utf-8")
    assert [name for name in spikec.__all__ if f'id="spikec.{name}"' not in text] == []
    assert "Run <code>inputs</code> (N, *sample shape)" in text
