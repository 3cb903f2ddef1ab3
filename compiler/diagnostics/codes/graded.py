"""Codes 3xx of graded neurons: what their messages carry, and what of it a chip takes."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E350",
        "target has no graded messages",
        "The program's neurons (--neuron graded) send integers, and the target's neurons send spikes.",
        "A spike without a payload is 1 or nothing; every layer would have to be clipped to that.",
        "error E350: layer 'conv1': neurons of Intel Loihi send spikes without a payload, but the layer's would send "
        "0..8",
        "Compile with plain neurons, in several steps, or for a target with graded messages: lava, loihi2, "
        "programmable.",
    ),
    Code(
        "E351",
        "payload does not fit a message",
        "What a graded neuron sends has more bits than the target's messages, or a sign that they do not have.",
        "The chip would cut bits off, or send something else.",
        "error E351: layer 'conv1': payloads 0..255 do not fit a graded message; measured 9 of 8 bits",
        "Train the layer with fewer levels; where it has none of its own, --levels gives it some.",
    ),
    Code(
        "W350",
        "graded neurons were not tried on the chip",
        "That the chip's neurons can divide their input by a threshold and send the quotient is an assumption.",
        "Its neurons are programs, and spikes with integers are documented; how to write such a program is not public.",
        "warning W350: that the chip's neurons can divide by a threshold was not tried",
        "Take the program as a plan; verify shows what it computes, in simulators.",
    ),
)
