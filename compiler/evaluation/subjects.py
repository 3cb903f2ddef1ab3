"""The networks of a comparison: one per kind of training, T that it was trained for, and seed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from ...targets.records import dataclass
from ..frontend.model import Model


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A network, the ``file`` that it was given as, and its ``place`` among those that are compared."""

    file: str
    model: Model
    place: int

    @property
    def kind(self) -> str:
        """Kind of its training; empty where the file does not tell."""
        return "" if self.model.training is None else self.model.training.kind

    @property
    def trained_timesteps(self) -> int:
        """T that it was trained for; 0 where for none."""
        return 0 if self.model.training is None else self.model.training.timesteps

    @property
    def seed(self) -> int:
        """Seed of its training; 0 where the file does not tell."""
        return 0 if self.model.training is None else self.model.training.seed


def by_kind(subjects: Sequence[Subject]) -> dict[str, tuple[Subject, ...]]:
    """Networks by the kind of their training, in the order given."""
    kinds = dict.fromkeys(s.kind for s in subjects)
    return {kind: tuple(s for s in subjects if s.kind == kind) for kind in kinds}


def trained_for(subjects: Sequence[Subject], timesteps: int) -> tuple[Subject, ...]:
    """Networks of one kind to run at ``timesteps``: of each seed those that were trained for it.

    Where a seed has none, the ones for the largest T below, and else for the smallest above. Networks that were
    trained for no T are all taken.
    """
    chosen: list[Subject] = []
    for seed in dict.fromkeys(s.seed for s in subjects):
        mine = [s for s in subjects if s.seed == seed]
        known = sorted({s.trained_timesteps for s in mine})
        below = [t for t in known if t <= timesteps]
        best = below[-1] if below else known[0]
        chosen += [s for s in mine if s.trained_timesteps == best]
    return tuple(chosen)


def reference_ann(subject: Subject, subjects: Sequence[Subject]) -> Subject:
    """Return the ANN that a conversion of ``subject`` is compared with: the ReLU network of its seed, if there is one.

    Else it is the float network that was converted.
    """
    relu = (s for s in subjects if s.kind == "relu" and s.seed == subject.seed)
    return next(relu, subject)


def mean_and_spread(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean over networks and standard deviation: None of no value, and no deviation of a single one."""
    if not values:
        return None, None
    return fmean(values), stdev(values) if len(values) > 1 else None
