"""The quantise-and-clip ANN as it is.

    v0 = s theta   for the activation  a = theta clip(floor(z L / theta + s) / L, 0, 1)

s = 0 for eq. 8 of Xiong et al. 2025 (Phase I), s = 1/2 for QCFS (Bu et al. 2022).
"""

from __future__ import annotations

from .method import Method, uncalibrated

QUANTISE_CLIP = Method(uncalibrated, compared_on=("floor", "clip"))
