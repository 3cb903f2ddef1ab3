"""What each conversion method is worth: accuracy of its integer program on labelled data that it never saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from ...runtime.progress import RowReport
from ...runtime.samples import Samples
from ...runtime.shards import HERE, Workers
from ...targets.diagnostic import Diagnostic, refuse
from ...targets.records import dataclass
from ..compilation import usable_target
from ..frontend.model import Model, ModelReader, ModelSource
from ..methods.table import method_called
from ..options import CompileOptions
from .applicability import Chosen, chosen_methods, inapplicable, is_compared, left_out_kinds
from .bench import Unit, bench_of
from .journal import Figures, Journal
from .latency_budgets import beyond_budgets, is_beyond
from .measuring import measured_units
from .model_data import GivenModel, read_given
from .paired import Difference, Right, paired_difference, sampling_error, unpacked
from .row_remarks import remarks_on
from .subjects import Subject, by_kind, mean_and_spread, reference_ann, trained_for


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

    def document(self) -> dict[str, Any]:
        """As ``evaluate --json`` prints it."""
        rows = [{**asdict(row), "samples": self.samples} for row in self.rows]
        compared = {} if self.against is None else {"against": self.against}
        return {"ann_accuracy": dict(self.ann_accuracy), **compared, "rows": rows}

    def text(self) -> str:
        """As ``evaluate`` prints it, a row per method, training and T."""
        from .forms import evaluation_text

        return evaluation_text(self)

    def markdown(self) -> str:
        """As ``evaluate --markdown`` writes it; notebooks show it."""
        from .forms import evaluation_markdown

        return evaluation_markdown(self)

    def _repr_markdown_(self) -> str:
        return self.markdown()


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    """What one row is made of."""

    method: str
    training: str
    timesteps: int
    subjects: tuple[Subject, ...]

    @property
    def name(self) -> str:
        """As progress tells of it."""
        return f"{self.method}{f' ({self.training})' if self.training else ''}, T = {self.timesteps}"


def evaluate_models(
    models: Sequence[ModelSource | GivenModel],
    data: Samples,
    options: CompileOptions,
    timesteps: Sequence[int],
    methods: Sequence[str] | str,
    *,
    with_float: bool = False,
    journal: str | Path | None = None,
    against: str | None = None,
    readers: Mapping[str, ModelReader] | None = None,
    workers: Workers = HERE,
    progress: RowReport | None = None,
) -> Evaluation:
    """Compile and simulate every network by every method for every T on labelled ``data``, which no method sees.

    Networks of one kind of training (as their files tell) share the rows of that kind: seeds, whose figures are
    averaged, and networks trained for some T, of which each T takes its own. ``methods`` are names, ``ALL``
    among them or alone. A row whose latency budget is too short is left out, with a remark. ``journal`` is a file that
    keeps each figure as it is measured and answers when it is asked for again. ``against``
    is one of the methods: each row gets its difference to that one's at the same T, on the same samples, where both
    have networks of the same seeds. ``workers`` says where figures are measured, which changes none of them;
    ``progress`` is told of finished rows.

    Raises ``UnusableInput`` with E633 for a method that is not known, E637 for one that applies to no network, E635
    where every latency budget is too short, E605 without labels, E617 for a comparison with a method that is not
    measured, E638 for a journal that is none, and what ``run_shards`` raises.
    """
    target = usable_target(options)
    for steps in timesteps:
        usable_target(replace(options, timesteps=steps))
    read = [read_given(model, options, readers) for model in models]
    found = [each.model for each in read]
    chosen = chosen_methods(methods, found, options, timesteps)
    remarks = chosen.remarks if chosen.every else tuple(left_out_kinds(chosen.names, found, options))
    if against is not None and against not in chosen.names:
        hint = f"name it with the methods, or choose from {', '.join(chosen.names)}"
        raise refuse("E617", f"no row can be compared with '{against}', which is not measured", hint=hint)
    if data.labels is None:
        raise refuse("E605", "the data has no labels, so no accuracy can be measured", hint="add 'labels' to --data")
    bench = bench_of(data, options, target, found)
    subjects = [Subject(each.file, each.model, place) for place, each in enumerate(read)]
    cells = tuple(_cells(chosen, subjects, found, options, timesteps))
    wanted = {cell.name: _units(cell, with_float) for cell in cells}
    figures = measured_units(bench, [s.file for s in subjects], wanted, Journal(journal), workers, progress)
    table = _Table(len(data), target.name, subjects, figures)
    beyond = tuple(beyond_budgets({name: [figures[unit] for unit in units] for name, units in wanted.items()}))
    within = [c for c in cells if not any(is_beyond(figures[unit]) for unit in wanted[c.name])]
    rows = with_differences([table.measured_row(cell, with_float) for cell in within], against)
    ann = {kind: fmean(table.ann_accuracy(s) for s in members) for kind, members in by_kind(subjects).items()}
    return Evaluation(ann, len(data), rows, (*remarks, *beyond, *remarks_on(rows)), against)


def _units(cell: _Cell, with_float: bool) -> tuple[Unit, ...]:
    roundings = (True, False) if with_float else (True,)
    return tuple(Unit(s.place, cell.method, cell.timesteps, rounded) for s in cell.subjects for rounded in roundings)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Rows from the ``figures`` of their units, measured on ``samples``."""

    samples: int
    target: str
    subjects: Sequence[Subject]
    figures: Mapping[Unit, Figures]

    def ann_accuracy(self, subject: Subject) -> float:
        right = self._right(Unit(subject.place))
        return float(np.count_nonzero(right) / len(right))

    def measured_row(self, cell: _Cell, with_float: bool) -> MeasuredRow:
        right = tuple(self._right(unit) for unit in _units(cell, False))
        anns = [self._right(Unit(reference_ann(s, self.subjects).place)) for s in cell.subjects]
        row = replace(self._row(cell, with_float), error=sampling_error(right), to_ann=paired_difference(right, anns))
        return MeasuredRow(row, right)

    def _right(self, unit: Unit) -> Right:
        return unpacked(self.figures[unit]["right"], self.samples)

    def _row(self, cell: _Cell, with_float: bool) -> EvaluationRow:
        units = _units(cell, with_float)
        figures = [self.figures[unit] for unit in units if unit.rounded]
        floats = [self.figures[unit] for unit in units if not unit.rounded]
        exact = [f["accuracy"] for f in floats] or [None] * len(figures)
        measurements = tuple(
            Measurement(
                *(s.file, s.seed, s.trained_timesteps, self.ann_accuracy(s), f["accuracy"], e, f["potentials"]),
                digest=s.model.section.digest,
                target=self.target,
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
            method_called(cell.method).plain_if,
            all(f["in_range"] for f in figures),
            measurements,
        )


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
    chosen: Chosen,
    subjects: Sequence[Subject],
    models: Sequence[Model],
    options: CompileOptions,
    timesteps: Sequence[int],
) -> Iterator[_Cell]:
    for name in chosen.names:
        for kind, members in by_kind(subjects).items():
            method = method_called(name)
            able = [s for s in members if inapplicable(method, s.model, models, options) is None]
            if able and not (chosen.every and not is_compared(method, able[0].model)):
                for steps in (each for each in timesteps if each in (method.only_timesteps or timesteps)):
                    yield _Cell(name, kind, steps, trained_for(able, steps))
