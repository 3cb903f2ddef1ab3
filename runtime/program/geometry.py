"""Geometry of a two-dimensional convolution, shared by float maps and integer synapses."""

from __future__ import annotations

from ...targets.records import dataclass


@dataclass(frozen=True, slots=True)
class ConvGeometry:
    """Where a kernel of any size reads.

    ``padding`` is (top, left, bottom, right) in source neurons; a negative entry crops. ``stride`` and
    ``dilation`` are (rows, columns). ``groups`` divides both channel counts, as in torch's ``Conv2d``.
    """

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def output_size(self, size: tuple[int, int], kernel: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns that a map of ``size`` gives under a kernel; below one where it does not fit."""
        top, left, bottom, right = self.padding
        extents = (size[0] + top + bottom, size[1] + left + right)
        rows, columns = (
            (extents[axis] - self.dilation[axis] * (kernel[axis] - 1) - 1) // self.stride[axis] + 1 for axis in (0, 1)
        )
        return rows, columns
