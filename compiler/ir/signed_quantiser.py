"""Quantisers with levels on both sides of zero, for neurons whose messages have a sign."""

from __future__ import annotations

from ...targets.records import dataclass
from .operators import AnyFloat, QuantizeClip


@dataclass(frozen=True, slots=True)
class SignedQuantizeClip(QuantizeClip):
    """a = u clip(floor(x / u + shift), -m, n), u = threshold / levels, m + n = levels, ``below`` = m u.

    ``levels`` None: a = clip(x, -below, threshold - below).
    """

    below: float = 0.0

    @property
    def levels_below(self) -> int:
        """m, 0 without levels."""
        return 0 if self.levels is None else round(self.below * self.levels / self.threshold)

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Quantise and clip what is moved up by ``below``, and move it back."""
        return QuantizeClip.evaluate(self, (inputs[0] + self.below,)) - self.below
