"""Float arithmetic with one result on every machine: what the compiler sums, multiplies and convolves with.

A float sum depends on its order, and the order on the processor, the BLAS and its threads. Here the terms are rounded
to a grid of powers of two first, so coarse that every partial sum fits 53 bits: then any order, and any BLAS, gives
the same bits. Sums, products of matrices and convolutions outside of this package are of integers; a test looks.

Single operations (+, -, *, /, sqrt, floor, rint) are exact by IEEE 754 and are left to numpy.
"""

from __future__ import annotations

from .cholesky import cholesky, cholesky_solve
from .convolution import convolve, sum_pool
from .functions import exp, log, log2, power
from .products import matmul
from .sums import mean, mean_and_covariance, summable, total

__all__ = [
    "cholesky",
    "cholesky_solve",
    "convolve",
    "exp",
    "log",
    "log2",
    "matmul",
    "mean",
    "mean_and_covariance",
    "power",
    "sum_pool",
    "summable",
    "total",
]
