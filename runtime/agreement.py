"""Do several backends agree, spike by spike? If not, where do they part first?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..targets.records import dataclass
from .execution import Execution
from .program import Program
from .program.neuron_models import GRADED


@dataclass(frozen=True, slots=True)
class Difference:
    """First place where a backend differs from the first one named.

    ``neuron`` counts in C order of the population's shape, ``step`` from 1 within the sample's window; ``values``
    holds each backend's value there (0/1 for spikes, a payload, the potential for a read-out).
    """

    layer: str
    neuron: int
    step: int
    sample: int
    values: dict[str, int]

    def document(self) -> dict[str, Any]:
        """As ``verify --json`` prints it."""
        return {
            "layer": self.layer,
            "neuron": self.neuron,
            "step": self.step,
            "sample": self.sample,
            "values": dict(self.values),
        }


@dataclass(frozen=True, slots=True)
class Agreement:
    """Result of comparing backends on the same samples, with zero tolerance."""

    samples: int
    backends: tuple[str, ...]
    compared: dict[str, str]
    first_difference: Difference | None

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.first_difference is None

    def document(self) -> dict[str, Any]:
        """As ``verify --json`` prints it and ``report.json`` keeps it."""
        return {
            "equal": self.equal,
            "samples": self.samples,
            "backends": list(self.backends),
            "compared": dict(self.compared),
            "first_difference": None if self.first_difference is None else self.first_difference.document(),
        }

    def lines(self) -> tuple[str, ...]:
        """One or two lines for a person."""
        names = ", ".join(self.backends)
        compared = f"{self.samples} samples, {len(self.compared)} layers, every neuron and step"
        difference = self.first_difference
        if difference is None:
            return (f"equal: {names} ({compared})",)
        values = ", ".join(f"{name} {value}" for name, value in difference.values.items())
        return (
            f"not equal: {names} ({compared})",
            f"first difference: layer '{difference.layer}', neuron {difference.neuron}, step {difference.step}, "
            f"sample {difference.sample}: {values}",
        )

    def __str__(self) -> str:
        return "\n".join(self.lines())


def compare(program: Program, executions: Sequence[Execution]) -> Agreement:
    """Compare recorded ``executions`` of the same samples: every spike train, then the read-outs' potentials.

    The first difference is the first by layer in the program's order, then by sample, step and neuron.
    """
    first, *others = executions
    sent = "payloads" if program.neuron.name == GRADED else "spike trains"
    compared = {p.name: "potentials" if p.threshold is None else sent for p in program.populations}
    difference = next(
        (
            found
            for population in program.populations
            if (found := _first_difference(population.name, first, others, program.timesteps)) is not None
        ),
        None,
    )
    return Agreement(len(first.readout), tuple(e.backend for e in executions), compared, difference)


def _first_difference(name: str, first: Execution, others: Sequence[Execution], timesteps: int) -> Difference | None:
    parted = []
    for other in others:
        differs = _values(first, name) != _values(other, name)
        if differs.any():
            parted.append(tuple(int(i) for i in np.argwhere(differs)[0]))
    if not parted:
        return None
    sample, step, neuron = min(parted)
    values = {e.backend: int(_values(e, name)[sample, step, neuron]) for e in (first, *others)}
    is_readout = name not in (first.spike_trains or {})
    return Difference(name, neuron, timesteps if is_readout else step + 1, sample, values)


def _values(execution: Execution, name: str) -> np.ndarray[Any, np.dtype[Any]]:
    if execution.spike_trains is None:
        raise ValueError(f"the run on {execution.backend} did not record its spike trains")
    train = execution.spike_trains.get(name)
    return execution.readouts[name][:, None, :] if train is None else train
