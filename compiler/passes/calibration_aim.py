"""The network that a calibration of initial potentials aims at, where that is not the one that is compiled.

Weights that were fitted to be run over T steps make another float network: its own activations are not what the spikes
should stand for. Xiong et al. 2025 calibrate potentials, weights, and potentials again, always for the activations of
the network that they started from.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path

from ...targets.diagnostic import refuse
from ..ir.maxima import MaximumNeuron
from ..ir.network import Network, Node
from ..ir.operators import QuantizeClip, Relu, Shape
from .contract import Compilation, Context
from .expand_activations import ExpandActivations
from .free_ends import FreeEnds
from .recognise_activations import recognised
from .split_branches import with_split_branches


def matching_aim(aim: Network, network: Network, file: str | Path | None = None) -> Network:
    """Return ``aim`` with its activations recognised; E642 unless its layers have the shapes of ``network``'s.

    Weights, thresholds, levels and names may differ, and a ReLU may stand for a quantise-and-clip activation.
    """
    aim = recognised(aim)
    for place, (mine, other) in enumerate(zip_longest(_shapes(recognised(network)), _shapes(aim))):
        if mine != other:
            what = f"value {place} (the input, then activations, then the results)"
            message = f"the aim is built differently: {what} has the shape {_told(other)}, here {_told(mine)}"
            raise refuse("E642", message, file=file, hint="give the network that this one was made from")
    return aim


def with_same_populations(aim: Network, context: Context) -> Network:
    """Return ``aim`` with its activations written as those of the network that is compiled were."""
    state = Compilation(aim)
    for step in (FreeEnds(), ExpandActivations()):
        state = step.run(state, context).state
    network, _ = with_split_branches(state.network)
    return network


def names_in_aim(network: Network, aim: Network) -> Mapping[str, str]:
    """Return, for each activation of ``network``, the name of the same one in ``aim``; E642 where they do not match."""
    mine, other = _activations(network), _activations(aim)
    if len(mine) != len(other):
        message = f"the aim's activations become {len(other)} populations, those of the network {len(mine)}"
        hint = "leave the aim out: only activations that become the same neurons can be compared"
        raise refuse("E642", message, hint=hint)
    return {each.name: that.name for each, that in zip(mine, other, strict=True)}


def _activations(network: Network) -> tuple[Node, ...]:
    """Those of the model itself: neurons that a maximum became have a value in no other network."""
    own = (node for node in network.nodes if not isinstance(node.operator, MaximumNeuron))
    return tuple(node for node in own if isinstance(node.operator, QuantizeClip | Relu))


def _shapes(network: Network) -> tuple[Shape, ...]:
    return (
        network.input_shape,
        network.integers or (),
        *(n.shape for n in _activations(network)),
        *(network.shape(value) for value in network.results),
    )


def _told(shape: Shape | None) -> str:
    return "nothing more" if shape is None else "x".join(map(str, shape))
