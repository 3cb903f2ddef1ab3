"""Words and paths of the documents are those of the code: words are used, and every file that is named is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEXICON = ROOT / "docs" / "lexicon.md"
DOCUMENTS = ("README.md", "CONTRIBUTING.md", *(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md")))
SOURCES = ("compiler", "models", "runtime", "targets")
PATH = re.compile(r"(?<![\w/.$*{<-])((?:compiler|models|runtime|targets|tests|docs|\.ci|\.links)/[\w./-]*[\w/])")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def rows(part: str, columns: int) -> list[list[str]]:
    """Cells of the tables of ``columns`` columns in a part of the lexicon, without their heads."""
    found = []
    for table in re.split(r"\n\n+", part):
        lines = [line for line in table.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
        found += [row for row in cells if len(row) == columns]
    return found


def parts() -> tuple[list[list[str]], list[list[str]]]:
    """Words with their homes and meanings, and retired words with what to say."""
    words, retired = LEXICON.read_text(encoding="utf-8").split("## Retired")
    return rows(words, 3), rows(retired, 2)


WORDS, RETIRED = parts()


def spellings(word: str) -> re.Pattern[str]:
    """The word in prose and in names: read-out, read_out, readout; drive, Drive, drives."""
    letters = r"[\s_-]*".join(re.escape(piece) for piece in re.split(r"[\s-]", word))
    return re.compile(letters, re.IGNORECASE)


def texts() -> dict[str, str]:
    """Tracked and new text files, without golden files, results and this test."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.py", "*.md", "*.toml", "*.jinja"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and not name.startswith("tests/golden/")]
    kept = [name for name in names if (ROOT / name).is_file() and ROOT / name not in (LEXICON, Path(__file__))]
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in kept}


def test_every_word_stands_once() -> None:
    words = [row[0] for row in WORDS]
    assert len(words) > 50
    assert sorted(words) == sorted(set(words))
    assert not {row[0].strip("`") for row in RETIRED} & set(words)


@pytest.mark.parametrize("row", WORDS, ids=lambda row: row[0])
def test_words_are_used_where_they_are_at_home(row: list[str]) -> None:
    word, home, meaning = row
    assert spellings(word).search((ROOT / home.strip("`")).read_text(encoding="utf-8"))
    assert meaning


@pytest.mark.parametrize("row", RETIRED, ids=lambda row: row[0])
def test_retired_words_are_gone(row: list[str]) -> None:
    retired, instead = (re.compile(rf"(?<![\w-]){re.escape(cell.strip('`'))}(?!\w)", re.IGNORECASE) for cell in row)
    found = texts()
    assert not [name for name, text in found.items() if retired.search(" ".join(text.split()))]
    assert any(instead.search(" ".join(text.split())) for text in found.values())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = {match.rstrip("./") for match in PATH.findall(text)}
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]
    links = [link.strip() for link in LINK.findall(text)]
    assert not [link for link in links if not ((ROOT / document).parent / link).exists()]


def map_of(document: str) -> list[str]:
    """Folders and files that the indented map of a document lists, as paths from the root."""
    found: list[str] = []
    inside: list[tuple[int, str]] = []
    for line in (ROOT / document).read_text(encoding="utf-8").splitlines():
        entry = re.match(r"( {4,})([\w.-]+(?:/|\.py))(?:\s|$)", line)
        if entry is None:
            inside = [] if line and not line.startswith(" ") else inside
            continue
        while inside and inside[-1][0] >= len(entry[1]):
            inside.pop()
        path = (inside[-1][1] if inside else "") + entry[2]
        found.append(path)
        if path.endswith("/"):
            inside.append((len(entry[1]), path))
    return found


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_maps_of_the_tree_are_true_and_leave_out_no_folder(document: str) -> None:
    listed = map_of(document)
    assert len(listed) > 20
    assert not [path for path in listed if not (ROOT / path).exists()]
    folders = {
        f"{top}/{path.name}/" for top in SOURCES for path in (ROOT / top).iterdir() if (path / "__init__.py").is_file()
    }
    assert not sorted(folders - set(listed))
