"""Codes 3xx and 7xx of networks that Lava computes by its own processes, neurons included."""

from __future__ import annotations

from ..code import Code

_WHY = "Lava would run it all the same, and give other spikes."

CODES: tuple[Code, ...] = (
    Code(
        "W341",
        "neurons are not Lava's own",
        "The backend lava-stock runs the program by Lava's own models of its synapses, but with spikec's process as "
        "its neurons, because LIF and ATRLIF would not compute the same.",
        "What ran is exact, and is no evidence that the program runs on Lava's own processes alone.",
        "warning W341: neurons run as spikec's own process, because Lava's would compute something else: E344 conv1",
        "Compile for the target lava-stock. 'spikec explain' of the codes in the message says what is in the way.",
    ),
    Code(
        "E341",
        "a window does not fit the potential of ATRLIF",
        "What a neuron's input can add up to in a window is more than 24 bits hold.",
        "ATRLIF raises another variable at a spike instead of lowering its potential, which is clipped.",
        "error E341: layer 'fc': a window's input can add up to more than the potential of ATRLIF holds",
        "Lower --timesteps or --weight-bits; at T = 1 neurons are LIF, which have no such limit.",
    ),
    Code(
        "E342",
        "weights that a Conv of Lava's does not take",
        "Weights of a convolution are odd, or beyond 8 bits, as those of other targets can be.",
        "Lava ignores the exponent of a Conv, and on Loihi the lowest bit of a weight of either sign is its sign. "
        "Lava's model for the CPU takes any weight, so nobody would see that the chip does not.",
        "error E342: layer 'conv2': the projection 'conv1-to-conv2' has odd weights, and a Conv of Lava's takes no "
        "exponent to make up for it",
        "Compile for the target lava-stock, whose weights are even and have no exponent.",
    ),
    Code(
        "E343",
        "bias that Lava's neurons do not take",
        "In a window of several steps a bias is no mantissa of 13 bits, sign included, times 2^6 or 2^7.",
        "Lava keeps the mantissa in 16 bits, in which a larger one wraps, and Loihi in 13.",
        "error E343: layer 'conv1': the bias of a neuron is no mantissa of 13 bits with an exponent up to 7",
        "Compile for the target lava-stock, which chooses the scale of the layer so that its biases fit.",
    ),
    Code(
        "E344",
        "several thresholds in a layer",
        "In a window of several steps the neurons of a layer have different thresholds.",
        "A process of Lava's has one threshold for all of its neurons. At T = 1 the biases make up for that.",
        "error E344: layer 'conv1': the layer has several thresholds, and an ATRLIF process has one",
        "Compile for the target lava-stock, which has one threshold per layer.",
    ),
    Code(
        "E345",
        "threshold beyond what ATRLIF documents",
        "Half of an even threshold, or an odd threshold itself, is more than 12 bits hold.",
        "ATRLIF raises its refractory state by twice theta_0, which is documented as 12 bits.",
        "error E345: layer 'conv1': theta_0, half the threshold or an odd threshold itself, does not fit the bits that "
        "ATRLIF documents; measured 4678 of 4095 weight units",
        "Compile for the target lava-stock, whose thresholds are even and at most 8190.",
    ),
    Code(
        "E346",
        "synaptic input too wide for the current",
        "The sum that a neuron receives in one step can be more than 131071 weight units.",
        f"The current of Lava's neurons has 24 bits, six of which lie below a weight unit, and wraps around. {_WHY}",
        "error E346: layer 'fc': the synaptic input of one step can be more than the current of Lava's neurons holds",
        "Compile for the target lava-stock, or with fewer weight bits.",
    ),
    Code(
        "E347",
        "potential can saturate",
        "A potential that a spike or a score depends on can reach the end of the state.",
        f"Where the program's state ends, and where Lava's does, a sum is cut off at different values. {_WHY}",
        "error E347: layer 'fc': the potential can saturate, and Lava's neurons would give other values then",
        "Compile with fewer weight bits or fewer time steps.",
    ),
    Code(
        "E348",
        "projection waits too long or is too large to wait",
        "A skip path waits more than 62 steps, or is a convolution of more than 2^25 synapses.",
        "Of Lava's synapses those with coordinates have delays, up to 62 steps; a convolution that waits is written "
        "out synapse by synapse.",
        "error E348: layer 'add': the projection 'stem-to-add' waits longer than a synapse of Lava's can",
        "Use fewer layers beside the skip path, or a smaller kernel in it.",
    ),
    Code(
        "E349",
        "netx cannot build the program",
        "lava-dl's netx builds a plain sequence of Conv and Dense layers with neurons that are reset to zero; the "
        "program has a skip path, a longer window, a convolution behind a row, or numbers that netx changes.",
        "netx would refuse the file, or change numbers without a word.",
        "error E349: layer 'add': netx takes a plain sequence, and the layer reads conv2, stem",
        "Compile with --timesteps 1 for the target lava-stock; the backend lava-stock runs what is no sequence.",
    ),
    Code(
        "E352",
        "graded neurons are not Lava's own",
        "None of Lava's own neurons sends the quotient of its input and a threshold, clipped, as a payload.",
        _WHY,
        "error E352: layer 'conv1': no neuron of Lava's own sends the quotient of its input and a threshold as a "
        "payload",
        "Run it with --backend lava, which has a process for them, or compile with plain neurons.",
    ),
    Code(
        "E741",
        "h5py is not installed",
        "Files of netx are HDF5, which is written by h5py, and this Python has none.",
        "spikec does not need it for anything else, so it does not come with it.",
        "error E741: h5py is not installed, which writes files of netx; hint: pip install h5py",
        "Install it by the command in the message, or install spikec[netx].",
    ),
)
