"""Methods and T that are measured together have the programs and figures of each measured alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.evaluation.applicability import inapplicable
from spikec.compiler.evaluation.bench import Bench, Unit, bench_of
from spikec.compiler.evaluation.conversion import convert
from spikec.compiler.evaluation.resolution import unrounded
from spikec.compiler.frontend.model import Model
from spikec.compiler.frontend.model_section import ModelSection
from spikec.compiler.methods.table import METHODS
from spikec.compiler.options import CompileOptions
from spikec.runtime.program.storage import program_files
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import UnusableInput

_UNITS = st.tuples(st.sampled_from([n for n in METHODS if n != "graded"]), st.integers(1, 4), st.booleans())


def _figures(bench: Bench, unit: Unit) -> object:
    """Figures and the bytes of the program, or what is refused."""
    target = bench.target if unit.rounded else unrounded(bench.target)
    options = CompileOptions(calibration=bench.options.calibration, timesteps=unit.timesteps)
    try:
        converted = convert(bench.models[0], METHODS[unit.method], target, options, bench.shared)
        return bench.figures(unit), program_files(converted.program)
    except UnusableInput as refusal:
        return str(refusal)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    chosen=st.lists(_UNITS, min_size=3, max_size=6),
    name=st.sampled_from(("lava", "loihi1")),
)
def test_together_is_as_alone(
    random_network: Callable[[int], Any], seed: int, chosen: list[tuple[str, int, bool]], name: str
) -> None:
    drawn = random_network(seed)
    data = Samples(drawn.images.inputs, np.arange(len(drawn.images)) % 3)
    model, options = Model(drawn.network, (), ModelSection("net", "0", 0, {})), CompileOptions(calibration=data)
    able = [unit for unit in chosen if inapplicable(METHODS[unit[0]], model, [model], options) is None]

    def bench() -> Bench:
        return bench_of(data, options, targets.load(name), [model])

    together = bench()
    for unit in (Unit(0, *each) for each in able):
        assert _figures(together, unit) == _figures(bench(), unit), unit
