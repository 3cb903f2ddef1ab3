"""Sparse maps through the passes: what the same weights as a matrix become, and what is rounded row by row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from spikec import targets
from spikec.compiler.ir.composition import as_matrix, identity, then_sparse
from spikec.compiler.ir.network import INPUT, Network
from spikec.compiler.ir.operators import AveragePool, Pad, QuantizeClip, Reshape, Slice, Transpose
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.ir.sparse_maps import sparse_from_matrix
from spikec.compiler.ir.spiking import DenseMap, Projection, SparseMap, SpikingNetwork
from spikec.compiler.ir.text import print_program, print_spiking
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.balance_thresholds import BalanceThresholds
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.passes.drives import (
    Drive,
    drives_of,
    entries_by_row,
    largest_weight,
    mean_square_activity,
    values_of_rows,
)
from spikec.compiler.passes.fan_in_moments import (
    Apart,
    RecentMoments,
    calibration_messages,
    fan_in_blocks,
    fan_ins_apart,
)
from spikec.compiler.passes.fold_integers import FoldIntegers
from spikec.compiler.passes.quantize_weights import QuantizeWeights
from spikec.compiler.passes.rounding import round_against
from spikec.compiler.passes.scales import expected_error, received_activity, rounding_error
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.runtime.agreement import compare
from spikec.runtime.encoding import encode
from spikec.runtime.program import DenseSynapses, Program, SparseSynapses
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate

NETWORK = Network("network", (1,), (), INPUT)
"""Stands in for the level that is not looked at."""


def drawn_network(builder: type) -> Network:
    """Four sparse maps: transposed, uneven windows from the graded input, some of a vector, padded after cropping."""
    net = builder((2, 10, 10))
    pooled = net.add("windows", AveragePool((3, 3), (2, 2), (1, 1, 1, 1), count_padding=False), INPUT)
    net.add("act1", QuantizeClip(0.6, 4), pooled)
    net.add("turned", Transpose((0, 2, 1)), "act1")
    net.add("act2", QuantizeClip(0.9, 4), net.conv("conv2", "turned", 4))
    net.add("cropped", Pad((0, -1, 0), (0, 0, 0)), "act2")
    net.add("act3", QuantizeClip(0.9, 4), net.conv("conv3", "cropped", 3))
    net.add("flat", Reshape((int(np.prod(net.shapes["act3"])),)), "act3")
    net.add("some", Slice((1,), (net.shapes["flat"][0],), (3,)), "flat")
    net.add("act4", QuantizeClip(1.0, 4), "some")
    net.dense("scores", "act4", 3)
    network: Network = net.network()
    return network


@pytest.fixture
def network(builder: type) -> Network:
    return drawn_network(builder)


@pytest.fixture
def images() -> Samples:
    return Samples(np.random.default_rng(5).integers(0, 256, (24, 2, 10, 10)).astype(np.uint8), None)


@pytest.fixture
def spiking(network: Network) -> SpikingNetwork:
    state = Compilation(network)
    for step in (ComposeLinearMaps(), BalanceThresholds()):
        state = step.run(state, Context(targets.load("lava"), 4)).state
    assert state.spiking is not None
    return state.spiking


def matrix_of(spiking: SpikingNetwork, projection: Projection) -> npt.NDArray[np.float64]:
    assert isinstance(projection.map, SparseMap)
    shape = spiking.population(projection.target).shape
    return as_matrix(then_sparse(identity("a", spiking.source_shape(projection)), projection.map, shape))


def with_matrices(spiking: SpikingNetwork) -> SpikingNetwork:
    """The same maps, each sparse one as a matrix."""
    return spiking.with_parts(
        projections=tuple(
            replace(p, map=DenseMap(matrix_of(spiking, p))) if isinstance(p.map, SparseMap) else p
            for p in spiking.projections
        )
    )


def test_the_maps_are_sparse(spiking: SpikingNetwork) -> None:
    assert [type(p.map) is SparseMap for p in spiking.projections] == [True, True, True, True, False]
    assert print_spiking(spiking).count(" sparse weight ") == 4


def test_rates_are_those_of_the_matrices(spiking: SpikingNetwork) -> None:
    samples = np.random.default_rng(0).random((3, 2, 10, 10))
    found, expected = (evaluate_rates(s, samples, continuous=True) for s in (spiking, with_matrices(spiking)))
    for name, rates in expected.items():
        np.testing.assert_allclose(found[name], rates, rtol=0, atol=1e-12)


def test_rows_of_entries() -> None:
    entries = sparse_from_matrix(np.array([[0.0, 2, 3], [0, 0, 0], [4, 0, 0], [5, 6, 0]]))
    rows = entries_by_row(entries, entries.weight, (2, 2))
    assert rows.tolist() == [[[2, 3], [0, 0]], [[4, 0], [5, 6]]]
    assert values_of_rows(entries, 2 * rows).tolist() == [4, 6, 8, 10, 12]
    nothing = sparse_from_matrix(np.zeros((4, 3)))
    assert entries_by_row(nothing, nothing.weight, (2, 2)).shape == (2, 2, 1)
    assert values_of_rows(nothing, np.zeros((2, 2, 1))).shape == (0,)


def test_drives_measure_as_those_of_the_matrices(spiking: SpikingNetwork) -> None:
    random = np.random.default_rng(1)
    activity = {p.name: random.random(p.shape[0]) for p in spiking.populations}
    activity[INPUT] = random.random(spiking.input.shape[0])
    for population in spiking.populations:
        sparse = drives_of(spiking, population, activity, 4)
        dense = drives_of(with_matrices(spiking), population, activity, 4)
        threshold, exponents = random.uniform(20, 90, population.shape[0]), (1,) * len(sparse)
        assert np.array_equal(largest_weight(sparse[0]), largest_weight(dense[0]))
        errors = []
        for drives in ([without_zeros(d) for d in sparse], [without_zeros(d) for d in dense]):
            received = np.array([np.broadcast_to(received_activity(drive), len(threshold)) for drive in drives])
            expected = expected_error(received, exponents, threshold, 2)
            errors.append([expected, *rounding_error(drives, exponents, threshold, 2)])
        np.testing.assert_allclose(errors[0], errors[1], rtol=1e-9)


def without_zeros(drive: Drive) -> Drive:
    """A matrix counts its zeros as weights that are rounded; a sparse map has none."""
    activity = np.broadcast_to(drive.activity, drive.weight.shape)
    return replace(drive, activity=activity * (drive.weight != 0))


def test_without_calibration_the_integers_are_those_of_the_matrices(spiking: SpikingNetwork) -> None:
    """Where no range binds: else a matrix's zeros count as weights that rounding would spoil."""
    programs = []
    for given in (spiking, with_matrices(spiking)):
        context = Context(targets.load("lava"), 4)
        state = Compilation(NETWORK, given, activity=mean_square_activity(NETWORK, given, None))
        quantised = QuantizeWeights().run(state, context).state
        folded = FoldIntegers().run(quantised, context).state.program
        assert folded is not None
        programs.append(folded)
    sparse, dense = programs
    for a, b in zip(sparse.projections, dense.projections, strict=True):
        assert a.exponent == b.exponent
        if isinstance(a.synapses, SparseSynapses):
            assert isinstance(b.synapses, DenseSynapses)
            kept = SparseSynapses.of_matrix(b.synapses.weight)
            for part in ("weight", "source", "target"):
                assert np.array_equal(getattr(a.synapses, part), getattr(kept, part))
    for mine, other in zip(sparse.populations, dense.populations, strict=True):
        assert np.array_equal(mine.bias, other.bias)
        assert mine.threshold is None or other.threshold is None or np.array_equal(mine.threshold, other.threshold)


