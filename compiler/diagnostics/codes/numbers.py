"""Codes 2xx: ranges, rounding and overflow."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E210",
        "no integer threshold fits",
        "Even with a threshold of one weight unit, a neuron's input in a window leaves the chip's ranges.",
        "The membrane potential would saturate, and the spikes would no longer be the network's.",
        "error E210: layer 'conv5': no integer threshold is small enough for the neuron's input (state range)",
        "Lower --timesteps, or retrain with smaller weights in this layer.",
    ),
    Code(
        "W211",
        "few bits of weight left",
        "To keep every membrane potential inside the state, the weights had to be scaled to fewer than four bits.",
        "Coarse weights cost accuracy; the ledger shows how much.",
        "warning W211: layer 'conv5': weights use only 5.2 steps either side of zero",
        "Lower --timesteps, or choose a target with a wider state.",
    ),
    Code(
        "E212",
        "membrane potential can overflow",
        "Interval analysis finds input under which a potential leaves the state's width within the window.",
        "Saturation or wrap-around on the chip would change spikes.",
        "error E212: layer 'conv5': 3 neurons or channels can leave the state's range, the worst is (7, 0, 0)",
        "Lower --timesteps or --weight-bits, or choose a target with a wider state.",
    ),
    Code(
        "E213",
        "summed input can overflow",
        "The synaptic input of a single step can leave the range of the accumulator.",
        "The accumulator wraps, and the neuron would receive input of the wrong sign.",
        "error E213: layer 'fc': the summed synaptic input of one step can leave its range",
        "Lower --weight-bits.",
    ),
    Code(
        "W212",
        "few bits of input left",
        "The input's integers have fewer than six bits over the window: more would leave no room for the weights, the "
        "messages or the membrane potential.",
        "What the image loses no layer can bring back; the ledger shows how much it costs.",
        "warning W212: layer 'input': the input has 32 levels over the window, so that messages, weights and state fit",
        "Choose a target with a wider state or input range, or raise --timesteps, which gives a spread input more.",
    ),
    Code(
        "W213",
        "more accuracy lost than allowed",
        "On labelled calibration data the program is right less often than the ANN, by more than --max-loss and more "
        "than the standard error of the difference.",
        "A program that fits the chip is of no use if it does not do what the network did.",
        "warning W213: the program loses 4.3 +- 1.2 points of accuracy against the ANN on 256 calibration samples",
        "Raise --timesteps, use --schedule exact, or choose a target with wider numbers; the ledger names the stage.",
    ),
    Code(
        "W214",
        "input clipped at outliers",
        "A few values of the calibration data lie far beyond all others, and clipping them loses less than the range "
        "that they would need.",
        "The range decides how fine the input's integers are: one value of 1000 among values up to 1 leaves no bit to "
        "the rest. What lies beyond is clipped, in calibration and when the program runs.",
        "warning W214: 1 of 256 calibration samples have values beyond 1 that stretch the range of the input",
        "Remove the outliers from the calibration data, or add more samples like them if they are none.",
    ),
    Code(
        "W215",
        "weights of silent sources clipped",
        "Channels kept one value on all calibration data, and weights from them were far above those from all others.",
        "They would set the layer's scale and leave few bits to the weights that matter; as no proof says that the "
        "channels never change, the accuracy on other data may differ.",
        "warning W215: layer 'conv2': channels of 'conv1' never changed on calibration data, and their weights were "
        "clipped",
        "Give calibration data in which they change, or remove the channels.",
    ),
    Code(
        "E221",
        "ReLU without calibration data",
        "A ReLU has no upper bound, so its neurons have no threshold.",
        "The threshold decides which activations saturate and how coarse the rest becomes.",
        "error E221: layer 'relu1': the ReLU has no threshold, and there is no calibration data to find one",
        "Give --calibration FILE.npz with a few hundred training inputs.",
    ),
    Code(
        "E222",
        "activation is always zero",
        "An activation without threshold is zero on all calibration data.",
        "No threshold can be derived, and the layer does nothing.",
        "error E222: layer 'relu7': the activation is zero on all calibration data, so it has no threshold",
        "Give calibration data from the training set, or remove the layer.",
    ),
    Code(
        "E223",
        "linear path too large without shared weights",
        "A chain of linear operators is no convolution, and has more than 2^25 weights, or 2^27 as a matrix.",
        "Such a projection would not fit into memory, let alone on a chip.",
        "error E223: layer 'c': the linear path into the layer is no convolution, and too large without shared weights",
        "Let pooling windows divide the map evenly, or put an activation between pooling and convolution.",
    ),
    Code(
        "E224",
        "operator between activations is not linear",
        "An operator is neither linear nor an activation that an integrate-and-fire neuron computes.",
        "Only linear maps can be folded into synapses.",
        "error E224: layer 'floor3': Floor is neither linear nor an activation of an integrate-and-fire neuron",
        "Use ReLU, a clipped ReLU or a quantise-and-clip activation.",
    ),
    Code(
        "E227",
        "constants overflow",
        "Weights, factors or statistics of the model multiply to more than a double holds (about 1.8e308).",
        "No network computes with such numbers, and no integer weights stand for them.",
        "error E227: layer 'conv2': the constants multiply to more than a float holds, as fold-batch-norm shows",
        "Look for a weight, a factor or a variance of an absurd size: training diverged, or the file is damaged.",
    ),
    Code(
        "E228",
        "constants too far apart",
        "One constant is so much larger than the others that sums of both have no digit of the smaller ones left.",
        "Neither floats nor integer weights hold both, so whatever ran on the chip would be another network.",
        "error E228: the largest constant is 3e+20 times a usual one: compose-linear-maps cannot tell sums of both",
        "Look for a weight, a factor or a statistic of an absurd size: training diverged, or the file is damaged.",
    ),
    Code(
        "E226",
        "function without calibration data",
        "A sigmoid, GELU or another function that no neuron computes is fitted by pieces where its input lies.",
        "Where that is, and so where pieces are worth their neurons, only calibration data tells.",
        "error E226: layer 'act1': the function sigmoid is fitted by pieces, and there is no calibration data ...",
        "Give --calibration FILE.npz with a few hundred training inputs.",
    ),
)
