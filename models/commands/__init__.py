"""What the user types of this folder: ``spikec demo``, ``train``, ``calibrate-weights`` and ``zoo``."""

from __future__ import annotations

from ...targets.terminal.listing import COMPILING, METHODS, Listed

_CALIBRATE = "Fit the weights of a trained network to T steps."

COMMANDS = (
    Listed("demo", COMPILING, "Take the shipped network all the way: start here.", f"{__name__}.demo", "demo"),
    Listed("train", METHODS, "Train a quantise-and-clip network.", f"{__name__}.train", "train"),
    Listed("calibrate-weights", METHODS, _CALIBRATE, f"{__name__}.calibrate", "calibrate_weights"),
    Listed("zoo", METHODS, "Train every network of a comparison of methods.", f"{__name__}.zoo", "zoo"),
)
