"""Gated populations and pulses on Lava, fused and as the stock graph, equal the reference spike by spike."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.execution import Execution
from spikec.runtime.lava import availability, run_lava
from spikec.runtime.lava.fused_section import FusedSection
from spikec.runtime.lava.guard import run_guarded
from spikec.runtime.lava.job import collect, prepare_job
from spikec.runtime.lava.sections import sections_of
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    Pulse,
    Shape,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.rules import problems
from spikec.runtime.program.synapses import summed_input_range
from spikec.runtime.reference.network import run_reference

needs_lava = pytest.mark.skipif(not availability().available, reason=availability().detail)
SAME = ConvGeometry(padding=(1, 1, 1, 1))


class Net:
    """Random integers around a topology; depths follow from the sources, delays fill up to them."""

    def __init__(self, shape: Shape, timesteps: int, seed: int = 0, exponent: int = 0) -> None:
        self.exponent = exponent
        self.random = np.random.default_rng(seed)
        encoding = InputEncoding(shape, tuple(range(len(shape))), shape, 1.0, -3, 7)
        limit = 1 << (22 + exponent)
        self.program = Program("net", "lava", "exact", timesteps, -limit, limit - 1, encoding, (), ())

    def shape_of(self, name: str) -> Shape:
        return self.program.input.shape if name == INPUT else self.program.population(name).shape

    def sends_from(self, name: str) -> int:
        gated = name != INPUT and self.program.population(name).gated
        depth = 0 if name == INPUT else self.program.population(name).depth
        return depth + 1 + (self.program.timesteps if gated else 0)

    def weights(self, *shape: int) -> IntArray:
        return self.random.integers(-15, 21, shape)

    def conv(self, source: str, channels: int, kernel: int, geometry: ConvGeometry = SAME) -> ConvSynapses:
        return ConvSynapses(
            self.weights(channels, self.shape_of(source)[0] // geometry.groups, kernel, kernel), geometry
        )

    def dense(self, source: str, neurons: int) -> DenseSynapses:
        return DenseSynapses(self.weights(neurons, int(np.prod(self.shape_of(source)))))

    def add(self, name: str, shape: Shape, sources: dict[str, ConvSynapses | DenseSynapses], kind: str) -> None:
        """``kind``: gated, plain (silent once its window's input is over) or readout."""
        depth = max(self.sends_from(source) for source in sources)
        projections = tuple(
            Projection(f"{source}-{name}", source, name, synapses, self.exponent, depth - self.sends_from(source))
            for source, synapses in sources.items()
        )
        each = (shape[0], *(1,) * (len(shape) - 1))
        added = Population(name, shape, None, self.weights(*each), self.weights(*each), depth)
        if kind != "readout":
            threshold = (self.random.integers(40, 80, each) << self.exponent) + self.random.integers(0, 2, each)
            added = replace(added, threshold=threshold, initial_potential=threshold // 2)
        self.program = replace(
            self.program,
            populations=(*self.program.populations, added),
            projections=(*self.program.projections, *projections),
        )
        if kind == "gated":
            self.gate(added)
        elif kind == "plain":
            self.silence(added)

    def gate(self, population: Population) -> None:
        """Held below threshold by at least its largest input, by axons, a wide one or a bias set for a step."""
        assert population.threshold is not None
        _, high = summed_input_range(self.program, population)
        axons, exponent = [(1, 0), (3, 2), (0, 0)][len(self.program.pulses) % 3]
        weight = -(-high * self.program.timesteps // (max(axons, 1) << exponent)) + 1
        pulse = Pulse(
            f"gate of {population.name}", population.name, self.program.timesteps + 1, weight, exponent, axons
        )
        start = population.threshold // 2 - pulse.potential
        self.change(replace(population, gated=True, bias=np.zeros(1, dtype=np.int64), initial_potential=start), pulse)

    def silence(self, population: Population) -> None:
        """What is left of a window of large input is taken away at its end."""
        _, high = summed_input_range(self.program, population)
        left = (high + np.abs(population.bias)) * self.program.timesteps
        weight = np.asarray(-left.max(), dtype=np.int64)
        pulse = Pulse(f"end of {population.name}", population.name, self.program.timesteps + 1, weight)
        self.change(replace(population, bias=-np.abs(population.bias)), pulse)

    def change(self, population: Population, pulse: Pulse) -> None:
        self.program = replace(
            self.program,
            populations=(*self.program.populations[:-1], population),
            pulses=(*self.program.pulses, pulse),
        )

    def samples(self, count: int) -> IntArray:
        return self.random.integers(-3, 8, (count, *self.program.input.shape))


def straight(timesteps: int, seed: int = 0, exponent: int = 0) -> Net:
    """Convolutions with folded pooling, groups, stride and uneven padding, then dense."""
    net = Net((4, 8, 6), timesteps, seed, exponent)
    net.add("a", (6, 8, 6), {INPUT: net.conv(INPUT, 6, 3)}, "gated")
    kernel = np.kron(net.weights(4, 6, 2, 2), np.ones((1, 1, 2, 2), dtype=np.int64))
    pooled = ConvSynapses(kernel, ConvGeometry((2, 2), (0, 2, 2, 0)))
    net.add("pooled", (4, 4, 3), {"a": pooled}, "gated")
    grouped = net.conv("pooled", 4, 2, ConvGeometry((1, 2), (1, -1, 0, 2), groups=2))
    net.add("grouped", (4, 4, 2), {"pooled": grouped}, "gated")
    net.add("flat", (9,), {"grouped": net.dense("grouped", 9)}, "gated")
    net.add("out", (3,), {"flat": net.dense("flat", 3)}, "readout")
    return net


def residual(
    timesteps: int, seed: int = 0, exponent: int = 0, kinds: tuple[str, str, str] = ("gated", "gated", "gated")
) -> Net:
    """Skip paths from the input and from a population, a wide dense projection beside a convolution."""
    net = Net((2, 5, 4), timesteps, seed, exponent)
    net.add("stem", (3, 5, 4), {INPUT: net.conv(INPUT, 3, 3)}, kinds[0])
    net.add("inner", (3, 5, 4), {"stem": net.conv("stem", 3, 3)}, kinds[1])
    sources: dict[str, ConvSynapses | DenseSynapses] = {
        "inner": net.conv("inner", 3, 3),
        "stem": net.dense("stem", 60),
        INPUT: net.conv(INPUT, 3, 1, ConvGeometry()),
    }
    net.add("sum", (3, 5, 4), sources, kinds[2])
    net.add("out", (4,), {"sum": net.dense("sum", 4), "stem": net.dense("stem", 4)}, "readout")
    return net


def mixed(timesteps: int, seed: int = 0, exponent: int = 0) -> Net:
    """A gated population between two that fire as they integrate."""
    net = residual(timesteps, seed, exponent, ("plain", "gated", "plain"))
    net.program = replace(net.program, schedule="mixed")
    return net


NETS: dict[str, Callable[[int, int, int], Net]] = {"straight": straight, "residual": residual, "mixed": mixed}


def checked(
    name: str, timesteps: int, seed: int = 0, samples: int = 3, exponent: int = 0
) -> tuple[Program, IntArray, Execution]:
    """A sound program, samples, and what the reference makes of them; ``exponent`` widens every number."""
    net = NETS[name](timesteps, seed, exponent)
    assert list(problems(net.program)) == []
    inputs = net.samples(samples)
    return net.program, inputs, run_reference(net.program, inputs, record=True)


def assert_equal(execution: Execution, expected: Execution) -> None:
    assert execution.spike_trains is not None
    assert expected.spike_trains is not None
    assert execution.spike_trains.keys() == expected.spike_trains.keys()
    for name, trains in expected.spike_trains.items():
        np.testing.assert_array_equal(execution.spike_trains[name], trains, err_msg=name)
    np.testing.assert_array_equal(execution.readout, expected.readout)
    assert execution.spike_counts == expected.spike_counts
    assert execution.steps == expected.steps


def assert_lively(expected: Execution) -> None:
    silent = [name for name, count in expected.spike_counts.items() if not count]
    assert not silent, f"agreement on populations without a spike proves nothing: {silent}"


def run_sections(program: Program, samples: IntArray, sizes: list[int], lanes: int, folder: Path) -> Execution:
    """The fused sections one step after the other, as their Lava processes would run them."""
    job = prepare_job(folder, program, samples, record=True, sections=sections_of(program, sizes), lanes=lanes)
    sections = [FusedSection(program, section, lanes, job.recordings) for section in job.sections]
    inputs = np.load(job.input_file)
    for time_step in range(1, job.steps + 1):
        window, step = divmod(time_step - 1, program.window)
        due = inputs[window * lanes : (window + 1) * lanes] if step < program.timesteps else inputs[:0]
        bus = np.zeros((lanes, inputs.shape[1]), dtype=np.int32)
        bus[: len(due)] = due
        for section in sections:
            section.compute(time_step)
            section.receive(time_step, bus)
            bus = section.send() if section is not sections[-1] else bus
    recorded = collect(job)
    steps = program.steps(len(samples))
    return Execution("fused", recorded.readouts, recorded.spike_counts, recorded.spike_trains, steps, 0.0)


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from(sorted(NETS)),
    timesteps=st.integers(1, 4),
    seed=st.integers(0, 999),
    samples=st.integers(1, 5),
    lanes=st.integers(1, 3),
    cuts=st.sets(st.integers(1, 3)),
    exponent=st.sampled_from([0, 16]),
)
def test_fused_sections_equal_the_reference(
    name: str, timesteps: int, seed: int, samples: int, lanes: int, cuts: set[int], exponent: int
) -> None:
    program, inputs, expected = checked(name, timesteps, seed, samples, exponent)
    edges = [0, *sorted(cuts), len(program.populations)]
    sizes = [end - start for start, end in pairwise(edges)]
    with tempfile.TemporaryDirectory() as folder:
        assert_equal(run_sections(program, inputs, sizes, lanes, Path(folder)), expected)


@needs_lava
@pytest.mark.parametrize(
    ("name", "timesteps", "lanes"),
    [("straight", 3, 2), pytest.param("residual", 2, 1, marks=pytest.mark.slow), ("mixed", 4, None)],
)
def test_fused(name: str, timesteps: int, lanes: int | None) -> None:
    program, inputs, expected = checked(name, timesteps)
    assert_lively(expected)
    assert_equal(run_lava(program, inputs, record=True, lanes=lanes, deadline=120.0), expected)


@needs_lava
@pytest.mark.parametrize(
    ("name", "timesteps", "stock"),
    [
        ("straight", 1, True),
        ("mixed", 2, False),
        pytest.param("residual", 4, True, marks=pytest.mark.slow),
        pytest.param("mixed", 4, True, marks=pytest.mark.slow),
        pytest.param("residual", 1, False, marks=pytest.mark.slow),
        pytest.param("straight", 3, False, marks=pytest.mark.slow),
    ],
)
def test_stock_graph(name: str, timesteps: int, stock: bool) -> None:
    program, inputs, expected = checked(name, timesteps)
    assert_lively(expected)
    assert_equal(run_lava(program, inputs, record=True, stock=stock, fused=False, deadline=300.0), expected)


@needs_lava
def test_several_sections_on_lava(tmp_path: Path) -> None:
    program, inputs, expected = checked("mixed", 3, samples=5)
    sections = sections_of(program, [1, 2, 1])
    assert [section.sends for section in sections] == [(INPUT, "stem"), ("stem", "sum"), ()]
    job = prepare_job(tmp_path, program, inputs, record=True, sections=sections, lanes=2)
    run_guarded(job, 120.0)
    recorded = collect(job)
    np.testing.assert_equal(recorded.readouts, expected.readouts)
    assert recorded.spike_counts == expected.spike_counts
    assert expected.spike_trains is not None
    for layer, trains in expected.spike_trains.items():
        np.testing.assert_array_equal(recorded.spike_trains[layer], trains, err_msg=layer)
