"""Where each method applies."""

from __future__ import annotations

from ...targets.diagnostic import Diagnostic
from ..ir.network import Network
from ..ir.operators import QuantizeClip, Relu
from ..options import CompileOptions
from ..passes.recognise_activations import recognised
from .method import Method
from .table import METHODS


def applicable_methods(network: Network, options: CompileOptions) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """Names of the methods that apply to ``network``, and a remark (W637) for each that does not."""
    reasons = {name: inapplicable(method, network, options) for name, method in METHODS.items()}
    remarks = tuple(
        Diagnostic("W637", f"the method '{name}' is left out: {reason[0]}", hint=reason[1])
        for name, reason in reasons.items()
        if reason is not None
    )
    return tuple(name for name, reason in reasons.items() if reason is None), remarks


def inapplicable(method: Method, network: Network, options: CompileOptions) -> tuple[str, str] | None:
    """Why ``method`` does not apply, and what to do about it; None where it applies."""
    if method.needs_relu and not _has_activation_without_levels(recognised(network)):
        return "every activation has levels and a threshold of its own", "use it on a ReLU network"
    if method.needs_calibration and options.calibration is None:
        return "there is no calibration data", "give --calibration FILE.npz with a few hundred training inputs"
    return None


def _has_activation_without_levels(network: Network) -> bool:
    return any(
        isinstance(n.operator, Relu) or (isinstance(n.operator, QuantizeClip) and n.operator.levels is None)
        for n in network.nodes
    )
