"""A drawn network's samples one after the other, as the frames of a sample that changes in time."""

from __future__ import annotations

from typing import Any

import numpy as np

from spikec.runtime.agreement import Difference, compare
from spikec.runtime.encoded_samples import frame_problems
from spikec.runtime.encoding import encode
from spikec.runtime.program import Program
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import simulate


def difference_on_frames(program: Program, samples: np.ndarray[Any, np.dtype[Any]]) -> Difference | None:
    """Where the simulator parts from the reference; None where it does not, or where there are no frames to have."""
    if program.timesteps == 1 or any(frame_problems(program)):
        return None
    frames = samples[np.arange(program.timesteps) % len(samples)]
    encoded, _ = encode(program.input, frames[None])
    runs = [run_reference(program, encoded, record=True), simulate(program, encoded, record=True)]
    return compare(program, runs).first_difference
