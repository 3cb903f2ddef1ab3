"""Calibration of initial potentials: little data, long windows, little memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikec.compiler.ir.network import INPUT, Network, Node
from spikec.compiler.ir.operators import Relu, Scale
from spikec.compiler.ir.spiking import SpikingNetwork
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes import calibrate_initial_potential
from spikec.compiler.passes.calibrate_thresholds import CalibrateThresholds
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.runtime.program import Program
from spikec.runtime.progress import Report as Progress
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import UnusableInput


def compiled(network: Network, context: Context, **options: object) -> Pipeline:
    return run_passes(network, context, passes_for(CompileOptions(**options)))  # type: ignore[arg-type]


def potentials(pipeline: Pipeline) -> dict[str, list[int]]:
    assert pipeline.state.program is not None
    return {p.name: p.initial_potential.ravel().tolist() for p in pipeline.state.program.populations}


def effect(pipeline: Pipeline) -> dict[str, object]:
    return next(r.effect for r in pipeline.records if r.name == "calibrate-initial-potential")


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("kept", [0, 1 << 27])
def test_memory_does_not_change_the_result(
    quantised_network: Network, context: Context, monkeypatch: pytest.MonkeyPatch, kept: int, batch: int
) -> None:
    two = replace(context, timesteps=2)
    expected = compiled(quantised_network, two)
    batches: Callable[[Program], int] = lambda _: batch  # noqa: E731 - replaces a function of one line
    monkeypatch.setattr(calibrate_initial_potential, "batch_for_memory", batches)
    monkeypatch.setattr(calibrate_initial_potential, "_KEPT_VALUES", kept)
    found = compiled(quantised_network, two)
    assert effect(found) == effect(expected)
    assert potentials(found) == potentials(expected)


@pytest.mark.parametrize("count", [1, 7])
def test_too_few_samples_change_nothing(
    quantised_network: Network, context: Context, images: Samples, count: int
) -> None:
    few = compiled(quantised_network, replace(context, calibration=images.first(count)))
    assert effect(few)["kept"] is False
    assert "8 samples" in str(effect(few)["reason"])
    none = compiled(quantised_network, replace(context, calibration=images.first(count)), calibrate=False)
    assert potentials(few) == potentials(none)


def test_fewest_samples_are_split(quantised_network: Network, context: Context, images: Samples) -> None:
    chosen = effect(compiled(quantised_network, replace(context, calibration=images.first(8))))
    assert (chosen["samples"], chosen["held_out_samples"]) == (6, 2)


@pytest.mark.parametrize("granularity", ["neuron", "channel", "layer"])
def test_long_window_stays_within_a_threshold(
    quantised_network: Network, context: Context, images: Samples, granularity: str
) -> None:
    long = replace(context, timesteps=48, calibration=images.first(12))
    program = compiled(quantised_network, long, granularity=granularity, iterations=6).state.program
    assert program is not None
    for population in program.populations[:-1]:
        assert population.threshold is not None
        assert (np.abs(population.initial_potential) <= population.threshold).all()


def test_potentials_end_at_the_threshold_where_the_aim_cannot_be_reached(
    quantised_network: Network, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def always_on(
        aim: calibrate_initial_potential.Aim, spiking: SpikingNetwork, samples: Samples, progress: Progress
    ) -> tuple[dict[str, Any], Any]:
        return {p.name: np.full(p.shape, 3.0) for p in spiking.populations[:-1]}, aim.scores(samples)[0]

    monkeypatch.setattr(calibrate_initial_potential.Aim, "mean_rates", always_on)
    distances = iter((2.0, 1.0, 0.0))  # the last candidate, which is the calibrated one, is the nearest
    monkeypatch.setattr(calibrate_initial_potential, "distance", lambda *_: next(distances))
    program = compiled(quantised_network, context).state.program
    assert program is not None
    for population in program.populations[:-1]:
        assert population.threshold is not None
        assert (population.initial_potential == population.threshold).all()


def test_labels_are_not_looked_at(quantised_network: Network, context: Context, images: Samples) -> None:
    unlabelled = compiled(quantised_network, replace(context, calibration=Samples(images.inputs, None)))
    assert potentials(unlabelled) == potentials(compiled(quantised_network, context))


def test_bytes_and_floats_of_the_same_images_are_the_same(
    quantised_network: Network, context: Context, images: Samples
) -> None:
    floats = compiled(quantised_network, replace(context, calibration=Samples(images.as_float(), None)))
    assert potentials(floats) == potentials(compiled(quantised_network, context))


def test_a_draw_without_any_activation_leaves_the_largest_as_threshold() -> None:
    found = CalibrateThresholds()._threshold(np.zeros(8, dtype=np.float32), 3.5, levels=4)
    assert found == 3.5


@pytest.mark.parametrize("factor", [1e30, np.inf])
def test_an_activation_beyond_float32_is_refused(context: Context, factor: float) -> None:
    largest = float(np.finfo(np.float32).max)
    scale = Scale(np.array(min(factor, largest)))
    nodes = (
        Node("a", scale, (INPUT,), (2, 9, 9)),
        Node("b", scale, ("a",), (2, 9, 9)),
        Node("c", Relu(), ("b",), (2, 9, 9)),
    )
    with pytest.raises(UnusableInput) as caught:
        CalibrateThresholds().run(Compilation(Network("net", (2, 9, 9), nodes, "c")), context)
    assert [problem.code for problem in caught.value.diagnostics] == ["E113"]
