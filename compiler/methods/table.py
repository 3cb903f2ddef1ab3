"""Every conversion method by its name on the command line."""

from __future__ import annotations

from .calibration import BIAS, POTENTIAL
from .exact_schedule import EXACT
from .membrane_potential import LMPC, LMPC_AS_PRINTED
from .method import Method
from .quantise_clip import QUANTISE_CLIP
from .rounding_shift import BIAS_SHIFT, POTENTIAL_SHIFT
from .threshold_norm import MAX_NORM, ROBUST_NORM

METHODS: dict[str, Method] = {
    "qc-ann": QUANTISE_CLIP,
    "lmpc": LMPC,
    "lmpc-paper": LMPC_AS_PRINTED,
    "opi": POTENTIAL_SHIFT,
    "opt": BIAS_SHIFT,
    "max-norm": MAX_NORM,
    "robust-norm": ROBUST_NORM,
    "calibration-bias": BIAS,
    "calibration-potential": POTENTIAL,
    "exact": EXACT,
}

DEFAULT_METHODS = ("qc-ann", "lmpc", "exact")
"""Methods that ``spikec evaluate`` runs where none is named."""
