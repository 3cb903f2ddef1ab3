"""A chip without rounding, to tell what a method loses by itself from what the chip's integers cost it."""

from __future__ import annotations

from dataclasses import replace

from ...targets import Target
from ...targets.facts import Number
from ...targets.schema import Chip, Core, Neuron, SynapseFormat, Weights

WEIGHT_BITS = 17
"""Rounding at 2^-17 of a channel's largest weight, 512 times finer than 8 bits.

Sums over the usual fan-ins are still exact in float32, which is several times faster than float64.
"""
_STATE_BITS = 53


def unrounded(target: Target) -> Target:
    """Return ``target`` with weights of WEIGHT_BITS, a threshold per channel, wide states and no limit on resources.

    A program for it is the float network, spike for spike, but where a potential comes within some millionths of the
    threshold.
    """

    def number(value: int, unit: str) -> Number:
        return replace(target.neuron.state_bits, value=value, unit=unit)

    return replace(
        target,
        weights=Weights(
            maximum=number((1 << WEIGHT_BITS - 1) - 1, "weight units"),
            step=number(1, "weight units"),
            exponent_maximum=number(0, "bits"),
        ),
        neuron=Neuron(
            state_bits=number(_STATE_BITS, "bits"),
            input_shift=number(0, "bits"),
            compartments_per_neuron=target.neuron.compartments_per_neuron,
            native_subtractive_reset=target.neuron.native_subtractive_reset,
            pulsed_bias=target.neuron.pulsed_bias,
            models=target.neuron.models,
            payload_bits=target.neuron.payload_bits,
            signed_payloads=target.neuron.signed_payloads,
        ),
        synapses=SynapseFormat(),
        core=Core(),
        chip=Chip(),
        delay_maximum=None,
        graded_input=None,
    )
