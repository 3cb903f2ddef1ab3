"""The fast simulator: exact, batched, layer by layer."""

from __future__ import annotations

from .batches import batch_for_memory
from .layerwise import PopulationSimulator
from .messages import Sent, encoded_input, joined
from .neurons import LayerInput
from .simulation import Simulator, simulate

__all__ = [
    "LayerInput",
    "PopulationSimulator",
    "Sent",
    "Simulator",
    "batch_for_memory",
    "encoded_input",
    "joined",
    "simulate",
]
