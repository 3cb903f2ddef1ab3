"""Links that leave docs: what they lead to is part of the site, under tree/, and they are turned there."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
OUTSIDE = (
    "README.md",
    "CONTRIBUTING.md",
    "models/shipped/README.md",
    "models/zoo/README.md",
    "tests/bench/README.md",
    "tests/runtime/program/test_msat_layer.py",
)
"""Files that pages link to; the strict build fails on a link to any other."""
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_files(files: Any, config: Any) -> Any:
    """Add what lies outside docs, and the style sheet."""
    for path in OUTSIDE:
        files.append(File.generated(config, f"tree/{path}", abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, "site.css", abs_src_path=str(Path(__file__).with_name("site.css"))))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn the links of a page that cross the border of docs."""
    place = page.file.src_uri
    home = posixpath.dirname(_in_tree(place))

    def turned(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(home, match[1]))
        return posixpath.relpath(_in_site(target), posixpath.dirname(place) or ".")

    return LINK.sub(turned, markdown)


def _in_tree(place: str) -> str:
    return place.removeprefix("tree/") if place.startswith("tree/") else f"docs/{place}"


def _in_site(path: str) -> str:
    return path.removeprefix("docs/") if path.startswith("docs/") else f"tree/{path}"
