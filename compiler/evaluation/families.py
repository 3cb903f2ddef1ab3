"""Methods in families, of which a picture shows the best: twenty lines are no answer to a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...targets.records import dataclass
from ..methods.table import plain_name
from .evaluation import EvaluationRow

MOST = 8
"""Families that one picture holds."""
OTHERS = "other methods"
"""What does not fit beside them, as one family."""
CALIBRATION = "potentials, calibration"
KNOWN: dict[str, tuple[str, ...]] = {
    "threshold norms": ("max-norm", "robust-norm", "rate-norm"),
    CALIBRATION: (
        *("opt", "opi", "calibration-bias", "calibration-potential", "calibration-weights"),
        *("bias-per-step", "lmpc", "lmpc-paper"),
    ),
    "two-stage QC-ANN": ("qc-ann", "qc-ann-paper", "lwc", "lwc-paper", "lmpc-lwc"),
    "QCFS": ("qcfs",),
    "not plain IF": ("msat", "srp", "cos"),
    "trained": (
        *("noise", "local-noise", "hybrid"),
        *("deploy", "deploy-from-relu", "deploy-untaught", "deploy-unrounded", "deploy-gradient-norm"),
    ),
    "exact": ("exact", "mixed"),
}
"""Methods by the name of their family; a method of none is a family of its own."""


@dataclass(frozen=True, slots=True)
class Family:
    """The ``rows`` of one family's methods in a table; ``look`` (0..MOST - 1) tells it from others in every picture."""

    name: str
    look: int
    rows: tuple[EvaluationRow, ...]


def families_of(rows: Sequence[EvaluationRow]) -> tuple[Family, ...]:
    """Return the families that ``rows`` have methods of, known ones first, at most MOST.

    Known families look the same whatever table they are in. Where there are more than MOST, the last is OTHERS.
    """
    homes = [_home(row) for row in rows]
    known = [name for name in KNOWN if name in homes]
    strangers = [name for name in dict.fromkeys(homes) if name not in KNOWN]
    free = [look for look in range(MOST - 1, -1, -1) if look >= len(KNOWN) or tuple(KNOWN)[look] not in known]
    groups: list[tuple[str, tuple[str, ...]]] = [(name, (name,)) for name in strangers]
    if len(groups) > len(free):
        groups = [*groups[: len(free) - 1], (OTHERS, tuple(strangers[len(free) - 1 :]))]
    looks: list[tuple[int, str, tuple[str, ...]]] = [*((tuple(KNOWN).index(name), name, (name,)) for name in known)]
    looks += [(look, name, members) for look, (name, members) in zip(free, groups, strict=False)]
    return tuple(
        Family(name, look, tuple(row for row, home in zip(rows, homes, strict=True) if home in members))
        for look, name, members in looks
    )


def _home(row: EvaluationRow) -> str:
    """Name of a row's family: calibrated potentials on a network of another family's training belong to that one."""
    homes = {method: name for name, methods in KNOWN.items() for method in methods}
    method = plain_name(row.method)
    home = homes.get(method, method)
    return homes.get(row.training, home) if home == CALIBRATION else home


def series_names(rows: Sequence[EvaluationRow]) -> dict[tuple[str, str], str]:
    """What a method and training are called: the method, and the training too where the method has several."""
    pairs = tuple(dict.fromkeys((row.method, row.training) for row in rows))
    methods = [method for method, _ in pairs]
    return {pair: f"{pair[0]} ({pair[1]})" if methods.count(pair[0]) > 1 else pair[0] for pair in pairs}


def spans(names: Sequence[str], timesteps: Sequence[int]) -> Iterator[str]:
    """Each name of a sequence, one for each T, with the T that it stands for: ``deploy 1-4``; alone, just the name."""
    if len(set(names)) == 1:
        yield names[0]
        return
    start = 0
    for place in range(1, len(names) + 1):
        if place == len(names) or names[place] != names[start]:
            first, last = timesteps[start], timesteps[place - 1]
            yield f"{names[start]} {first}" if first == last else f"{names[start]} {first}-{last}"
            start = place
