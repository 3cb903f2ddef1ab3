"""Random small programs: the simulator equals the reference neuron by neuron, step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
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
    SparseSynapses,
    Synapses,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import simulate
from spikec.runtime.simulator.native import CHOICE

SEEDS = st.integers(0, 2**32 - 1)


def random_program(seed: int, *, narrow_state: bool = False) -> Program:
    """Input -> conv a -> conv b, skips from a to c and from the input to b and c, some sparse; then a read-out."""
    random = np.random.default_rng(seed)
    channels, groups = int(random.integers(1, 3)) * 2, int(random.choice([1, 2]))
    geometry = ConvGeometry(
        stride=(int(random.integers(1, 3)), int(random.integers(1, 3))),
        padding=tuple(int(p) for p in random.integers(-1, 3, size=4)),  # type: ignore[arg-type]
        dilation=(int(random.integers(1, 3)), 1),
        groups=groups,
    )
    same = ConvGeometry(padding=(1, 1, 1, 1))
    size = geometry.output_size((7, 8), (2, 3))

    def conv(outputs: int, inputs: int, kernel: tuple[int, int], where: ConvGeometry) -> ConvSynapses:
        shape = (outputs, inputs // where.groups, *kernel)
        return ConvSynapses(random.integers(-9, 10, size=shape).astype(np.int64), where)

    def population(name: str, shape: tuple[int, ...], depth: int) -> Population:
        wide = [shape, (shape[0], *(1,) * (len(shape) - 1)), (1,) * len(shape)][int(random.integers(0, 3))]
        return Population(
            name,
            shape,
            random.integers(5, 40, size=wide).astype(np.int64),
            random.integers(-9, 20, size=wide).astype(np.int64),
            random.integers(-4, 8, size=wide).astype(np.int64),
            depth,
        )

    maps = (channels, *size)
    neurons = int(np.prod(maps))
    readout = Population(
        "scores", (3,), None, np.zeros(1, dtype=np.int64), random.integers(-9, 9, size=3).astype(np.int64), 4
    )

    def matrix(targets: int, sources: int) -> Synapses:
        weight = random.integers(-9, 10, size=(targets, sources)).astype(np.int64)
        if random.random() < 0.3:
            return DenseSynapses(weight)
        return SparseSynapses.of_matrix(weight * (random.random(weight.shape) < random.choice([0, 0.01, 0.2])))

    bound = 60 if narrow_state else 1 << 20
    return Program(
        name="random",
        target="lava",
        schedule="pipelined",
        timesteps=int(random.integers(1, 6)),
        state_minimum=-bound,
        state_maximum=bound - 1,
        input=InputEncoding((2, 7, 8), (0, 1, 2), (2, 7, 8), 1.0, -8, 7, spread=bool(seed % 2)),
        populations=(population("a", maps, 1), population("b", maps, 2), population("c", maps, 3), readout),
        projections=(
            Projection("input-to-a", INPUT, "a", conv(channels, 2, (2, 3), geometry)),
            Projection("a-to-b", "a", "b", conv(channels, channels, (3, 3), same)),
            Projection("input-to-b", INPUT, "b", conv(channels, 2, (2, 3), geometry), delay=1),
            Projection("b-to-c", "b", "c", conv(channels, channels, (3, 3), replace(same, groups=groups)), exponent=1),
            Projection("a-to-c", "a", "c", conv(channels, channels, (1, 1), ConvGeometry()), delay=1),
            Projection("a-again-to-c", "a", "c", matrix(neurons, neurons), delay=1, exponent=int(random.integers(3))),
            Projection("input-to-c", INPUT, "c", matrix(neurons, 2 * 7 * 8), delay=2),
            Projection("c-to-scores", "c", "scores", matrix(3, neurons)),
        ),
    )


def random_samples(seed: int, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.random.default_rng(seed).integers(-8, 8, size=(count, 2, 7, 8)).astype(np.int64)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, narrow=st.booleans(), batch=st.integers(1, 4))
def test_simulator_equals_reference(seed: int, narrow: bool, batch: int) -> None:
    program = random_program(seed, narrow_state=narrow)
    assert not list(problems(program))
    samples = random_samples(seed, 3)
    slow = run_reference(program, samples, record=True)
    fast = simulate(program, samples, record=True, batch=batch)
    assert compare(program, [slow, fast]).first_difference is None
    assert slow.spike_counts == fast.spike_counts
    assert slow.steps == fast.steps == 3 * program.timesteps + program.depth


def test_without_the_kernel_the_results_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    program, samples = random_program(7), random_samples(7, 5)
    in_kernel = simulate(program, samples, record=True)
    monkeypatch.setenv(CHOICE, "none")
    assert compare(program, [in_kernel, simulate(program, samples, record=True)]).equal


@pytest.mark.parametrize("fault", ["delay", "sign", "bias", "initial potential"])
def test_a_broken_program_is_found_out(fault: str) -> None:
    program, samples = random_program(3), random_samples(3, 4)
    broken = _broken(program, fault)
    agreement = compare(
        program, [run_reference(program, samples, record=True), run_reference(broken, samples, record=True)]
    )
    difference = agreement.first_difference
    assert difference is not None
    assert difference.layer == {"delay": "c", "sign": "b", "bias": "b", "initial potential": "a"}[fault]
    assert 1 <= difference.step <= program.timesteps
    assert set(difference.values) == {"reference"}


def _broken(program: Program, fault: str) -> Program:
    def projections(name: str, **changes: object) -> Program:
        return replace(
            program,
            projections=tuple(replace(p, **changes) if p.name == name else p for p in program.projections),  # type: ignore[arg-type]
        )

    if fault == "delay":
        return projections("a-to-c", delay=0)
    if fault == "sign":
        synapses = program.projections[1].synapses
        return projections("a-to-b", synapses=replace(synapses, weight=-synapses.weight))
    changed = "bias" if fault == "bias" else "initial_potential"
    name = "b" if fault == "bias" else "a"
    return replace(
        program,
        populations=tuple(
            replace(p, **{changed: getattr(p, changed) + 7}) if p.name == name else p for p in program.populations
        ),
    )


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_time_invariance_of_integer_scaling(seed: int) -> None:
    """Lemma: input, threshold and v0 scaled together give the same spikes."""
    program = random_program(seed)
    doubled = replace(
        program,
        populations=tuple(
            replace(
                p,
                threshold=None if p.threshold is None else 2 * p.threshold,
                initial_potential=2 * p.initial_potential,
                bias=2 * p.bias,
            )
            for p in program.populations
        ),
        projections=tuple(replace(p, exponent=p.exponent + 1) for p in program.projections),
    )
    samples = random_samples(seed, 2)
    first, second = simulate(program, samples, record=True), simulate(doubled, samples, record=True)
    assert first.spike_trains is not None
    assert second.spike_trains is not None
    for name, trains in first.spike_trains.items():
        assert np.array_equal(trains, second.spike_trains[name])
    assert np.array_equal(2 * first.readout, second.readout)
