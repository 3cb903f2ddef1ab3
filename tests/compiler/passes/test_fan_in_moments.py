"""Moments of fan-ins against patches cut out by hand, and what they do to the weights of a whole network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import Network
from spikec.compiler.ir.spiking import ConvMap, DenseMap, Population, Projection
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes import fan_in_moments
from spikec.compiler.passes.contract import Context
from spikec.compiler.passes.fan_in_moments import RecentMoments, fan_in_blocks
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.samples import Samples


def population(*shape: int) -> Population:
    ones = np.ones((1,) * len(shape))
    return Population("target", shape, ones, ones / 2, ones, 1.0, "act")


def rates(*shape: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def conv(source: str, outputs: int, inputs: int, kernel: int, geometry: ConvGeometry) -> Projection:
    return Projection(
        f"{source}-to-target", source, "target", ConvMap(np.ones((outputs, inputs, kernel, kernel)), geometry)
    )


def test_convolution_with_groups_sees_its_own_channels_and_the_padding() -> None:
    messages = {"input": rates(3, 4, 5, 5)}
    projection = conv("input", 6, 2, 3, ConvGeometry((2, 2), (1, 1, 1, 1), groups=2))
    blocks = fan_in_blocks((projection,), population(6, 3, 3), messages, RecentMoments())
    assert [(b.rows, b.pieces) for b in blocks] == [(slice(0, 3), ((0, 0, 18),)), (slice(3, 6), ((0, 0, 18),))]
    padded = np.pad(messages["input"].astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    for group, block in enumerate(blocks):
        patches = [
            padded[n, 2 * group : 2 * group + 2, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3].ravel()
            for n, y, x in np.ndindex(3, 3, 3)
        ]
        # Moments are taken in single precision.
        assert np.allclose(block.mean, np.mean(patches, axis=0), atol=1e-6)
        assert np.allclose(block.covariance, np.cov(patches, rowvar=False, bias=True), atol=1e-6)


def test_residual_convolutions_share_blocks_and_matrices_do_not_join_them() -> None:
    messages = {"input": rates(4, 2, 4, 4), "a": rates(4, 3, 4, 4, seed=1)}
    same = ConvGeometry(padding=(1, 1, 1, 1))
    projections = (
        conv("input", 5, 2, 3, same),
        Projection("m", "a", "target", DenseMap(rates(80, 48, seed=2).astype(np.float64))),
        conv("a", 5, 3, 1, ConvGeometry()),
    )
    blocks = fan_in_blocks(projections, population(5, 4, 4), messages, RecentMoments())
    assert [b.pieces for b in blocks] == [((1, 0, 48),), ((0, 0, 18), (2, 0, 3))]
    joint = blocks[1].covariance
    expected = np.cov(messages["input"][:, 0].ravel(), messages["a"][:, 0].ravel(), bias=True)[0, 1]
    # Column 4 is the centre of the first kernel, column 18 the only weight of the second's first channel.
    assert np.isclose(joint[4, 18], expected, atol=1e-6)


def test_behind_a_folded_pool_the_columns_are_sums_over_its_windows() -> None:
    messages, small = {"input": rates(3, 2, 6, 6)}, rates(4, 2, 3, 3, seed=1).astype(np.float64)
    geometry = ConvGeometry((2, 2), (2, 2, 2, 2))
    wide = Projection("p", "input", "target", ConvMap(np.kron(small, np.ones((2, 2))), geometry))
    (block,) = fan_in_blocks((wide,), population(4, 3, 3), messages, RecentMoments())
    sums = messages["input"].reshape(3, 2, 3, 2, 3, 2).sum(axis=(3, 5))
    narrow = Projection("p", "input", "target", ConvMap(small, ConvGeometry(padding=(1, 1, 1, 1))))
    (expected,) = fan_in_blocks((narrow,), population(4, 3, 3), {"input": sums}, RecentMoments())
    assert block.pieces == expected.pieces == ((0, 0, 18),)
    assert np.allclose(block.mean, expected.mean, atol=1e-5)
    assert np.allclose(block.covariance, expected.covariance, atol=1e-5)


def test_large_fan_ins_are_cut_between_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_in_moments, "_BLOCK", 20)
    messages = {"input": rates(3, 5, 4, 4)}
    projection = conv("input", 2, 5, 3, ConvGeometry(padding=(1, 1, 1, 1)))
    cut = fan_in_blocks((projection,), population(2, 4, 4), messages, RecentMoments())
    assert [b.pieces for b in cut] == [((0, 0, 18),), ((0, 18, 36),), ((0, 36, 45),)]
    monkeypatch.undo()
    (whole,) = fan_in_blocks((projection,), population(2, 4, 4), messages, RecentMoments())
    assert np.allclose(cut[1].covariance, whole.covariance[18:36, 18:36], atol=1e-6)


def test_populations_that_read_the_same_windows_share_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_in_moments, "_KEPT_BLOCKS", 3)
    messages = {"input": rates(3, 2, 6, 6), "a": rates(3, 2, 6, 6, seed=1)}
    same, crop = ConvGeometry(padding=(1, 1, 1, 1)), ConvGeometry((2, 2), (1, 1, 0, 0))
    recent = RecentMoments()

    def block(source: str, outputs: int, geometry: ConvGeometry, size: int) -> fan_in_moments.Block:
        projections = (conv(source, outputs, 2, 3, geometry),)
        (found,) = fan_in_blocks(projections, population(outputs, size, size), messages, recent)
        (alone,) = fan_in_blocks(projections, population(outputs, size, size), messages, RecentMoments())
        np.testing.assert_array_equal(found.covariance, alone.covariance)
        np.testing.assert_array_equal(found.mean, alone.mean)
        return found

    first = block("input", 2, same, 6)
    others = [block("a", 2, same, 6), block("input", 2, crop, 3)]
    assert all(other.covariance is not first.covariance for other in others)
    assert block("input", 5, same, 6).covariance is first.covariance
    # The first was read last, so that another one makes room.
    block("a", 2, crop, 3)
    assert block("input", 1, same, 6).covariance is first.covariance
    assert block("a", 1, same, 6).covariance is not others[0].covariance


def compiled(network: Network, context: Context) -> Pipeline:
    return run_passes(network, context, passes_for(CompileOptions(calibrate=False)))


def layers(pipeline: Pipeline) -> dict[str, dict[str, object]]:
    found = next(r.effect for r in pipeline.records if r.name == "quantize-weights")["layers"]
    assert isinstance(found, dict)
    return found


def mean_square_gap(pipeline: Pipeline, images: Samples) -> float:
    """Of the rates of all populations, between float and rounded weights, without levels."""
    from spikec.compiler.ir.rates import evaluate_rates

    values = [
        evaluate_rates(spiking, images.inputs / 255.0, continuous=True)
        for stage in ("align-delays", "quantize-weights")
        if (spiking := pipeline.stages[stage].spiking) is not None
    ]
    return float(np.mean([np.square(values[0][n] - values[1][n]).mean() for n in ("conv1", "conv2", "conv3", "conv4")]))


def test_rates_are_closer_with_data_and_the_effect_says_how(quantised_network: Network, context: Context) -> None:
    images = context.calibration
    assert images is not None
    bits = replace(context, weight_bits=5)
    fed, plain = compiled(quantised_network, bits), compiled(quantised_network, replace(bits, calibration=None))
    assert {str(layer["rounding"]) for layer in layers(fed).values()} == {"error feedback"}
    assert {str(layer["rounding"]) for layer in layers(plain).values()} == {"nearest"}
    assert {layer["bias_correction"] for layer in layers(plain).values()} == {0.0}
    assert mean_square_gap(fed, images) < mean_square_gap(plain, images) / 3


def test_the_mean_of_what_is_lost_is_taken_out(quantised_network: Network, context: Context) -> None:
    images = context.calibration
    assert images is not None
    from spikec.compiler.ir.rates import evaluate_rates

    pipeline = compiled(quantised_network, replace(context, weight_bits=4))
    exact, rounded = (pipeline.stages[stage].spiking for stage in ("align-delays", "quantize-weights"))
    assert exact is not None
    assert rounded is not None
    # Only the first layer has the same messages in both networks.
    first = rounded.population("conv1")
    mixed = rounded.with_parts((first, *rounded.populations[1:]))
    wanted, got = (evaluate_rates(s, images.inputs / 255.0, continuous=True)["conv1"] for s in (exact, mixed))
    uncorrected = rounded.with_parts((replace(first, bias=exact.population("conv1").bias), *rounded.populations[1:]))
    without = evaluate_rates(uncorrected, images.inputs / 255.0, continuous=True)["conv1"]
    gap, gap_without = (np.abs((v - wanted).mean(axis=(0, 2, 3))).mean() for v in (got, without))
    assert gap < gap_without / 3


@pytest.mark.parametrize("name", ["lava", "loihi1", "loihi2"])
@pytest.mark.parametrize("bits", [None, 2, 4])
def test_limits_hold_with_calibration_data(
    quantised_network: Network, context: Context, name: str, bits: int | None
) -> None:
    target = targets.load(name)
    pipeline = compiled(quantised_network, replace(context, target=target, weight_bits=bits, timesteps=16))
    program = pipeline.state.program
    assert program is not None
    steps = target.weights.maximum.value // target.weights.step.value if bits is None else (1 << bits - 1) - 1
    for projection in program.projections:
        assert np.abs(projection.synapses.weight).max() <= steps * target.weights.step.value
        assert not (projection.synapses.weight % target.weights.step.value).any()
    assert not [d for d in pipeline.diagnostics if d.code in ("E212", "E213")]


def test_same_data_give_the_same_weights(quantised_network: Network, context: Context) -> None:
    first, second = (compiled(quantised_network, context).state.program for _ in range(2))
    assert first is not None
    assert second is not None
    for ours, theirs in zip(first.projections, second.projections, strict=True):
        assert np.array_equal(ours.synapses.weight, theirs.synapses.weight)
