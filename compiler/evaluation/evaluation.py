"""What each conversion method is worth: accuracy of its integer program on labelled data that it never saw."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from ...runtime.encoding import encode
from ...runtime.program.neuron_range import stays_in_range
from ...runtime.progress import Report as Progress
from ...runtime.samples import Samples
from ...runtime.simulator import simulate
from ...targets import Target
from ...targets.diagnostic import Diagnostic, refuse
from ...targets.records import dataclass
from ..analysis.ledger import predictions_of
from ..compilation import usable_target
from ..frontend.model import Model, ModelReader, read_model
from ..methods.table import METHODS
from ..options import CompileOptions
from .applicability import (
    aim_for,
    at_their_timesteps,
    compared_methods,
    inapplicable,
    is_compared,
    require_applicable,
)
from .conversion import convert
from .journal import Figures, Journal, digest_of
from .paired import Difference, Right, packed, paired_difference, sampling_error, unpacked
from .resolution import unrounded
from .subjects import Subject, by_kind, mean_and_spread, reference_ann, trained_for

ALL = "all"
"""In place of names of methods: those that a comparison on the networks has."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One network by one method at one T; accuracies 0..1, of the float network, in integers and without rounding.

    ``trained_timesteps`` is the T that the network was trained for, 0 for none. ``float_accuracy`` is None where it
    was not asked for. ``potentials`` tells which initial potentials a method that calibrates them left: "calibrated",
    or "as compiled" or "half threshold" where these came closer to the ANN on held-out data; None for other methods.
    ``digest`` is the model file's SHA-256, ``target`` what the program was compiled for.
    """

    model: str
    seed: int
    trained_timesteps: int
    ann_accuracy: float
    accuracy: float
    float_accuracy: float | None
    potentials: str | None = None
    digest: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """Accuracy (0..1) of one method at T steps, simulated: mean over the networks of one kind of ``training``.

    ``spread`` is the standard deviation over them, None for a single one; the same of ``float_accuracy``, that of the
    programs without rounding. ``latency`` counts the steps from a sample's first input to its result,
    ``steps_per_sample`` those from one sample to the next; ``plain_if`` says whether the method's neuron is the plain
    integrate-and-fire neuron, ``in_range`` whether no potential can overflow, whatever the input: proven for each
    network's integer program. ``error`` is the standard error of the accuracy over the samples. ``to_ann`` is the
    accuracy less that of the ANN on the same samples, network by network (see ``reference_ann``), and ``difference``
    that less the accuracy of the method that it was compared with at the same T, None where there is none.
    """

    method: str
    training: str
    timesteps: int
    accuracy: float
    spread: float | None
    float_accuracy: float | None
    float_spread: float | None
    latency: int
    steps_per_sample: int
    plain_if: bool
    in_range: bool
    measurements: tuple[Measurement, ...]
    error: float | None = None
    to_ann: Difference | None = None
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy of each method at each T, and, by the kind of their training, mean accuracy of the float networks.

    ``samples`` were simulated. ``against`` names the method that rows have their ``difference`` to, None for none.
    """

    ann_accuracy: Mapping[str, float]
    samples: int
    rows: tuple[EvaluationRow, ...]
    remarks: tuple[Diagnostic, ...] = ()
    """Methods that were left out, where all were asked for, and rows whose potentials can overflow."""
    against: str | None = None


@dataclass(frozen=True, slots=True)
class _Cell:
    """One row's work."""

    method: str
    training: str
    timesteps: int
    subjects: tuple[Subject, ...]


