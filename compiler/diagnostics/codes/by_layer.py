"""Codes 3xx: figures of a network's layers that cannot be had."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E360",
        "no layer to measure",
        "The figures that were asked for are of layers that fire for an activation, and the network has none.",
        "Without an activation a network is one linear map, whose read-out integrates the input itself. Neurons that "
        "compute a maximum fire, but have no activation in the ANN that spike confidence could compare them with.",
        "error E360: no layer of the network fires for an activation, so there is nothing to measure  --> linear.onnx",
        "Give a network with an activation.",
    ),
    Code(
        "W360",
        "calibrated potentials not kept",
        "A method calibrates initial potentials, and the program that its row tells of has others.",
        "A calibration is kept if it brings the program closer to the ANN on held-out calibration data. Else, and "
        "without such data, the row shows the program as it was compiled.",
        "warning W360: net.onnx: 'lmpc' did not keep calibrated initial potentials: no calibration data (8 samples at "
        "least)",
        "Give a few hundred training inputs with --calibration, or leave the method out.",
    ),
)
