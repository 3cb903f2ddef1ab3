"""One model on several targets: which of them it fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..targets import Target, load, names
from ..targets.diagnostic import Diagnostic, UnusableInput
from .compilation import check_model
from .frontend.model import ModelReader
from .options import CompileOptions
from .report.comparison import Comparison

ALL, SMALLEST = "all", "smallest"
"""Instead of names: every shipped target; the same, to know the smallest chip that the model fits."""


def targets_of(text: str) -> tuple[str, ...]:
    """Names or paths in the value of ``--target``: one, several between commas, or what ``all`` stands for."""
    if text in (ALL, SMALLEST):
        return names()
    if Path(text).is_file():
        return (text,)
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip())) or (text,)


def compare_targets(
    model: str | Path,
    targets: Sequence[str],
    options: CompileOptions | None = None,
    *,
    readers: Mapping[str, ModelReader] | None = None,
    report: Callable[[str], None] | None = None,
) -> Comparison:
    """Check ``model`` on each of ``targets``, names or paths; ``options.target`` is not looked at.

    The reports come in the order of the chips' neurons, simulators last. Raises ``UnusableInput`` with the problems of
    all targets, and as ``check_model`` does.
    """
    chosen = options or CompileOptions()
    ordered = sorted(zip(_loaded(targets), targets, strict=True), key=lambda pair: (_neurons(pair[0]), pair[0].name))
    reports = (check_model(model, replace(chosen, target=name), readers=readers, report=report) for _, name in ordered)
    return Comparison(tuple(reports))


def _loaded(targets: Iterable[str]) -> list[Target]:
    loaded, problems = list[Target](), list[Diagnostic]()
    for name in targets:
        try:
            loaded.append(load(name))
        except UnusableInput as refusal:
            problems += refusal.diagnostics
    if problems:
        raise UnusableInput(problems)
    return loaded


def _neurons(target: Target) -> float:
    if target.layer_cores is not None:
        return sum(target.layer_cores.neuron_memory.values)
    cores, compartments = target.chip.cores, target.core.neurons
    if cores is None or compartments is None:
        return math.inf
    return cores.value * (compartments.value // target.neuron.compartments_per_neuron.value)
