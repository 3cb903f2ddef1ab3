"""Unevenness: spikes that do not come evenly make a count another than the ANN's (Bu et al. 2022), in four kinds.

Hao et al. 2023 (SRP) compare a neuron's value phi = theta N / T with the activation a of an ANN that gets the same
mean input, and divide what differs into four cases, of which the first is the most frequent in their networks:

    from zero   a = 0 < phi      the ANN is silent, the neuron fires
    more        0 < a < phi
    fewer       0 < phi < a
    to zero     phi = 0 < a      the ANN is active, the neuron is silent

Here a = theta q / T is the quantise-and-clip activation with L = T levels in the program's own integers, q of
``residuals.timeless_counts``, so that a < phi is q < N and nothing is rounded. A neuron with N = q is of no kind. The
first two together are those that over-fire and the last two those that under-fire; by lemma L1, q < N makes v(T) < 0,
which is SRP's condition. The paper's abstract names the first case; which of a and phi is the larger, and which is
zero, tells the others.

Given the spikes that a layer really got, a differs from phi by the timing of these spikes alone. Given the ANN's own
activations from the input on, it differs by all that the layers before have added too.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...runtime.program import INPUT, IntArray, Program
from ...runtime.program.neuron_models import COS, IF, SRP
from ...runtime.progress import Report as Progress
from ...targets.diagnostic import refuse
from ...targets.records import dataclass
from .residuals import counts_by_batch, timeless_counts

Given = Literal["layer", "network"]
"""What the ANN's layers get: the spikes that the program's layers got, or the ANN's own activations."""

COUNTING = (IF, SRP, COS)
"""Neuron models whose value is the number of their spikes."""


@dataclass(frozen=True, slots=True)
class Unevenness:
    """Cases of one layer, a neuron on a sample each, by the kind of their error; ``cases`` in all, right or wrong."""

    cases: int
    from_zero: int
    more: int
    fewer: int
    to_zero: int

    @property
    def wrong(self) -> int:
        """Cases of any kind."""
        return self.from_zero + self.more + self.fewer + self.to_zero

    def __add__(self, other: Unevenness) -> Unevenness:
        """Of two layers, or of more samples."""
        return Unevenness(
            self.cases + other.cases,
            self.from_zero + other.from_zero,
            self.more + other.more,
            self.fewer + other.fewer,
            self.to_zero + other.to_zero,
        )


def measure_unevenness(
    program: Program, encoded: IntArray, given: Given = "layer", progress: Progress | None = None
) -> dict[str, Unevenness]:
    """Unevenness of every firing population on ``encoded`` samples (N, *input shape), N >= 1, simulated.

    ``progress(done, total)`` counts samples. Raises ``UnusableInput``: E506 for samples that are not the program's,
    E639 for a program whose neurons do not stand for the number of their spikes.
    """
    if program.neuron.name not in COUNTING:
        raise refuse(
            "E639",
            f"a neuron of the model '{program.neuron.name}' does not stand for the number of its spikes",
            hint=f"measure a program of the neurons {', '.join(COUNTING)}",
        )
    found = {p.name: Unevenness(0, 0, 0, 0, 0) for p in program.firing}
    done = 0
    for counts in counts_by_batch(program, encoded):
        wanted = _activations(program, counts, given)
        found = {name: each + unevenness(wanted[name], counts[name]) for name, each in found.items()}
        done += len(counts[INPUT])
        if progress is not None:
            progress(done, len(encoded))
    return found


def unevenness(wanted: IntArray, sent: IntArray) -> Unevenness:
    """Kinds of error of spikes ``sent`` where the ANN has ``wanted``: integers of one shape, 0 or more."""
    more, fewer = sent > wanted, sent < wanted
    cases = (more & (wanted == 0), more & (wanted > 0), fewer & (sent > 0), fewer & (sent == 0))
    return Unevenness(int(wanted.size), *(int(np.count_nonzero(case)) for case in cases))


def _activations(program: Program, counts: dict[str, IntArray], given: Given) -> dict[str, IntArray]:
    received = counts if given == "layer" else {INPUT: counts[INPUT]}
    wanted: dict[str, IntArray] = {}
    for population in program.firing:
        wanted[population.name] = timeless_counts(program, population, received)
        if given == "network":
            received[population.name] = wanted[population.name]
    return wanted
