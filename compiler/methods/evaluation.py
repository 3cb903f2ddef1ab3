"""What each conversion method is worth: accuracy of its integer program on labelled data that it never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...runtime.encoding import encode
from ...runtime.program import Program
from ...runtime.program_rules import problems
from ...runtime.progress import Report as Progress
from ...runtime.samples import Samples
from ...runtime.simulator import simulate
from ...targets.diagnostic import Diagnostic, UnusableInput, refuse
from ..compilation import ModelReader, build_program, read_model
from ..ir.network import Network
from ..ledger import predictions_of
from ..options import CompileOptions
from .applicability import inapplicable
from .method import Method
from .table import METHODS


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """Accuracy (0..1) of the integer program of one method at T steps, simulated.

    ``latency`` counts the steps from a sample's first input to its result, ``steps_per_sample`` those from one
    sample to the next; ``plain_if`` says whether the method's neuron is the plain integrate-and-fire neuron.
    """

    method: str
    timesteps: int
    accuracy: float
    latency: int
    steps_per_sample: int
    plain_if: bool


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy of the float network as given, and of each method at each T."""

    ann_accuracy: float
    rows: tuple[EvaluationRow, ...]


def evaluate_model(
    model: str | Path,
    data: Samples,
    options: CompileOptions,
    timesteps: Sequence[int],
    methods: Sequence[str],
    *,
    readers: Mapping[str, ModelReader] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Compile and simulate ``model`` by every method for every T on labelled ``data``, which no method sees.

    Raises ``UnusableInput`` with E633 for a method that is not known, E637 for one that does not apply, E605
    without labels.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        hint = f"choose from {', '.join(METHODS)}"
        raise UnusableInput(Diagnostic("E633", f"there is no method '{name}'", hint=hint) for name in unknown)
    network = read_model(model, output=options.output, readers=readers).network
    _require_applicable(methods, network, options)
    ann = data.accuracy(predictions_of(network, data.as_float()))
    if ann is None:
        raise refuse("E605", "the data has no labels, so no accuracy can be measured", hint="add 'labels' to --data")
    rows = []
    for name in methods:
        for steps in timesteps:
            program = convert(model, METHODS[name], replace(options, timesteps=steps), readers=readers)
            rows.append(_row(name, program, data))
            if progress is not None:
                progress(len(rows), len(methods) * len(timesteps))
    return Evaluation(ann, tuple(rows))


def convert(
    model: str | Path, method: Method, options: CompileOptions, *, readers: Mapping[str, ModelReader] | None = None
) -> Program:
    """Return the integer program of ``model`` by ``method``, which must apply; raises as ``compile_model``."""
    program = method.finish(build_program(model, method.options(options), readers=readers))
    faults = tuple(problems(program))
    if faults:
        raise UnusableInput(faults)
    return program


def _require_applicable(methods: Sequence[str], network: Network, options: CompileOptions) -> None:
    reasons = {name: inapplicable(METHODS[name], network, options) for name in methods}
    found = [
        Diagnostic("E637", f"the method '{name}' does not apply: {reason[0]}", hint=reason[1])
        for name, reason in reasons.items()
        if reason is not None
    ]
    if found:
        raise UnusableInput(found)


def _row(name: str, program: Program, data: Samples) -> EvaluationRow:
    encoded, _ = encode(program.input, data.inputs)
    accuracy = data.accuracy(simulate(program, encoded).predictions)
    assert accuracy is not None, "labels were checked before"
    return EvaluationRow(
        name,
        program.timesteps,
        accuracy,
        program.latency,
        program.window,
        METHODS[name].plain_if,
    )
