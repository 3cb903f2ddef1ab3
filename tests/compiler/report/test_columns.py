"""Tables and lists in plain text: nothing is lost, and no line is wider than the page."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spikec.compiler.report.columns import listed, text_table
from spikec.compiler.report.tables import Cell, Column, ReportTable

WORDS = st.text(st.sampled_from("abc_/. 0123456789"), min_size=1, max_size=90).filter(lambda text: text.strip() == text)


@st.composite
def tables(draw: st.DrawFn) -> ReportTable:
    columns = draw(st.lists(st.builds(Column, WORDS, st.booleans()), min_size=2, max_size=9))
    cells = st.tuples(*(st.builds(Cell, WORDS) for _ in columns))
    return ReportTable("title", tuple(columns), tuple(draw(st.lists(cells, max_size=5))))


def squeezed(text: str) -> str:
    return "".join(text.split())


@given(tables(), st.integers(40, 120))
def test_no_line_is_wider_than_the_page_and_every_cell_is_there(table: ReportTable, width: int) -> None:
    text = text_table(table, width)
    assert max(map(len, text.splitlines())) <= width
    letters = sorted(squeezed(text))
    told = [column.title for column in table.columns] + [cell.text for row in table.rows for cell in row]
    for letter in set(letters):
        assert letters.count(letter) >= squeezed("".join(told)).count(letter)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1), st.integers(40, 120))
def test_lists_keep_to_the_page(pairs: list[tuple[str, str]], width: int) -> None:
    text = listed(tuple(pairs), width)
    assert max(map(len, text.splitlines())) <= width
    assert sorted(squeezed(text)) == sorted(squeezed("".join(map("".join, pairs))))


def table(*names: str) -> ReportTable:
    columns = (Column("layer"), Column("worst rounding", numeric=True), Column("status"))
    return ReportTable("Layers", columns, tuple((Cell(name), Cell("0.5"), Cell("fits")) for name in names))


def test_titles_of_several_words_take_several_lines() -> None:
    assert text_table(table("a", "b"), 40).splitlines() == [
        "          worst",
        "layer  rounding  status",
        "a           0.5  fits",
        "b           0.5  fits",
    ]


def test_long_names_stand_above_their_rows() -> None:
    name = "features.0.conv.weight.quantised"
    assert text_table(table(name), 40).splitlines()[-2:] == [name, "         0.5  fits"]


def test_columns_that_do_not_fit_follow_below() -> None:
    columns = (Column("layer"), *(Column(f"column{i}") for i in range(6)))
    row = (Cell("a"), *(Cell(str(i)) for i in range(6)))
    first, second = text_table(ReportTable("", columns, (row,)), 40).split("\n\n")
    assert first.splitlines()[0] == "layer  column0  column1  column2"
    assert second.splitlines() == ["layer  column3  column4  column5", "a      3        4        5"]