def test_moments_of_each_row(network: Network, spiking: SpikingNetwork, images: Samples) -> None:
    context = Context(targets.load("lava"), 4, images)
    state = Compilation(network, spiking, activity=mean_square_activity(network, spiking, images))
    quantised = QuantizeWeights().run(state, context).state.spiking
    assert quantised is not None
    messages = calibration_messages(network, quantised, images)
    projection = quantised.projections[1]
    population = quantised.population(projection.target)
    assert fan_in_blocks((projection,), population, messages, RecentMoments()) == []
    (apart,) = fan_ins_apart((projection,), population, messages)
    flat = messages[projection.source].reshape(len(images.inputs), -1).astype(np.float64)
    matrix = matrix_of(quantised, projection)
    for row in (0, 17, len(matrix) - 1):
        (sources,) = np.nonzero(matrix[row])
        mean = apart.mean.reshape(len(matrix), -1)[row]
        variance = apart.variance.reshape(len(matrix), -1)[row]
        np.testing.assert_allclose(mean[: len(sources)], flat[:, sources].mean(axis=0), rtol=0, atol=1e-7)
        np.testing.assert_allclose(variance[: len(sources)], flat[:, sources].var(axis=0), rtol=0, atol=1e-7)
        assert not mean[len(sources) :].any()


