"""The fast simulator: exact, batched, layer by layer."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# Imported when they are first asked for: the compiler takes single kernels from here without simulating anything.
_HOME = {
    "LayerInput": ".neurons",
    "PopulationSimulator": ".layerwise",
    "Sent": ".messages",
    "Simulator": ".simulation",
    "batch_for_memory": ".batches",
    "encoded_input": ".messages",
    "joined": ".messages",
    "simulate": ".simulation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'spikec.runtime.simulator' has no attribute '{name}'")
    return getattr(import_module(_HOME[name], __name__), name)
