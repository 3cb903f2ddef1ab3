"""The fit to spike counts: what takes part, what stays, and that held-out data decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikec.compiler.ir.network import Network
from spikec.compiler.ir.operators import AnyFloat, Relu
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.ir.spiking import SpikingNetwork
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes import layer_by_layer_counts
from spikec.compiler.passes.calibrate_state_range import CalibrateStateRange
from spikec.compiler.passes.contract import Context, float_network, spiking_level
from spikec.compiler.passes.rescaled_channels import with_choice
from spikec.compiler.passes.trial_program import trial_layer, trial_program, with_finest_input
from spikec.compiler.pipeline import Pipeline, passes_for, run_again, run_passes
from spikec.runtime.encoding import encode
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate


def compiled(network: Network, context: Context, options: CompileOptions | None = None) -> Pipeline:
    return run_passes(network, context, passes_for(options or CompileOptions()))


def effect_of(pipeline: Pipeline) -> dict[str, Any]:
    (effect,) = [record.effect for record in pipeline.records if record.name == "fit-counts"]
    return effect


def test_a_relu_network_is_fitted_and_told(relu_network: Network, context: Context) -> None:
    pipeline = compiled(relu_network, context)
    effect = effect_of(pipeline)
    distances = effect["held_out_divergence"]
    assert effect["kept"]
    assert distances["fitted"] < distances["as given"]
    (told,) = [d for d in pipeline.diagnostics if d.code == "I034"]
    assert "the fit is kept" in told.message
    before, after = (spiking_level(pipeline.stages[name]) for name in ("clip-silent-sources", "fit-counts"))
    assert any(np.ndim(p.spike_value) for p in after.populations)
    assert [p.shape for p in before.populations] == [p.shape for p in after.populations]


def test_weights_of_a_read_out_are_fitted_where_held_out_data_gains(
    relu_network: Network, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readout_weights() -> AnyFloat:
        stage = spiking_level(compiled(relu_network, context).stages["fit-counts"])
        return stage.incoming(stage.readout.name)[0].map.weight

    distances = iter(np.array([[3.0, 3.0], [2.0, 2.1], [1.0, 1.0]]))
    monkeypatch.setattr(layer_by_layer_counts, "divergences", lambda wanted, scores: next(distances))
    fitted = readout_weights()
    distances = iter(np.array([[3.0, 3.0], [2.0, 2.1], [0.0, 4.0]]))  # nearer in the mean, by chance
    as_given = readout_weights()
    share = fitted / as_given
    assert not np.allclose(share, share.ravel()[0])


def test_what_is_no_better_is_dropped_and_told(
    relu_network: Network, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_by_layer_counts, "divergences", lambda wanted, scores: np.ones(2))
    pipeline = compiled(relu_network, context)
    assert not effect_of(pipeline)["kept"]
    assert spiking_level(pipeline.stages["fit-counts"]) is spiking_level(pipeline.stages["clip-silent-sources"])
    (told,) = [d for d in pipeline.diagnostics if d.code == "I034"]
    assert "the fit is dropped" in told.message


def test_trained_levels_are_left_alone(quantised_network: Network, context: Context) -> None:
    assert effect_of(compiled(quantised_network, context))["reason"] == "no layer whose threshold is free"


def test_too_few_samples_are_no_reason_to_fit(relu_network: Network, context: Context, images: Samples) -> None:
    pipeline = compiled(relu_network, replace(context, calibration=images.first(7)))
    assert effect_of(pipeline)["reason"].startswith("no calibration data")


@pytest.mark.parametrize(
    "options",
    [CompileOptions(calibrate=False), CompileOptions(threshold_method="percentile")],
    ids=["no", "percentile"],
)
def test_who_asks_for_something_else_gets_no_fit(options: CompileOptions) -> None:
    assert "fit-counts" not in [step.name for step in passes_for(options)]


def test_counts_without_timing_keep_their_start(relu_network: Network, context: Context) -> None:
    spiking = spiking_level(compiled(relu_network, replace(context, schedule="exact")).stages["fit-counts"])
    assert not any(p.hold for p in spiking.populations), "gates are set by a later pass"
    for population in spiking.populations[1:-1]:
        np.testing.assert_allclose(population.initial_potential, 0.5)


def test_the_float_network_is_that_before_thresholds(relu_network: Network, context: Context) -> None:
    state = compiled(relu_network, context).state
    found = {n.name for n in float_network(state).nodes if isinstance(n.operator, Relu)}
    assert found == {n.name for n in relu_network.nodes if isinstance(n.operator, Relu)}


@pytest.fixture
def spiking(relu_network: Network, context: Context) -> SpikingNetwork:
    return spiking_level(compiled(relu_network, context).stages["clip-silent-sources"])


@pytest.mark.parametrize("name", ["conv1", "conv3", "conv4"])
def test_a_wider_threshold_is_the_same_network_where_nothing_clips(
    spiking: SpikingNetwork, images: Samples, name: str
) -> None:
    layer, _ = trial_layer(spiking, spiking.population(name), 4)
    assert layer.threshold is not None
    factor = np.arange(2, 2 + layer.shape[0]).reshape(layer.threshold.shape)
    chosen = replace(layer, threshold=layer.threshold * factor, initial_potential=layer.threshold)
    changed = with_choice(spiking, layer, chosen, 4)
    inputs = images.as_float().astype(np.float64) / 50
    before = evaluate_rates(spiking, inputs, continuous=True)["scores"]
    np.testing.assert_allclose(evaluate_rates(changed, inputs, continuous=True)["scores"], before, atol=1e-9)
    np.testing.assert_allclose(changed.population(name).initial_potential, 1 / factor)


def test_the_trial_program_is_near_the_rates_it_stands_for(
    spiking: SpikingNetwork, context: Context, images: Samples
) -> None:
    steps = 256
    finest = with_finest_input(spiking, context)
    program = trial_program(finest, steps)
    potentials = simulate(program, encode(program.input, images.inputs)[0]).readout
    expected = evaluate_rates(finest, images.as_float().astype(np.float64), continuous=True)["scores"]
    unit = program.population("scores").bias[0] / finest.readout.bias[0]
    assert np.abs(potentials / (unit * steps) - expected).max() < 0.05 * np.abs(expected).max()


def test_passes_run_again_give_the_same(relu_network: Network, context: Context) -> None:
    passes = passes_for(CompileOptions())
    pipeline = compiled(relu_network, context)
    again = run_again(pipeline, CalibrateStateRange, context, passes)
    assert [r.effect for r in again.records] == [r.effect for r in pipeline.records]
    assert [d.code for d in again.diagnostics] == [d.code for d in pipeline.diagnostics]
    assert again.stages["fit-counts"] is pipeline.stages["fit-counts"]