def test_rows_are_rounded_to_nearest_and_their_error_is_known() -> None:
    random = np.random.default_rng(3)
    weight, mean, variance = random.normal(size=(3, 4, 5)), random.random((3, 4, 5)), random.random((3, 4, 5))
    projection: Projection = None  # type: ignore[assignment]
    drive = Drive(projection, weight, np.ones((1, 1, 5)), 0, 1, (0, 4))
    candidates = np.array([[20.0, 30, 40], [25, 35, 45]])
    own = np.array([23.6, 36.7, 43.8])
    for given in (None, own):
        found = round_against([Apart(0, mean, variance)], [drive], (1,), (candidates, given), (2, 60))
        tried = [(theta, theta) for theta in candidates]
        if given is not None:
            tried.append((given, np.rint(given)))
        squares = []
        for aim, theta in tried:
            steps = np.clip(np.rint(weight * aim[:, None, None] / 4), -30, 30)
            error = steps * 4 / theta[:, None, None] - weight
            squares.append((variance * error**2).sum(axis=2).mean(axis=1))
            chosen = found.threshold == theta
            np.testing.assert_allclose(found.drives[0].weight[chosen], (weight + error)[chosen], rtol=0, atol=1e-12)
            np.testing.assert_allclose(found.mean_error[chosen], (mean * error).sum(axis=2)[chosen], atol=1e-9)
        np.testing.assert_allclose(found.square_error, np.min(squares, axis=0), rtol=1e-9)


def test_weights_that_round_to_zero_are_no_synapses(spiking: SpikingNetwork) -> None:
    first = spiking.projections[0]
    assert isinstance(first.map, SparseMap)
    population = replace(spiking.population(first.target), threshold=None, integer_threshold=np.full((1, 1, 1), 100.0))
    steps = np.arange(len(first.map.weight)) % 3 - 1.0
    whole = spiking.with_parts((population,), (replace(first, map=replace(first.map, weight=steps / 100)),))
    program = FoldIntegers().run(Compilation(NETWORK, whole), Context(targets.load("lava"), 4)).state.program
    assert program is not None
    synapses = program.projections[0].synapses
    assert isinstance(synapses, SparseSynapses)
    assert synapses.weight.tolist() == steps[steps != 0].tolist()
    assert synapses.target.tolist() == first.map.target[steps != 0].tolist()
    empty = whole.with_parts(projections=(replace(first, map=replace(first.map, weight=0 * steps)),))
    program = FoldIntegers().run(Compilation(NETWORK, empty), Context(targets.load("lava"), 4)).state.program
    assert program is not None
    assert program.projections[0].synapses.weight.size == 0
    assert " sparse weight none source none target none " in print_program(program)


@pytest.mark.parametrize("schedule", ["pipelined", "exact"])
@pytest.mark.parametrize("calibrated", [False, True])
def test_a_compiled_network_runs_alike(network: Network, images: Samples, schedule: str, calibrated: bool) -> None:
    context = Context(targets.load("lava"), 4, images if calibrated else None, None, schedule)
    pipeline = run_passes(network, context, passes_for(CompileOptions()))
    program = pipeline.state.program
    assert program is not None
    assert not list(problems(program))
    assert sparse_projections(program) == 4
    samples, _ = encode(program.input, images.inputs[:4])
    slow, fast = run_reference(program, samples, record=True), simulate(program, samples, record=True)
    assert compare(program, [slow, fast]).first_difference is None
    assert all(count > 20 for count in slow.spike_counts.values())


def sparse_projections(program: Program) -> int:
    return sum(isinstance(p.synapses, SparseSynapses) for p in program.projections)
