"""Thresholds, exponents and input steps where numbers are extreme: tiny, huge, zero, few, or all of one sign."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from spikec import targets
from spikec.compiler.ir.network import INPUT, Network, Node
from spikec.compiler.ir.operators import Dense, QuantizeClip, Relu
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.passes.scales import THRESHOLD_CEILING, limit_configurations
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.runtime.encoding import encode
from spikec.runtime.program import Program
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput

Floats = npt.NDArray[np.float64]


def two_layers(
    first: Floats, last: Floats, bias: Floats | None = None, threshold: float = 1.0, scores: Floats | None = None
) -> Network:
    hidden, inputs = first.shape
    return Network(
        "two",
        (inputs,),
        (
            Node("fc1", Dense(first, np.zeros(hidden) if bias is None else bias), (INPUT,), (hidden,)),
            Node("act1", QuantizeClip(threshold, 4, 0.5), ("fc1",), (hidden,)),
            Node("fc2", Dense(last, np.zeros(len(last)) if scores is None else scores), ("act1",), (len(last),)),
        ),
        "fc2",
    )


def compiled(network: Network, target: str = "lava", timesteps: int = 4, bits: int | None = None) -> Pipeline:
    return run_passes(network, Context(targets.load(target), timesteps, None, bits), passes_for(CompileOptions()))


def program_of(pipeline: Pipeline) -> Program:
    assert pipeline.state.program is not None
    return pipeline.state.program


def normal(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("target", ["lava", "loihi1", "loihi2"])
def test_scale_of_the_scores_does_not_cost_bits(scale: float, target: str) -> None:
    """A read-out has no threshold, so the unit of the scores means nothing."""
    first, last = normal(8, 6), normal(3, 8, seed=1)
    bias = 0.1 * normal(3, seed=2)
    plain = program_of(compiled(two_layers(first, last, scores=bias), target))
    scaled = program_of(compiled(two_layers(first, last * scale, scores=bias * scale), target))
    assert np.array_equal(scaled.projections[-1].synapses.weight, plain.projections[-1].synapses.weight)
    assert np.abs(scaled.readout.bias - plain.readout.bias).max() <= 1


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_unit_of_the_activations_does_not_matter(scale: float) -> None:
    first, last, bias = normal(8, 6), normal(3, 8, seed=1), 0.1 * normal(8, seed=2)
    plain = program_of(compiled(two_layers(first, last, bias)))
    scaled = program_of(compiled(two_layers(first * scale, last / scale, bias * scale, threshold=scale)))
    for ours, theirs in zip(scaled.projections, plain.projections, strict=True):
        assert np.array_equal(ours.synapses.weight, theirs.synapses.weight)


def test_nothing_but_zeros() -> None:
    pipeline = compiled(two_layers(np.zeros((4, 5)), np.zeros((3, 4))))
    program = program_of(pipeline)
    assert not program.projections[0].synapses.weight.any()
    assert {d.code for d in pipeline.diagnostics} == {"I032"}
    readout = simulate(program, encode(program.input, np.ones((2, 5), dtype=np.float32))[0]).readout
    assert not readout.any()


def test_readout_of_biases_alone() -> None:
    program = program_of(compiled(two_layers(normal(4, 5), np.zeros((3, 4)), scores=np.array([1e-7, 2e-7, -1e-7]))))
    readout = simulate(program, encode(program.input, np.ones((2, 5), dtype=np.float32))[0]).readout
    assert readout.argmax(axis=1).tolist() == [1, 1]
    assert readout.argmin(axis=1).tolist() == [2, 2]


@pytest.mark.parametrize("target", ["lava", "loihi1", "loihi2"])
def test_threshold_of_a_neuron_that_nothing_drives_stays_sane(target: str) -> None:
    weight = normal(4, 5)
    weight[2] = 0
    threshold = program_of(compiled(two_layers(weight, normal(3, 4)), target)).populations[0].threshold
    assert threshold is not None
    assert threshold.max() <= min(THRESHOLD_CEILING, targets.load(target).threshold_limit.value)


def test_single_neuron() -> None:
    program = program_of(compiled(two_layers(np.array([[0.7]]), np.array([[1.0]]))))
    encoded, _ = encode(program.input, np.array([[1.0], [0.2], [0.0]], dtype=np.float32))
    # round(4 * 0.7) and round(4 * 0.14) spikes at L = T = 4
    assert simulate(program, encoded, record=True).spike_trains["fc1"].sum(axis=1).ravel().tolist() == [3, 1, 0]  # type: ignore[index]


@pytest.mark.parametrize("target", ["lava", "loihi1", "loihi2"])
@pytest.mark.parametrize("spread", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("bits", [None, 4, 2])
def test_weights_of_one_sign_that_round_up_still_fit(target: str, spread: float, bits: int | None) -> None:
    """784 equal weights, each rounded up, add up to far more than the margin for rounding errors that cancel."""
    weight = 1 + spread * normal(4, 784)
    network = two_layers(weight, np.ones((3, 4)), threshold=784.0)
    pipeline = compiled(network, target, timesteps=64, bits=bits)
    assert not [d for d in pipeline.diagnostics if d.code in ("E212", "E213")]
    assert all(layer["proven"] for layer in pipeline.records[-1].effect["layers"].values())


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_few_bits_of_weight_leave_fine_thresholds(bits: int) -> None:
    """With weights of -1..1 a threshold of one weight unit could hold neither theta/2 nor a bias."""
    first, bias = normal(8, 6), 0.2 * normal(8, seed=3)
    for target in ("lava", "loihi2"):
        pipeline = compiled(two_layers(first, normal(3, 8, seed=1), bias), target, bits=bits)
        program = program_of(pipeline)
        population = program.populations[0]
        assert population.threshold is not None
        assert population.threshold.min() >= 16
        wanted = bias * population.threshold
        # Loihi's biases have mantissas of 12 bits, sign apart.
        assert (np.abs(population.bias - wanted) <= np.maximum(1, np.abs(wanted) / (1 << 11))).all()
        limit = ((1 << bits - 1) - 1) * targets.load(target).weights.step.value
        assert max(int(np.abs(p.synapses.weight).max()) for p in program.projections) == limit
        assert not [d for d in pipeline.diagnostics if d.code == "W211"], "the user chose the bits"


def test_units_are_small_beside_thresholds_and_weights_as_fine_as_ever() -> None:
    """Weights far larger than thresholds: at exponent 0 a unit would be 1/40 of a threshold, 32 times over."""
    first, bias = 3 * normal(8, 6), 0.2 * normal(8, seed=3)
    program = program_of(compiled(two_layers(first, normal(3, 8, seed=1), bias), timesteps=32))
    for population, projection in zip(program.populations, program.projections, strict=True):
        assert int(np.abs(projection.synapses.weight).max()) == 127
        unit = 127 << projection.exponent if population.threshold is None else population.threshold.min()
        assert unit >= 1 << 13
    threshold = program.populations[0].threshold
    assert threshold is not None
    assert np.abs(program.populations[0].bias / threshold - bias).max() * 32 < 1 / 256


def test_large_weights_get_an_exponent_instead_of_a_refusal() -> None:
    program = program_of(compiled(two_layers(100 * normal(4, 5), normal(3, 4)), "loihi2", timesteps=1, bits=4))
    assert program.projections[0].exponent > 0
    threshold = program.populations[0].threshold
    assert threshold is not None
    assert threshold.min() >= 1


def test_too_large_a_bias_is_refused_with_its_reason() -> None:
    # Neither neuron is constant: what a bias of 1e5 leaves below the threshold the weights can reach.
    network = two_layers(normal(4, 5) * np.array([[1], [-1e5], [1], [1]]), normal(3, 4), bias=np.array([0, 1e5, 0, 0]))
    with pytest.raises(UnusableInput) as refusal:
        compiled(network, "loihi1")
    (diagnostic,) = refusal.value.diagnostics
    assert diagnostic.code == "E210"
    assert "bias range" in diagnostic.message
    assert diagnostic.measured is not None
    assert diagnostic.measured < 1
    assert "--timesteps" in (diagnostic.hint or "")


def test_all_layers_without_threshold_are_refused_together() -> None:
    first = two_layers(1e7 * normal(4, 5), 1e7 * normal(3, 4))
    nodes = (
        *first.nodes,
        Node("act2", QuantizeClip(1.0, 4, 0.5), ("fc2",), (3,)),
        Node("fc3", Dense(normal(2, 3), np.zeros(2)), ("act2",), (2,)),
    )
    with pytest.raises(UnusableInput) as refusal:
        compiled(first.with_nodes(nodes, "fc3"), "loihi2")
    assert [(d.code, d.place.layer) for d in refusal.value.diagnostics] == [("E210", "fc1"), ("E210", "fc2")]


def test_bias_that_leaves_the_weights_few_steps_is_remarked() -> None:
    network = two_layers(1e-3 * normal(4, 5), normal(3, 4), bias=np.full(4, 0.5))
    (remark,) = [d for d in compiled(network, "loihi2").diagnostics if d.code == "W211"]
    assert remark.place.layer == "fc1"
    assert "bias range" in remark.message


def test_limited_configurations_only_lower_thresholds() -> None:
    threshold = np.random.default_rng(0).integers(1, 100_000, 200).astype(np.float64)
    limited = limit_configurations(threshold, 8)
    assert len(np.unique(limited)) <= 8
    assert (limited <= threshold).all()
    assert limited.min() == threshold.min()
    # Spaced evenly in their logarithm over a range of r, eight classes lose at most a factor r^(1/8).
    assert (threshold / limited).max() <= (threshold.max() / threshold.min()) ** (1 / 8) + 1
    assert np.array_equal(limit_configurations(np.array([5.0, 7.0]), 8), [5.0, 7.0])


@pytest.mark.parametrize(
    ("values", "minimum", "largest"),
    [
        ([0.0, 0.5], 0, 1.0),
        ([-2.0, 1.0], None, 2.0),
        ([0.0, 40.0], 0, 40.0),
        ([0.0, 0.0], 0, 1.0),
        ([-1e-9, 0.0], None, 1e-9),
    ],
)
def test_input_range_comes_from_float_data(values: list[float], minimum: int | None, largest: float) -> None:
    data = Samples(np.resize(np.array(values, dtype=np.float32), (8, 5)), None)
    network = two_layers(normal(4, 5), normal(3, 4))
    context = Context(targets.load("lava"), 4, data)
    program = program_of(run_passes(network, context, passes_for(CompileOptions(calibrate=False))))
    encoding = program.input
    assert encoding.minimum == (-encoding.maximum if minimum is None else minimum)
    # A step is found in doubles from single-precision data.
    assert np.isclose(encoding.step * encoding.maximum, largest, rtol=1e-6)
    assert encode(encoding, data.inputs)[1] == ()


def test_thresholds_of_relus_from_unlabelled_floats() -> None:
    """Dead neurons beside living ones, negative inputs, no labels."""
    first = normal(4, 5)
    first[1] = 0
    network = two_layers(first, normal(3, 4))
    relu = network.with_nodes(tuple(replace(n, operator=Relu()) if n.name == "act1" else n for n in network.nodes))
    data = Samples(normal(20, 5, seed=4).astype(np.float32), None)
    pipeline = run_passes(relu, Context(targets.load("loihi2"), 4, data), passes_for(CompileOptions()))
    threshold = pipeline.stages["calibrate-thresholds"].network.node("act1").operator
    assert isinstance(threshold, QuantizeClip)
    assert 0 < threshold.threshold <= float((data.inputs @ first.T).max()) * (1 + 1e-6)
    weight = program_of(pipeline).projections[0].synapses.weight
    assert not weight[1].any()
    assert weight[0].any()
