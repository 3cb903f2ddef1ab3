"""Plans of drawings: every edge can be followed, and no line runs through a node that it does not belong to."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.report.graph_layout import Layout, graph_layout


@st.composite
def networks(draw: st.DrawFn) -> list[list[int]]:
    """Rows that read one to four rows before them."""
    count = draw(st.integers(1, 14))
    return [[], *(draw(st.lists(st.integers(0, row - 1), min_size=1, max_size=4)) for row in range(1, count))]


def rows_reached(layout: Layout, source: int) -> set[int]:
    """Rows whose node a line of ``source`` ends at, followed from the node of ``source`` down."""
    lanes = {layout.lanes[source]}
    reached = set()
    for row in range(source + 1, len(layout.lanes)):
        lines = [line for line in layout.lines if line.source == source and line.row == row]
        assert all(line.begin in lanes for line in lines)
        ends = {line.end for line in lines}
        if layout.lanes[row] in ends:
            reached.add(row)
        lanes = ends - {layout.lanes[row]}
    assert not lanes or source == len(layout.lanes) - 1, "no line ends where nothing is"
    return reached


@settings(max_examples=300, deadline=None)
@given(networks())
def test_lines_lead_from_each_source_to_its_readers_alone(reads: list[list[int]]) -> None:
    layout = graph_layout(reads)
    for source in range(len(reads)):
        assert rows_reached(layout, source) == {row for row, read in enumerate(reads) if source in read}


@settings(max_examples=300, deadline=None)
@given(networks())
def test_two_sources_never_share_a_lane(reads: list[list[int]]) -> None:
    layout = graph_layout(reads)
    for row in range(len(reads)):
        passing = [(line.end, line.source) for line in layout.lines if line.row == row]
        beside = [(lane, source) for lane, source in passing if lane != layout.lanes[row]]
        assert len({lane for lane, _ in beside}) == len(set(beside))
    assert layout.width == 1 + max(layout.lanes + tuple(line.end for line in layout.lines))


def test_a_chain_is_a_straight_line() -> None:
    layout = graph_layout([[], [0], [1], [2]])
    assert layout.lanes == (0, 0, 0, 0)
    assert layout.width == 1


def test_a_shortcut_runs_at_the_side_of_its_block() -> None:
    layout = graph_layout([[], [0], [1], [2, 1], [3]])
    assert layout.lanes == (0, 0, 0, 0, 0)
    beside = [(line.row, line.begin, line.end) for line in layout.lines if line.source == 1]
    assert beside == [(2, 0, 0), (2, 0, 1), (3, 1, 0)]


def test_branches_stand_beside_each_other() -> None:
    layout = graph_layout([[], [0], [0], [0], [1, 2, 3]])
    assert len(set(layout.lanes[1:4])) == 3
    assert layout.lanes[4] in layout.lanes[1:4]
