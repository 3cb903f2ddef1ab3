"""Codes 1xx: operators and topology that cannot be compiled."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E101",
        "operator is not compiled",
        "The network uses an operator that spikec does not turn into projections and integrate-and-fire neurons.",
        "A neuron adds weighted spikes and fires at a threshold; whatever is not built of that is left to others.",
        "E101 net.onnx: onnx /encoder/Attention, /decoder/Attention: spikec does not compile Attention",
        "Follow the hint; most often a convolution or dense layer takes its place, and training goes on.",
    ),
    Code(
        "E102",
        "operator is used in an unsupported form",
        "The operator is supported, but not with these attributes: padding other than with zeros, training mode, "
        "casts to integers, negative slice steps, three-dimensional convolutions.",
        "Only the linear forms can be folded into synapses.",
        "E102 net.onnx: onnx /pad/Pad: spikec does not compile Pad with mode edge",
        "Follow the hint; most cases need zero padding, or a model written in evaluation mode.",
    ),
    Code(
        "E103",
        "product of two signals",
        "A weight, factor, bound or second matrix depends on the network's input.",
        "Synapses and thresholds are fixed numbers on the chip; neurons add signals and never multiply them.",
        "E103 net.onnx: onnx /se/Mul: Mul multiplies two values that depend on the network's input",
        "Replace the product, then retrain: a gate (squeeze-and-excitation) by nothing or by a constant per channel, "
        "attention by convolutions. A product of functions of one value, such as a swish, is compiled.",
    ),
    Code(
        "E104",
        "samples are mixed",
        "An operator moves, cuts, averages or joins along the batch axis.",
        "The chip sees one sample after the other and starts each from the same state.",
        "E104 net.onnx: onnx /Reshape: Reshape makes (64, 2) of the batch",
        "Keep the batch as axis 0 of every value and treat samples independently.",
    ),
    Code(
        "E106",
        "uneven thresholds",
        "A MultiThreshold of FINN has thresholds of a channel that are not evenly spaced.",
        "An integrate-and-fire neuron counts multiples of one threshold, so its levels are evenly spaced.",
        "E106 net.onnx: onnx /MultiThreshold: steps from 0.5 to 1.5 between the thresholds of channel 2",
        "Train with a uniform quantiser, or give the network as it was before FINN folded scales into its thresholds.",
    ),
    Code(
        "E107",
        "too many synapses in one operator",
        "An operator that is no convolution, such as Resize, Tile or CumSum, has more weights than can be held.",
        "Every weight of it has coordinates of its own, so memory and time grow with the map.",
        "E107 net.onnx: onnx /CumSum: CumSum needs 402653184 synapses with coordinates, more than 16777216",
        "Apply it to a smaller map, or where there are fewer channels.",
    ),
    Code(
        "E108",
        "value too large",
        "An operator gives or, with its padding, reads more than 2^24 values per sample.",
        "Every value between two activations may need a neuron; a chip holds a million, and the compiler keeps several "
        "numbers for each.",
        "E108 net.onnx: onnx conv2d: Conv gives 18567808 values per sample, more than 16777216",
        "Give smaller samples, with --input-shape where the file leaves sizes open, or use fewer channels or larger "
        "strides; where the number makes no sense, the node's pads or sizes are wrong.",
    ),
    Code(
        "E110",
        "activation is not an integrate-and-fire neuron",
        "A chain of scaling, clipping and rounding rounds without bounds, rounds twice, clips between two levels or "
        "has another number of levels in each channel.",
        "The rate of an integrate-and-fire neuron goes in equal steps from 0 to its threshold, between linear maps.",
        "E110 activation act1 (Scale -> Floor -> Scale) has no largest value: it rounds without clipping",
        "Retrain with threshold * clip(floor(x * levels / threshold + 1/2) / levels, 0, 1) or a clipped ReLU.",
    ),
    Code(
        "E111",
        "threshold is zero",
        "An activation gives one number for every input, a divisor is zero, or a quantiser's scale is not positive.",
        "A neuron with such a threshold fires at every step, whatever its input.",
        "E111 activation act1 (Relu -> Clip) gives 0 for every input, so its threshold is zero",
        "Keep thresholds positive in training, for instance by training their logarithm.",
    ),
    Code(
        "E113",
        "activation beyond float32",
        "On calibration data an activation is infinite or no number.",
        "A threshold is the size of what its neuron gives, and there is none.",
        "E113 layer 'act1': the activation is infinite or no number on calibration data, so it has no threshold",
        "Look for factors beyond float32 in front of the layer.",
    ),
    Code(
        "W117",
        "function is fitted coarsely",
        "A sum of pieces is off from the function that it stands for by more than a fiftieth of its range, on average "
        "over the calibration data.",
        "What follows sees another function than the network was trained with; the ledger shows what that costs.",
        "W117 layer 'act2': mish in 2 pieces is off by more than a fiftieth of its range",
        "Give more pieces by --pieces; each costs a population.",
    ),
    Code(
        "E112",
        "activation is read in the middle",
        "A value inside of a quantise-and-clip chain is read by another node as well.",
        "The chain becomes one neuron, which has no such value inside.",
        "E112 activation act1 (Scale -> Floor): act1_div is read elsewhere too, in the middle of the chain",
        "Read the activation's input or its result, not a value in between.",
    ),
    Code(
        "E114",
        "maximum of padding alone",
        "A window of a max pooling covers no entry of the map, so it has no largest one.",
        "Padding stands for minus infinity, which is no value that a neuron could send.",
        "E114 net.onnx: onnx /pool/MaxPool: MaxPool has a window that covers padding alone",
        "Make padding smaller than the window, as the frameworks ask for.",
    ),
)
