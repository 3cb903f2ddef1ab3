"""What is kept of the spikes of calibration samples gives back every one of them, in an eighth of the room."""

from __future__ import annotations

import numpy as np
import pytest

from spikec.compiler.passes.kept_spikes import KeptSpikes
from spikec.runtime.simulator import Sent


@pytest.mark.parametrize("timesteps", [1, 4, 8, 9, 20])
def test_trains_come_back_step_by_step(timesteps: int) -> None:
    trains = np.random.default_rng(timesteps).integers(0, 2, (timesteps, 7, 3, 2, 5)).astype(np.uint8)
    kept = KeptSpikes(7)
    for first, last in ((0, 2), (2, 3), (3, 7)):
        kept.put(Sent(timesteps, trains=trains[:, first:last]))
    for first, last in ((0, 7), (1, 4), (6, 7)):
        found = kept.part(first, last)
        assert found.timesteps == timesteps
        assert found.has_trains
        np.testing.assert_array_equal(found.trains, trains[:, first:last])


def test_counts_come_back_as_counts() -> None:
    counts = np.random.default_rng(0).integers(0, 5, (6, 2, 2, 3)).astype(np.uint8)
    kept = KeptSpikes(6)
    kept.put(Sent(4, counts=counts[:4]))
    kept.put(Sent(4, counts=counts[4:]))
    found = kept.part(3, 6)
    assert not found.has_trains
    np.testing.assert_array_equal(found.counts, counts[3:])
    assert found.counts.dtype == np.uint8
