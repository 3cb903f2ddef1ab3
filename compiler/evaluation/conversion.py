"""A network converted by a method."""

from __future__ import annotations

from typing import Any

from ...runtime.program import Program
from ...runtime.program.rules import problems
from ...targets import Target
from ...targets.diagnostic import UnusableInput
from ...targets.records import dataclass
from ..compilation import Built, build_from
from ..frontend.model import Model
from ..methods.method import Method
from ..options import CompileOptions
from ..passes.calibrate_initial_potential import CalibrateInitialPotential
from ..shared_results import NOTHING_SHARED, SharedResults


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """The integer ``program`` that a method made of what the passes have ``built``."""

    built: Built
    program: Program

    @property
    def potentials(self) -> str | None:
        """The initial potentials that a calibration left: "calibrated", "as compiled", "half threshold", or None."""
        chosen: str | None = self._calibration.get("chosen")
        return chosen

    @property
    def uncalibrated(self) -> str | None:
        """Why a calibration of initial potentials was not kept; None where it was, or where there was none to be."""
        effect = self._calibration
        if effect.get("kept", True):
            return None
        return str(effect.get("reason", "others came closer to the ANN on held-out calibration data"))

    @property
    def _calibration(self) -> dict[str, Any]:
        effects = {record.name: record.effect for record in self.built.pipeline.records}
        return effects.get(CalibrateInitialPotential.name, {})


def convert(
    read: Model, method: Method, target: Target, options: CompileOptions, shared: SharedResults = NOTHING_SHARED
) -> Converted:
    """Return the integer program of a network by ``method``, which must apply; raises as ``compile_model``.

    ``shared`` are results of other conversions of the same objects.
    """
    built = build_from(read, target, method.options(options), shared=shared)
    program = method.finish(built)
    faults = tuple(problems(program))
    if faults:
        raise UnusableInput(faults)
    return Converted(built, program)
