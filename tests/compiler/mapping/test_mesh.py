"""Tiles of cores on a mesh: no exchange of two saves anything, and a chip keeps its own."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.mapping.mesh import Mesh, arranged, cores_on_mesh
from spikec.runtime.program import IntArray

MESH = Mesh(cores=4, columns=3, rows=2, across=3, along=4)


def _cost(messages: IntArray, place: IntArray, mesh: Mesh) -> int:
    across, along = mesh.hops(place[:, None], place[None, :])
    return int((messages * (across * mesh.across + along * mesh.along)).sum())


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), tiles=st.integers(1, 17))
def test_no_exchange_saves_anything(seed: int, tiles: int) -> None:
    random = np.random.default_rng(seed)
    messages = random.integers(0, 100, (tiles, tiles)) * (random.random((tiles, tiles)) < 0.4)
    place = arranged(messages, MESH)
    on_chip = MESH.columns * MESH.rows
    assert np.array_equal(place // on_chip, np.arange(tiles) // on_chip)
    assert len(set(place.tolist())) == tiles
    found = _cost(messages, place, MESH)
    assert found <= _cost(messages, np.arange(tiles), MESH)
    last = range((tiles - 1) // on_chip * on_chip, tiles)
    free = sorted(set(range(last.start, last.start + on_chip)) - set(place.tolist()))
    for a in last:
        for b in last:
            other = place.copy()
            other[[a, b]] = place[[b, a]]
            assert found <= _cost(messages, other, MESH)
        for empty in free:
            other = place.copy()
            other[a] = empty
            assert found <= _cost(messages, other, MESH)


def test_cores_keep_their_tiles() -> None:
    cores = {"a": np.arange(0, 6), "b": np.arange(6, 8)}
    assert cores_on_mesh(cores, MESH, np.array([2, 0]))["a"].tolist() == [8, 9, 10, 11, 0, 1]
    assert cores_on_mesh(cores, MESH, np.array([2, 0]))["b"].tolist() == [2, 3]
