"""One convolution whose sources fire at a rate that is chosen: how time grows with the synapses that spikes reach."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets import load

from .measure import alternating
from .rows import ACTIVE_SYNAPSES, SPIKEC, Row
from .ways import plain_install

CHANNELS, SIZE, BATCH, TIMESTEPS = 128, 16, 64, 4
NET = f"one layer, {CHANNELS} channels, {SIZE}x{SIZE}"

_RATES = (0.02, 0.05, 0.1, 0.15, 0.2)
_DENSE_RATES = (0.3, 0.5, 0.8)
"""Beyond break-even on some processors: what is multiplied no longer depends on the rate."""

_THRESHOLD = 64
_SILENT = 1 << 20
_LARGEST_WEIGHT = 127


def one_layer() -> Program:
    """Neurons that fire at every step in which their input is the threshold, a 3x3 convolution of them, a read-out."""
    random = np.random.default_rng(0)
    shape = (CHANNELS, SIZE, SIZE)
    zero, nothing = np.zeros((1, 1, 1), dtype=np.int64), np.zeros(1, dtype=np.int64)

    def weights(*size: int) -> IntArray:
        return random.integers(-_LARGEST_WEIGHT, _LARGEST_WEIGHT + 1, size)

    def population(name: str, threshold: int, depth: int) -> Population:
        return Population(name, shape, np.full((1, 1, 1), threshold, dtype=np.int64), zero, zero, depth)

    copied = ConvSynapses(np.ones((CHANNELS, 1, 1, 1), dtype=np.int64), ConvGeometry(groups=CHANNELS))
    convolved = ConvSynapses(weights(CHANNELS, CHANNELS, 3, 3), ConvGeometry(padding=(1, 1, 1, 1)))
    target = load("lava")
    return Program(
        name="one-layer",
        target=target.name,
        schedule="pipelined",
        timesteps=TIMESTEPS,
        state_minimum=target.state_minimum,
        state_maximum=target.state_maximum,
        input=InputEncoding(shape, (0, 1, 2), shape, step=1.0, minimum=0, maximum=_THRESHOLD),
        populations=(
            population("sources", _THRESHOLD, 1),
            # It never fires, so that all active synapses are those of the convolution.
            population("convolved", _SILENT, 2),
            Population("scores", (10,), None, nothing, nothing, 3),
        ),
        projections=(
            Projection("input-to-sources", INPUT, "sources", copied),
            Projection("sources-to-convolved", "sources", "convolved", convolved),
            Projection("convolved-to-scores", "convolved", "scores", DenseSynapses(weights(10, CHANNELS * SIZE**2))),
        ),
    )


def firing(rate: float) -> IntArray:
    """Samples (BATCH, CHANNELS, SIZE, SIZE) in which this share of the sources fires at every step."""
    drawn = np.random.default_rng(1).random((BATCH, CHANNELS, SIZE, SIZE))
    return _THRESHOLD * (drawn < rate).astype(np.int64)


def measure_rates(rounds: int) -> Iterator[Row]:
    """Rows of part ``scaling``; ``size`` is the synapses that a sample's spikes reach, as an ANN would count them."""
    run = plain_install(one_layer(), 1)
    calls = {str(rate): partial(run, firing(rate)) for rate in (*_RATES, *_DENSE_RATES)}
    for name, timings in alternating(calls, rounds).items():
        rate = float(name)
        synapses = round(rate * CHANNELS * SIZE**2 * TIMESTEPS * 9 * CHANNELS)
        note = f"over {ACTIVE_SYNAPSES}" if rate in _RATES else "beyond break-even"
        yield Row(
            "scaling", NET, SPIKEC, "s", timings.wall, TIMESTEPS, BATCH, note=f"{note}", threads=1, size=synapses,
            cpu=timings.cpu,
        )  # fmt: skip
