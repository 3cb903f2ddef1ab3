"""A drawing plan of a network: a row for each layer, in program order, and beside each other what runs in parallel.

Each source holds a lane until the last of its readers. The first reader takes the lane over, so that a chain is a
straight line; what is read again further down moves to a lane at the side, and comes back where it is joined.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...targets.records import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """What ``source`` (a row) sends, between the rows ``row - 1`` and ``row``: from one lane to the same or another."""

    source: int
    row: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """``lanes`` of the rows' nodes, and the ``lines`` between them; ``width`` lanes in all."""

    lanes: tuple[int, ...]
    lines: tuple[Line, ...]

    @property
    def width(self) -> int:
        """Lanes, at least one."""
        return 1 + max((*self.lanes, *(line.end for line in self.lines)), default=0)


def graph_layout(sources: Sequence[Sequence[int]]) -> Layout:
    """Plan of rows of which row n reads the rows ``sources[n]``, all before it."""
    reads = [sorted(set(read)) for read in sources]
    unread = [sum(row in read for read in reads) for row in range(len(reads))]
    held = dict[int, int]()
    """Lane of every source that is still to be read."""
    lanes, lines = list[int](), list[Line]()
    for row, read in enumerate(reads):
        before = dict(held)
        for source in read:
            unread[source] -= 1
        own = _own_lane(lanes, before, read, unread)
        held = {source: lane for source, lane in before.items() if unread[source]}
        taken = {own, *before.values()}
        for source, lane in held.items():
            if lane == own:
                held[source] = _free_lane(taken)
                taken.add(held[source])
        lines += [Line(source, row, before[source], own) for source in read]
        lines += [Line(source, row, before[source], lane) for source, lane in held.items()]
        lanes.append(own)
        if unread[row]:
            held[row] = own
    return Layout(tuple(lanes), tuple(lines))


def _own_lane(lanes: list[int], held: dict[int, int], read: list[int], unread: list[int]) -> int:
    """The first lane of a source that nobody took over; or of one that ends here; or a free one."""
    straight = [held[source] for source in read if held[source] == lanes[source]]
    ending = [held[source] for source in read if not unread[source]]
    return min(straight or ending or [_free_lane(set(held.values()))])


def _free_lane(taken: set[int]) -> int:
    return min(set(range(len(taken) + 1)) - taken)
