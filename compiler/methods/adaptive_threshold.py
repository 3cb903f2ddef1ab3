"""MSAT: a threshold per neuron and step that follows potential and input, and spikes that carry it.

    theta(t) = theta_max sigmoid(DET + DTT),    DET = tau_rd exp(-x / C)
    DTT = tau_mp (alpha (v - V_m) - theta_max + k_a ln(1 + exp((v - V_m) / k_i)))

theta_max is the largest activation, v0 = 0. Needs that arithmetic, a running mean and graded spikes in every neuron.
See ``runtime.neuron_models.msat``. Source: He et al., Neural Comput. Appl. 2024, and its code.

The constants are in values, and a layer's values have no scale of their own: a ReLU network is the same function with
each layer's activations times any factor. At theta_max = 10 the second threshold is at most theta_max sigmoid(-8.3), a
four thousandth of it, and at one spike a step hardly any charge comes through; the layers of the published ResNet-20
reach 0.8 to 8.7, half of them no more than 2. So theta_max is brought to a value for all layers, which calibration data
chooses. The authors chose their constants by the accuracy of each network instead.

A neuron's confidence, published as measured and applied in the last layer that fires, is measured on calibration data
too, and used where it brings the program closer to the ANN.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...runtime.program import Program
from ...runtime.program.neuron_models import MSAT as MSAT_NEURON
from ...runtime.program.neuron_models import MsatLayer, msat
from ..compilation import Built
from ..options import CompileOptions
from ..passes.calibrate_initial_potential import aim_of, distance
from .method import Method, largest_activation_uncalibrated
from .spike_confidence import measure_confidence

LARGEST_THRESHOLDS = (1.0, 2.0, 4.0, 8.0)
"""Values of theta_max that are tried."""

_SAMPLES = 128
"""Of the calibration data, for the choice."""


def _adaptive(options: CompileOptions) -> CompileOptions:
    return replace(largest_activation_uncalibrated(options), neuron=MSAT_NEURON)


def _chosen(built: Built) -> Program:
    if built.context.calibration is None:
        return built.program
    samples = built.context.calibration.first(_SAMPLES)
    wanted = aim_of(built.pipeline.state, built.context).log_probabilities(samples)

    def nearest(candidates: Iterable[Program]) -> Program:
        return min(candidates, key=lambda program: distance(program, built.spiking, wanted, samples))

    best = nearest(_with_layers(built.program, largest=largest) for largest in LARGEST_THRESHOLDS)
    last = best.firing[-1].name
    confidence = measure_confidence(built, best, samples).get(last, 1.0)
    return nearest((best, _with_layers(best, confidence={last: confidence})))


def _with_layers(program: Program, largest: float | None = None, confidence: dict[str, float] | None = None) -> Program:
    given = program.neuron.msat
    layers = tuple(
        MsatLayer(each.name, largest or each.threshold_value, (confidence or {}).get(each.name, each.confidence))
        for each in given.layers
    )
    return replace(program, neuron=msat(replace(given, layers=layers)))


MSAT = Method(
    _adaptive,
    _chosen,
    needs_calibration=True,
    needs_relu=True,
    plain_if=False,
    compared_on=("relu",),
)
