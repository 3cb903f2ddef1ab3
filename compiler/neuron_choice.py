"""The neuron model that a program is compiled for, and what the passes do for it.

``srp`` and ``cos`` keep the initial potentials that the network was trained with, v0 = theta/2 for QCFS. ``msat`` has
thresholds at the largest activation and v0 = 0. ``graded`` neurons are quantisers, which the passes make them from the
first population on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..runtime.program import Program
from ..runtime.program.neuron_models import (
    COS,
    GRADED,
    IF,
    MSAT,
    SRP,
    MsatLayer,
    MsatParameters,
    NeuronModel,
    cos,
    msat,
    srp,
)
from .ir.spiking import SpikingNetwork
from .options import CompileOptions
from .passes.contract import program_level, spiking_level
from .pipeline import Pipeline

LARGEST_THRESHOLD = 2.0
"""theta_max of every layer under MSAT, in the values that its constants are in: the median of its published ResNet-20.

A ReLU network has no scale of its own in its layers; see ``methods.adaptive_threshold``, which chooses among several.
"""


def options_for_neuron(options: CompileOptions) -> CompileOptions:
    """Return what the passes have to do: potentials calibrated for plain neurons are wrong for any other."""
    if options.neuron == IF:
        return options
    if options.neuron == MSAT:
        return replace(options, calibrate=False, threshold_method="percentile", percentile=100)
    return replace(options, calibrate=False)


def with_chosen_neuron(pipeline: Pipeline, options: CompileOptions) -> Pipeline:
    """Give the program that the passes left the neuron model that ``options`` name."""
    if options.neuron in (IF, GRADED):
        return pipeline
    program = with_neuron(program_level(pipeline.state), spiking_level(pipeline.state), options)
    return replace(pipeline, state=replace(pipeline.state, program=program))


def with_neuron(program: Program, spiking: SpikingNetwork, options: CompileOptions) -> Program:
    """Give ``program``, made from ``spiking``, the neuron model of ``options``."""
    if options.neuron == MSAT:
        return with_adaptive_thresholds(program, spiking)
    passes = {SRP: srp, COS: cos}
    return replace(program, neuron=passes[options.neuron](options.first_pass))


def with_adaptive_thresholds(
    program: Program, spiking: SpikingNetwork, parameters: MsatParameters | None = None
) -> Program:
    """``program`` from v0 = 0 under ``msat``, each layer's largest threshold ``LARGEST_THRESHOLD``.

    Confidences are those of ``parameters``, 1 where it has none.
    """
    given = parameters or MsatParameters()
    layers = tuple(MsatLayer(p.name, LARGEST_THRESHOLD, given.layer(p.name).confidence) for p in spiking.firing)
    firing = tuple(replace(p, initial_potential=np.zeros_like(p.initial_potential)) for p in program.firing)
    model: NeuronModel = msat(replace(given, layers=layers))
    return replace(program, populations=(*firing, *program.readouts), neuron=model)
