"""The tutorial runs as it stands, from an empty folder, and its notebook is the same."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "tutorial.md"
NOTEBOOK = DOCS / "tutorial.ipynb"
_BLOCK = re.compile(r"```python\n(.*?)```\n", re.DOTALL)


def parts() -> Iterator[tuple[str, str]]:
    """Text and code of the page in order, what a block prints left out."""
    for place, part in enumerate(_BLOCK.split(PAGE.read_text(encoding="utf-8"))):
        if place % 2:
            yield "code", part.rstrip("\n")
        else:
            yield "markdown", (re.sub(r"\A\n((?: {4}.*\n)+)", "", part) if place else part).strip("\n")


def printed_below() -> list[list[str]]:
    """Lines of what stands below each block."""
    texts = _BLOCK.split(PAGE.read_text(encoding="utf-8"))[2::2]
    shown = [re.match(r"\n((?: {4}.*\n)+)", text) for text in texts]
    return [[] if match is None else [line[4:] for line in match[1].splitlines()] for match in shown]


def notebook() -> str:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": kind,
            "id": f"cell-{place}",
            "metadata": {},
            "source": source.splitlines(keepends=True),
            **({"execution_count": None, "outputs": []} if kind == "code" else {}),
        }
        for place, (kind, source) in enumerate(parts())
        if source
    ]
    about = {"language_info": {"name": "python"}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    document = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def test_the_notebook_is_the_page(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        NOTEBOOK.write_text(notebook(), encoding="utf-8")
    assert NOTEBOOK.read_text(encoding="utf-8") == notebook()


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does, and return what its last line is, where that is an expression."""
    tree = ast.parse(source)
    *before, last = tree.body
    shown = last.value if isinstance(last, ast.Expr) else None
    exec(compile(ast.Module(tree.body if shown is None else before, []), "tutorial", "exec"), names)
    return None if shown is None else eval(compile(ast.Expression(shown), "tutorial", "eval"), names)


def without_figures(lines: list[str]) -> list[str]:
    """Widths of columns and signs change with figures."""
    return [re.sub(r"[\s+±-]+", " ", re.sub(r"\d[\d.,]*", "N", line)).strip() for line in lines]


def test_every_cell_runs_and_prints_what_the_page_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    result: Any = None
    for cell, shown in zip(cells, printed_below(), strict=True):
        result = run_cell("".join(cell["source"]), names)
        printed = capsys.readouterr().out.splitlines()
        if result is None:
            assert without_figures(printed) == without_figures(shown)
    torch.set_num_threads(threads)
    assert "<iframe" in result._repr_html_()
    assert names["compiled"].report.agreement.equal
    assert {path.name for path in (tmp_path / "digits").iterdir()} >= {"program.json", "report.html"}
    accuracies = {point.timesteps: point.accuracy for point in names["compiled"].report.accuracies}
    assert accuracies[4] > 0.85
