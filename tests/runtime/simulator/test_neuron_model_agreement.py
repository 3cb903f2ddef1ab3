"""Random programs under every neuron model: the simulator equals the stepped reference, spike by spike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.agreement import compare
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    Population,
    Program,
    Projection,
    Shape,
    SparseSynapses,
    Synapses,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.neuron_models import MsatLayer, MsatParameters, NeuronModel, cos, msat, srp
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import loops, simulate
from spikec.runtime.simulator.native import CHOICE

Ints = npt.NDArray[np.int64]
SEEDS = st.integers(0, 2**32 - 1)
SHAPE = (2, 5, 4)
FIRING = ("a", "b", "c", "d")


class Growing:
    """A program under construction; delays and depths follow from what is added."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.populations: list[Population] = []
        self.projections: list[Projection] = []

    def weights(self, *shape: int) -> Ints:
        return self.random.integers(-9, 12, size=shape).astype(np.int64)

    def depth(self, source: str) -> int:
        return next((p.depth for p in self.populations if p.name == source), 0)

    def add(self, name: str, shape: Shape, *incoming: tuple[str, Synapses, int]) -> None:
        depth = max(self.depth(source) for source, _, _ in incoming) + 1
        for source, synapses, exponent in incoming:
            delay = depth - self.depth(source) - 1
            key = f"{source}-{name}-{len(self.projections)}"
            self.projections.append(Projection(key, source, name, synapses, exponent, delay))
        wide = [shape, (shape[0], *(1,) * (len(shape) - 1)), (1,) * len(shape)][int(self.random.integers(0, 3))]
        threshold = self.random.integers(5, 60, size=wide).astype(np.int64)
        bias = self.random.integers(-4, 3, size=wide).astype(np.int64)
        initial = self.random.integers(-9, 30, size=wide).astype(np.int64)
        self.populations.append(Population(name, shape, threshold, initial, bias, depth))


def random_program(seed: int, model: NeuronModel) -> Program:
    """Convolution, a residual sum with identity and sparse weights, dense with pooling folded in, read-out."""
    grow = Growing(seed)
    same = ConvGeometry(padding=(1, 1, 1, 1))
    grow.add("a", (4, 5, 4), (INPUT, ConvSynapses(grow.weights(4, 2, 3, 3), same), 0))
    grow.add("b", (4, 5, 4), ("a", ConvSynapses(grow.weights(4, 4, 3, 3), same), int(grow.random.integers(0, 2))))
    grow.add(
        "c",
        (4, 5, 4),
        ("b", ConvSynapses(grow.weights(4, 4, 3, 3), same), 0),
        ("a", ConvSynapses(grow.weights(4, 1, 1, 1), ConvGeometry(groups=4)), 2),
        (INPUT, ConvSynapses(grow.weights(4, 2, 1, 1), ConvGeometry()), 0),
        ("b", SparseSynapses.of_matrix(grow.weights(80, 80) * (grow.random.random((80, 80)) < 0.03)), 1),
    )
    grow.add("d", (6,), ("c", DenseSynapses(np.kron(grow.weights(6, 4), np.ones((1, 20), dtype=np.int64))), 0))
    grow.add("out", (3,), ("d", DenseSynapses(grow.weights(3, 6)), 1), ("b", DenseSynapses(grow.weights(3, 80)), 0))
    saturates = bool(grow.random.random() < 0.2)
    limit = 200 if saturates else 1 << 30
    readout = replace(grow.populations[-1], threshold=None)
    return Program(
        "random", "programmable", "pipelined", int(grow.random.integers(1, 9)), -limit, limit - 1,
        InputEncoding(SHAPE, (0, 1, 2), SHAPE, 1.0, -5, 5),
        (*grow.populations[:-1], readout), tuple(grow.projections), neuron=model,
    )  # fmt: skip


def random_samples(seed: int, count: int) -> Ints:
    return np.random.default_rng(seed).integers(-5, 6, size=(count, *SHAPE)).astype(np.int64)


def random_msat(seed: int) -> NeuronModel:
    random = np.random.default_rng(seed)
    layers = tuple(
        MsatLayer(name, float(random.uniform(0.3, 6)), float(random.choice([1.0, random.random()]))) for name in FIRING
    )
    alpha, k_a, k_i, c, tau_mp, tau_rd = (float(x) for x in random.uniform(0.1, 2, 6))
    return msat(MsatParameters(alpha, k_a, k_i, c, tau_mp, tau_rd, layers, seed=seed))


@contextmanager
def libraries(kernel: bool, numba: bool) -> Iterator[None]:
    """Leave the kernel in C or numba out, or take the compiled loops whatever the size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CHOICE, "" if kernel else "none")
        patch.setattr(loops, "_WORTH_CALLING", 0 if numba else 1 << 60)
        patch.setattr(loops, "_WORTH_LOADING", 0 if numba else 1 << 60)
        yield


def model_of(kind: str, seed: int, first_pass: int) -> NeuronModel:
    return {"srp": srp(first_pass), "cos": cos(first_pass), "msat": random_msat(seed)}[kind]


@pytest.mark.parametrize("kind", ["srp", "cos", "msat"])
@settings(max_examples=15, deadline=None)
@given(
    seed=SEEDS,
    first_pass=st.integers(1, 6),
    kernel=st.booleans(),
    numba=st.booleans(),
    batch=st.sampled_from([None, 1, 2]),
)
def test_the_simulator_equals_the_stepped_reference(
    kind: str, seed: int, first_pass: int, kernel: bool, numba: bool, batch: int | None
) -> None:
    program = random_program(seed, model_of(kind, seed, first_pass))
    samples = random_samples(seed, 3)
    assert not list(problems(program))
    slow = run_reference(program, samples, record=True)
    with libraries(kernel, numba):
        fast = simulate(program, samples, record=True, batch=batch, threads=1)
    assert compare(program, [slow, fast]).first_difference is None
    assert slow.spike_counts == fast.spike_counts
    assert np.array_equal(slow.readout, fast.readout)
    assert slow.steps == fast.steps
