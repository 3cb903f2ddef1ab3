"""Codes 3xx: chips where a core computes a whole layer, event by event."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E325",
        "no core can compute the layer",
        "A core of the chip computes a whole layer, as a convolution with one square kernel, and the layer is none "
        "that it can be set to.",
        "Such a core has limits of its own: the size of the kernel, strides, padding, maps, channels, one threshold, "
        "and the number of layers that its spikes go to. All paths into a layer share one kernel over their channels "
        "side by side.",
        "error E325: layer 'conv1': no core can compute the layer: its kernel is too large, pools that do not fit the "
        "chip's included; measured 28 of 16 pixels",
        "Change what the message names; pools of a size that the chip sums over cost no kernel.",
    ),
    Code(
        "E326",
        "no core has room for the layer",
        "A core computes a whole layer, and none of them has the memory that the layer's kernel, neurons and biases "
        "take.",
        "Layers are not divided over such cores. Kernels and maps take memory in powers of two, and a core with room "
        "for a large kernel may have little for neurons.",
        "error E326: layer 'fc': no core has room for the kernel of 64 channels, 7x7 each; measured 524288 of 65536 "
        "weights",
        "Use fewer channels, a smaller kernel, or a pool before the layer.",
    ),
    Code(
        "E327",
        "layers do not fit the cores all at once",
        "Every layer has room on some core, but more layers need the same cores than there are.",
        "A core takes one layer, and the cores' memories differ. As many layers as possible were given a core.",
        "error E327: layers 'conv4', 'conv5': each layer has room on some core, but not all of them at once; "
        "measured 6 of 5 layers",
        "Give some layers fewer channels or smaller maps, so that other cores have room for them.",
    ),
    Code(
        "W328",
        "chip knows no steps",
        "The chip compares a neuron's potential with its threshold after every event that comes in, and not once at "
        "the end of a step.",
        "A program's neuron adds up all that comes in one step, then fires at most once. Event by event it may fire "
        "before an event of the same step lowers its potential, or more than once. What was verified are the program's "
        "integers, so the verdict is unknown.",
        "warning W328: the chip's neurons compare after every event and know no steps, so that its spikes can differ "
        "from those of the program, which were verified",
        "Take the accuracy as an estimate, and measure on the chip.",
    ),
    Code(
        "W329",
        "biases are added by a clock of the chip's own",
        "The program adds a bias once in every step; the chip adds it whenever a clock of its own ticks.",
        "How often that is in a step depends on how fast the host sends a step's events, so that potentials drift from "
        "the program's.",
        "warning W329: layers 'conv1', 'conv2': biases are added by a clock of the chip's own, and not once in every "
        "step",
        "Train without biases and batch norms, or set the clock to tick once in what the host takes for a step.",
    ),
)