def evaluate_models(
    models: Sequence[str | Path],
    data: Samples,
    options: CompileOptions,
    timesteps: Sequence[int],
    methods: Sequence[str] | str,
    *,
    with_float: bool = False,
    journal: str | Path | None = None,
    against: str | None = None,
    readers: Mapping[str, ModelReader] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Compile and simulate every network by every method for every T on labelled ``data``, which no method sees.

    Networks of one kind of training (as their files tell) share the rows of that kind: seeds, whose figures are
    averaged, and networks trained for some T, of which each T takes its own. ``methods`` are names, or ``ALL``.
    ``journal`` is a file that keeps each figure as it is measured and answers when it is asked for again. ``against``
    is one of the methods: each row gets its difference to that one's at the same T, on the same samples, where both
    have networks of the same seeds.

    Raises ``UnusableInput`` with E633 for a method that is not known, E637 for one that applies to no network, E605
    without labels, E617 for a comparison with a method that is not measured, E638 for a journal that is none.
    """
    target = usable_target(options)
    for steps in timesteps:
        usable_target(replace(options, timesteps=steps))
    read = [
        (str(m), read_model(m, output=options.output, input_shape=options.input_shape, readers=readers)) for m in models
    ]
    found = [model for _, model in read]
    names, remarks = compared_methods(found, options) if methods == ALL else (tuple(methods), ())
    require_applicable(names, found, options)
    names, untimely = at_their_timesteps(names, timesteps, every=methods == ALL)
    if against is not None and against not in names:
        hint = f"name it with the methods, or choose from {', '.join(names)}"
        raise refuse("E617", f"no row can be compared with '{against}', which is not measured", hint=hint)
    if data.labels is None:
        raise refuse("E605", "the data has no labels, so no accuracy can be measured", hint="add 'labels' to --data")
    bench = _Bench(data, options, target, with_float, Journal(journal), found)
    subjects = [Subject(file, model, bench.ann_right(model)) for file, model in read]
    cells = tuple(_cells(names, subjects, found, options, timesteps, every=methods == ALL))
    measured = []
    for done, cell in enumerate(cells, 1):
        measured.append(bench.measured_row(cell, subjects))
        if progress is not None:
            progress(done, len(cells))
    rows = with_differences(measured, against)
    ann = {kind: fmean(s.ann_accuracy for s in members) for kind, members in by_kind(subjects).items()}
    return Evaluation(ann, len(data), rows, (*remarks, *untimely, *_overflows(rows)), against)


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """What all measurements share."""

    data: Samples
    options: CompileOptions
    target: Target
    with_float: bool
    journal: Journal
    models: Sequence[Model]

    def ann_right(self, model: Model) -> Right:
        def measure() -> Figures:
            return {"right": packed(self._right(predictions_of(model.network, self.data.as_float())))}

        of = {**self._chosen(), "model": model.section.digest, "data": digest_of(self.data), "method": "ANN"}
        return unpacked(self.journal.figures(of, measure)["right"], len(self.data))

    def measured_row(self, cell: _Cell, subjects: Sequence[Subject]) -> MeasuredRow:
        figures = [self._figures(cell, s, self.target) for s in cell.subjects]
        right = tuple(unpacked(f["right"], len(self.data)) for f in figures)
        anns = [reference_ann(s, subjects).right for s in cell.subjects]
        row = replace(self._row(cell, figures), error=sampling_error(right), to_ann=paired_difference(right, anns))
        return MeasuredRow(row, right)

    def _row(self, cell: _Cell, figures: Sequence[Figures]) -> EvaluationRow:
        floats = [self._figures(cell, s, unrounded(self.target)) for s in cell.subjects] if self.with_float else []
        exact = [f["accuracy"] for f in floats] or [None] * len(figures)
        measurements = tuple(
            Measurement(
                *(s.file, s.seed, s.trained_timesteps, s.ann_accuracy, f["accuracy"], e, f["potentials"]),
                digest=s.model.section.digest,
                target=self.target.name,
            )
            for s, f, e in zip(cell.subjects, figures, exact, strict=True)
        )
        accuracy, spread = mean_and_spread([m.accuracy for m in measurements])
        float_accuracy, float_spread = mean_and_spread([f["accuracy"] for f in floats])
        assert accuracy is not None, "a cell has a network"
        return EvaluationRow(
            cell.method,
            cell.training,
            cell.timesteps,
            accuracy,
            spread,
            float_accuracy,
            float_spread,
            max(f["latency"] for f in figures),
            max(f["steps_per_sample"] for f in figures),
            METHODS[cell.method].plain_if,
            all(f["in_range"] for f in figures),
            measurements,
        )

    def _figures(self, cell: _Cell, subject: Subject, target: Target) -> Figures:
        aimed = aim_for(METHODS[cell.method], subject.model, self.models)
        aim = self.options.aim if aimed is None else aimed.network
        options = replace(self.options, timesteps=cell.timesteps, aim=aim)

        def measure() -> Figures:
            converted = convert(subject.model, METHODS[cell.method], target, options)
            program = converted.program
            encoded, _ = encode(program.input, self.data.in_one_window(program.timesteps).inputs)
            right = self._right(simulate(program, encoded).predictions)
            return {
                "accuracy": np.count_nonzero(right) / len(right),
                "right": packed(right),
                "potentials": converted.potentials,
                "latency": program.latency,
                "steps_per_sample": program.window,
                "in_range": stays_in_range(program),
            }

        return self.journal.figures(self._measured(cell, subject, target, aimed), measure)

    def _measured(self, cell: _Cell, subject: Subject, target: Target, aimed: Model | None) -> dict[str, Any]:
        calibration = self.options.calibration
        aim = {} if aimed is None else {"aim": aimed.section.digest}
        return {
            **self._chosen(),
            **aim,
            "model": subject.model.section.digest,
            "data": digest_of(self.data),
            "calibration": digest_of(calibration) if isinstance(calibration, Samples) else str(calibration),
            "target": hashlib.sha256(repr(target).encode()).hexdigest(),
            "weight_bits": self.options.weight_bits,
            "method": cell.method,
            "timesteps": cell.timesteps,
        }

    def _chosen(self) -> dict[str, Any]:
        chosen = {"output": self.options.output, "input": self.options.input}
        return {name: value for name, value in chosen.items() if value is not None}

    def _right(self, predictions: Any) -> Right:
        assert self.data.labels is not None, "labels were checked before"
        return np.asarray(predictions == self.data.labels)


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredRow:
    """A row, and for each of its networks which samples its program was ``right`` on."""

    row: EvaluationRow
    right: tuple[Right, ...]


def with_differences(measured: Sequence[MeasuredRow], against: str | None) -> tuple[EvaluationRow, ...]:
    """Give every row its paired difference to that of the method ``against`` at the same T, on networks of its seeds.

    Where that method has rows of several kinds of training, a row is compared with the one of its own kind, or else
    with the first.
    """

    def compared(one: MeasuredRow) -> EvaluationRow:
        others = [m for m in measured if m.row.method == against and _runs(m.row) == _runs(one.row)]
        others.sort(key=lambda other: other.row.training != one.row.training)
        return replace(one.row, difference=paired_difference(one.right, others[0].right)) if others else one.row

    return tuple(compared(one) for one in measured)


def _runs(row: EvaluationRow) -> tuple[int, list[int]]:
    return row.timesteps, [m.seed for m in row.measurements]


def _cells(
    names: Sequence[str],
    subjects: Sequence[Subject],
    models: Sequence[Model],
    options: CompileOptions,
    timesteps: Sequence[int],
    *,
    every: bool,
) -> Iterator[_Cell]:
    for name in names:
        for kind, members in by_kind(subjects).items():
            method = METHODS[name]
            able = [s for s in members if inapplicable(method, s.model, models, options) is None]
            if able and not (every and not is_compared(method, able[0].model)):
                for steps in (each for each in timesteps if each in (method.only_timesteps or timesteps)):
                    yield _Cell(name, kind, steps, trained_for(able, steps))


def _overflows(rows: Sequence[EvaluationRow]) -> Iterator[Diagnostic]:
    for row in rows:
        if not row.in_range:
            message = f"potentials of '{row.method}' on networks '{row.training}' can overflow at T = {row.timesteps}"
            yield Diagnostic("W643", message, hint="choose a target with a wider state, or fewer time steps")
