"""No picture in the docs is older than what it shows."""

from __future__ import annotations

import pytest

from spikec.compiler.evaluation.forms import evaluation_markdown

from .by_layer import MEASURED, METHODS, Measured
from .pictures import (
    COMMAND,
    DOCS,
    EVALUATIONS,
    PICTURES,
    Picture,
    calls_of,
    charts_in,
    digest,
    evaluation_of,
    recorded,
)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_no_picture_is_older_than_what_it_shows(picture: Picture) -> None:
    known = recorded()[picture.name]
    assert digest(picture.shows()) == known["shows"], f"docs/{picture.name} is older than what it shows: {COMMAND}"
    assert digest(picture.file.read_bytes()) == known["file"], f"docs/{picture.name} was not drawn by {COMMAND}"


def test_every_picture_is_drawn_by_the_command() -> None:
    files = {path.relative_to(DOCS).as_posix() for kind in ("png", "svg", "jpg") for path in DOCS.rglob(f"*.{kind}")}
    assert files == {picture.name for picture in PICTURES} == set(recorded())


@pytest.mark.parametrize("name", EVALUATIONS)
def test_tables_beside_the_pictures_show_the_same_data(name: str) -> None:
    assert (DOCS / "methods" / f"{name}.md").read_text(encoding="utf-8") == evaluation_markdown(evaluation_of(name))


@pytest.mark.parametrize("measured", MEASURED, ids=lambda measured: measured.name)
def test_tables_by_layer_are_those_of_the_documents(measured: Measured) -> None:
    table = "".join(f"    {line}\n" for line in measured.text(measured.result()).split("\n"))
    assert table in (METHODS / "by-layer.md").read_text(encoding="utf-8")


def test_what_a_plot_shows_is_all_that_it_draws() -> None:
    assert calls_of(lambda axes: axes.plot([1, 2], label="a"), (1, 1)) != calls_of(lambda axes: None, (1, 1))
    assert calls_of(lambda axes: axes.plot([1, 2]), (1, 1)) != calls_of(lambda axes: axes.plot([1, 3]), (1, 1))
    assert calls_of(lambda axes: axes.legend(), (1, 1)) != calls_of(lambda axes: axes.legend(), (2, 1))


@pytest.mark.parametrize("name", EVALUATIONS)
def test_the_page_has_the_table_of_all_methods_and_every_picture(name: str) -> None:
    page = (METHODS / "README.md").read_text(encoding="utf-8")
    assert evaluation_markdown(evaluation_of(name)).split("\n\n")[1] in page
    assert all(f"]({name}-{chart.name}.svg)" in page for chart in charts_in(name))
