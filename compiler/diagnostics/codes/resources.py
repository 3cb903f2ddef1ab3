"""Codes 3xx: what a core or a chip has."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E301",
        "one neuron needs more input axons than a core has",
        "A single neuron of the layer reads more than a core has input axons, so no division of the layer over cores "
        "helps.",
        "An input axon is where spikes enter a core: those of a source neuron, of several that reach every target by "
        "one weight, or, where the chip has population axons, of a pixel of the source.",
        "error E301: layer 'fc': one neuron reads more than a core has input axons; measured 4608 of 4096 axons",
        "Use fewer channels or features, a smaller kernel, or groups; an all-to-all layer behind a pool needs an axon "
        "per cell of the pool only while the weights of a cell are equal.",
    ),
    Code(
        "E302",
        "one neuron needs more output axons than a core has",
        "The targets of a single neuron lie on more cores than a core has output axons.",
        "A spike is sent once per core that holds one of its targets.",
        "error E302: layer 'conv1': one neuron sends to more cores than a core has output axons; "
        "measured 5000 of 4096 axons",
        "Make the next layer smaller, so that it takes fewer cores.",
    ),
    Code(
        "E303",
        "synapses of one neuron do not fit a core's memory",
        "The synapses of a single neuron take more memory than a core has.",
        "All synapses of a neuron are stored on the core that holds it.",
        "error E303: layer 'fc': the synapses of one neuron exceed the synapse memory of a core; "
        "measured 1310720 of 1048576 bits",
        "Use fewer weight bits (--weight-bits) or fewer inputs per neuron.",
    ),
    Code(
        "E304",
        "one neuron needs more compartments than a core has",
        "The target description gives a neuron more compartments than a core.",
        "No neuron fits such a chip.",
        "error E304: layer 'conv1': one neuron needs more compartments than a core has; measured 2 of 1 compartments",
        "Correct compartments_per_neuron or core.neurons in the target description.",
    ),
    Code(
        "E305",
        "program needs more cores than the chip has",
        "The cores that the populations take exceed those of the chip.",
        "Every layer is cut into boxes that fit a core; boxes that leave room share a core with others.",
        "error E305: the program needs more cores than the chip has; measured 655 of 128 cores",
        "Use smaller layers, fewer weight bits (--weight-bits), or a chip with more cores; the report's "
        "table of layers shows which layer costs most and what limits it.",
    ),
    Code(
        "W307",
        "distinct thresholds cost cores",
        "A layer has more distinct thresholds than a core can be configured with, so it is spread over more cores.",
        "Scales per channel gain weight bits but spend one threshold configuration each.",
        "warning W307: layer 'conv2': distinct thresholds spread the layer over 8 cores instead of 2; "
        "measured 64 of 8 thresholds",
        "Accept the cores, or choose a target with more thresholds or with weight exponents.",
    ),
    Code(
        "E308",
        "weight out of range",
        "A synaptic weight is larger than the target can store.",
        "The chip would clip it or refuse it.",
        "error E308: layer 'conv1': projection 'input->conv1' has 3 weights beyond the weight range; measured 300 of "
        "254 weight units",
        "Quantise with fewer weight bits (--weight-bits), or compile for this target instead of loading a program "
        "made for another one.",
    ),
    Code(
        "E309",
        "weight between the steps of the target",
        "A synaptic weight is not a multiple of the target's weight step.",
        "Loihi stores mixed-sign weights in steps of two and drops the lowest bit of an odd one.",
        "error E309: layer 'conv1': projection 'input->conv1' has 17 weights between the weight steps, as 3; "
        "measured 3 of 2 weight units",
        "Compile for this target: its quantiser keeps to the step.",
    ),
    Code(
        "E310",
        "weight exponent out of range",
        "The exponent of a projection is negative or larger than the target has.",
        "The chip shifts all weights of a projection left by the exponent.",
        "error E310: layer 'fc': projection 'conv1->fc' has an exponent outside the range; measured 9 of 7 bits",
        "Compile for this target, or use a smaller scale.",
    ),
    Code(
        "E311",
        "threshold out of range",
        "A threshold is below 1 or above what the target can be configured with.",
        "Below 1 a neuron fires without input, above the limit the chip cannot hold it.",
        "error E311: layer 'conv1': 12 thresholds are outside 1..131071; measured 140000 of 131071 weight units",
        "Use fewer weight bits, which lowers weights and thresholds together.",
    ),
    Code(
        "E312",
        "bias the chip cannot hold",
        "A bias is not a mantissa shifted by an exponent that the target has.",
        "The chip would run with another bias than was verified.",
        "error E312: layer 'conv1': 5 biases have no mantissa and exponent on this target; measured 4097 of 8190 "
        "weight units",
        "Round the bias to what the target can hold (compiling for this target does), or use fewer weight bits.",
    ),
    Code(
        "E313",
        "initial membrane potential out of range",
        "An initial membrane potential lies outside the target's state.",
        "The state would saturate before the first step.",
        "error E313: layer 'conv1': 4 initial membrane potentials are outside -131072..131071; measured 140000 of "
        "131071 weight units",
        "Use fewer weight bits, which lowers thresholds and initial potentials together.",
    ),
    Code(
        "E314",
        "delay out of range",
        "A projection is delayed by more steps than the target's synapses can be.",
        "Skip paths are delayed until they are as deep as the path they skip.",
        "error E314: layer 'add3': projection 'conv1->add3' is delayed too far; measured 70 of 62 steps",
        "Shorten the path that is skipped, or put an activation into the skip path and retrain.",
    ),
    Code(
        "E315",
        "state of the program is wider than the target's",
        "The program's saturation bounds lie outside the range of the target's state.",
        "The chip would saturate where the verified program does not.",
        "error E315: the program's membrane potential is wider than the target's; measured 2147483647 of 131071 "
        "weight units",
        "Compile for this target.",
    ),
    Code(
        "W316",
        "summed input of one step can leave its range",
        "If every source neuron with a weight of one sign fires in the same step, the summed synaptic input of a "
        "neuron exceeds the accumulator.",
        "The accumulator wraps silently. The bound takes all inputs at their worst, which data may never reach.",
        "warning W316: layer 'conv4': the summed synaptic input of one step can exceed 16 bits; measured 18 of 16 bits",
        "Use fewer weight bits (--weight-bits); 'spikec verify' shows whether data ever reaches the bound.",
    ),
    Code(
        "E317",
        "graded input has too many bits",
        "The encoded input needs more bits than one message to the chip carries.",
        "Direct encoding sends each sample's values as integers at every step.",
        "error E317: the encoded input does not fit a graded message; measured 8 of 1 bits",
        "Choose a target with wider graded messages, or compute the first layer outside the chip and send its spikes.",
    ),
    Code(
        "E318",
        "report cannot be read",
        "The file is not a report of this compiler: it is no JSON, is cut off, or has another schema.",
        "Text, Markdown and HTML are rendered from report.json alone.",
        "error E318: out/report.json: the report is not JSON: Unterminated string at line 40, column 9",
        "Compile again; do not edit report.json by hand.",
    ),
    Code(
        "E319",
        "target has no such neuron",
        "The program's neurons (--neuron srp, cos or msat) keep state that the target's neurons do not have.",
        "A chip with plain integrate-and-fire neurons has a membrane potential, a threshold and an initial potential; "
        "what it cannot keep it would silently leave out.",
        "error E319: the target has no neuron of the model 'srp', with 1 mask bit per neuron and sample, which gates "
        "its output",
        "Compile for the target 'programmable' to simulate the method, or use plain neurons: --schedule exact needs "
        "no more state and no first pass.",
    ),
    Code(
        "E321",
        "one neuron needs more threshold configurations than a core has",
        "The target description gives a core no threshold configuration.",
        "A neuron that fires needs one.",
        "error E321: layer 'conv1': one neuron needs more threshold configurations than a core has; measured 1 of 0 "
        "thresholds",
        "Correct neuron.threshold_configurations in the target description.",
    ),
    Code(
        "E322",
        "a layer's projections need more synapse formats than a core has",
        "The projections into one layer differ in weight bits, exponent or delay more often than a core has formats.",
        "Every projection into a neuron ends on the core that holds it.",
        "error E322: layer 'add': the projections into the layer need more synapse formats than a core has; measured 8 "
        "of 7 formats",
        "Give its projections fewer widths, exponents and delays, or let fewer projections end in it.",
    ),
    Code(
        "E323",
        "one neuron needs more compartment configurations than a core has",
        "The target description gives a core fewer compartment configurations than one neuron needs.",
        "The compartments of a neuron are configured apart.",
        "error E323: layer 'conv1': one neuron needs more compartment configurations than a core has; measured 2 of 1 "
        "configurations",
        "Correct core.compartment_configurations in the target description.",
    ),
    Code(
        "W324",
        "host may send more messages in a step than the interface passes on",
        "If every value of the input differs from 0, a step's messages from the host to the chip exceed what the "
        "chip's interface is said to take.",
        "A value is a message to every core that reads it, at every step; what is beyond the limit is lost or waits. "
        "Values that are 0 are not sent: with calibration data the report also tells the most that a sample took.",
        "warning W324: the host may have to send more messages in a step than the chip's interface passes on; measured "
        "16384 of 50 messages",
        "Use a smaller input or a first layer on fewer cores; where the limit is a setting of the tools, raise it.",
    ),
    Code(
        "E320",
        "program has more synapses than the chip holds",
        "Even with each convolution kernel stored once, the weights are more than the chip is said to hold.",
        "A public figure counts synapses of a chip, whatever its cores' memory; where kernels are stored once the "
        "program may need far fewer, so between the two counts the answer is unknown (W320).",
        "error E320: the program has more synapses than the chip holds; 130,000,000 weights if each kernel is stored "
        "once; measured 385000000 of 120000000 synapses",
        "Use smaller layers, or make sure that the chip's tool chain stores convolution kernels once.",
    ),
)
