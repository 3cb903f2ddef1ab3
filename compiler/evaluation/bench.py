"""What a comparison measures, unit by unit, and what all units share: made to travel to a worker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from ...runtime.encoding import encode
from ...runtime.program import IntArray, Program
from ...runtime.program.neuron_range import stays_in_range
from ...runtime.program.storage import content_digest
from ...runtime.samples import Samples
from ...runtime.simulator import simulate
from ...targets import Target
from ...targets.diagnostic import UnusableInput
from ...targets.records import dataclass
from ..analysis.ledger import predictions_of
from ..frontend.model import Model
from ..methods.table import method_called
from ..options import CompileOptions
from ..shared_results import SharedResults
from .applicability import aim_for
from .conversion import convert
from .journal import Figures, digest_of
from .latency_budgets import figures_beyond
from .paired import Right, packed
from .resolution import unrounded

ANN = "ANN"
"""In place of a method: the network itself, in floats."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One network, by its place among those compared, by one ``method`` at one T: the least that is kept.

    Without ``rounded`` the program is one for a chip without rounding. ``ANN`` has neither T nor rounding.
    """

    model: int
    method: str = ANN
    timesteps: int = 0
    rounded: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """``models`` to be measured on labelled ``data``; their programs are compiled with ``options`` for ``target``."""

    data: Samples
    options: CompileOptions
    target: Target
    models: Sequence[Model]
    data_digest: str
    calibration_digest: str
    shared: SharedResults = field(default_factory=SharedResults)
    """What units have in common, kept in the process that measures them."""

    def figures(self, unit: Unit) -> Figures:
        """Measure ``unit``: plain values, which a journal can keep. Raises as ``convert``.

        A latency budget that is too short is a figure too.
        """
        model = self.models[unit.model]
        if unit.method == ANN:
            return {"right": packed(self._right(predictions_of(model.network, self.data.as_float())))}
        method = method_called(unit.method)
        try:
            converted = convert(model, method, self._target(unit), self._options(unit), self.shared)
        except UnusableInput as refusal:
            beyond = figures_beyond(refusal)
            if beyond is None:
                raise
            return beyond
        program = converted.program
        found = self.shared.of(("measured", content_digest(program)), lambda: self._measured(program))
        return {**found, "potentials": converted.potentials}

    def _measured(self, program: Program) -> Figures:
        right = self._right(simulate(program, self._encoded(program)).predictions)
        return {
            "accuracy": float(np.count_nonzero(right) / len(right)),
            "right": packed(right),
            "latency": program.latency,
            "steps_per_sample": program.window,
            "in_range": stays_in_range(program),
        }

    def _encoded(self, program: Program) -> IntArray:
        in_time = program.timesteps if self.data.changes_in_time else None

        def encoded() -> IntArray:
            return encode(program.input, self.data.in_one_window(program.timesteps).inputs)[0]

        return self.shared.of(("encoded", program.input, in_time), encoded)

    def measured(self, unit: Unit) -> dict[str, Any]:
        """Return, in plain values, what the figures of ``unit`` depend on: of equal ones the figures are equal."""
        chosen = {"output": self.options.output, "input": self.options.input}
        found: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        found |= {"model": self.models[unit.model].section.digest, "data": self.data_digest, "method": unit.method}
        if unit.method == ANN:
            return found
        aimed = self._aimed(unit)
        return {
            **found,
            **({} if aimed is None else {"aim": aimed.section.digest}),
            "calibration": self.calibration_digest,
            "target": hashlib.sha256(repr(self._target(unit)).encode()).hexdigest(),
            "weight_bits": self.options.weight_bits,
            "timesteps": unit.timesteps,
        }

    def _options(self, unit: Unit) -> CompileOptions:
        aimed = self._aimed(unit)
        aim = self.options.aim if aimed is None else aimed.network
        return replace(self.options, timesteps=unit.timesteps, aim=aim)

    def _aimed(self, unit: Unit) -> Model | None:
        return aim_for(method_called(unit.method), self.models[unit.model], self.models)

    def _target(self, unit: Unit) -> Target:
        return self.target if unit.rounded else unrounded(self.target)

    def _right(self, predictions: Any) -> Right:
        assert self.data.labels is not None, "labels were checked before"
        return np.asarray(predictions == self.data.labels)


def bench_of(data: Samples, options: CompileOptions, target: Target, models: Sequence[Model]) -> Bench:
    """Return a bench, with the digests of what it measures on."""
    calibration = options.calibration
    known = digest_of(calibration) if isinstance(calibration, Samples) else str(calibration)
    return Bench(data, options, target, models, digest_of(data), known)
