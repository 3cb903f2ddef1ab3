"""What each method does and needs, in words."""

from __future__ import annotations

from collections.abc import Iterator

from ...runtime.program.neuron_models import IF
from ..options import CompileOptions
from .method import Method

ABOUT = {
    "max-norm": "thresholds are the largest activations on calibration data, v0 = 0",
    "robust-norm": "thresholds are the 99.9 percentile of activations, v0 = 0",
    "rate-norm": "thresholds were found by training alone",
    "opt": "half a spike's value is added to biases, thresholds are the largest activations",
    "opi": "v0 is half the threshold, thresholds are the largest activations",
    "calibration-bias": "biases are corrected per channel by what the spikes miss, layer by layer",
    "calibration-potential": "v0 is corrected per neuron by what the spikes miss, layer by layer",
    "calibration-weights": "weights were fitted layer by layer on mean inputs",
    "bias-per-step": "biases of each channel and step that bring counts closest to the activations, layer by layer",
    "msat": "thresholds that follow each neuron's potential",
    "qc-ann": "the network as it was trained or as calibration data give it thresholds, v0 balanced over T steps",
    "qc-ann-paper": "the same with v0 as printed, 0 for activations that round down",
    "lmpc": "v0 is calibrated layer by layer, signed, per channel",
    "lmpc-paper": "v0 is calibrated as printed, by absolute errors",
    "lwc": "weights were fitted layer by layer through time",
    "lwc-paper": "the same as printed",
    "lmpc-lwc": "weights were fitted through time between two calibrations of v0",
    "qcfs": "the network was trained with activations that round to levels",
    "srp": "a first pass finds neurons that fire too often, and silences them",
    "cos": "a first pass measures residual potentials, and shifts v0 by whole spikes",
    "noise": "the network was trained with the residual error as noise",
    "local-noise": "the same with errors per level, measured on equal input",
    "hybrid": "spikes were trained through time from a ReLU network on, by labels alone",
    "deploy": "spikes were trained through time at their T",
    "deploy-from-relu": "the same from a ReLU network on, which is the teacher",
    "deploy-untaught": "the same without the ANN as teacher",
    "deploy-unrounded": "the same with wide weights while training",
    "deploy-gradient-norm": "the same with long gradients shortened",
    "exact": "the schedule exact: layers wait for their whole window, and counts are those of the quantised network",
    "mixed": "the schedule mixed: layers whose counts are wrong most often wait, within the latency of mixed:STEPS",
    "graded": "one message with a number in place of spikes, T = 1",
}


def needs_of(method: Method) -> Iterator[str]:
    """What a method needs, of data, network and neurons."""
    if method.trained is not None:
        yield f"a network of 'spikec train' or 'calibrate-weights' whose record says '{method.trained}'"
    if method.needs_calibration:
        yield "calibration data"
    if method.needs_relu:
        yield "activations without levels, such as ReLU"
    if method.needs_budget:
        yield "a latency budget in its name, as in mixed:12"
    if method.aims_at_start:
        yield "the network that weights were calibrated from"
    neuron = method.options(CompileOptions()).neuron
    if neuron != IF:
        yield f"neurons '{neuron}'"
    if method.only_timesteps:
        yield f"T = {', '.join(map(str, method.only_timesteps))}"
