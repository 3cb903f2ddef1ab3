"""What a report says first: its figures, its accuracy from stage to stage; and last: what it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...targets.diagnostic import Diagnostic, Severity
from ...targets.records import dataclass
from ..diagnostics import render_summary
from .content import (
    AgreementSection,
    Estimate,
    LedgerRow,
    NeuronSection,
    OutputRow,
    ProgramSection,
    Report,
    ResourceRow,
)
from .effects import counted
from .verdict import FITS, FITS_WITH_WARNINGS

_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))

NOTHING = "-"
"""Stands where a figure has no value."""
GOOD, WARNING, BAD = "good", "warning", "bad"
_STATES = {FITS: GOOD, FITS_WITH_WARNINGS: WARNING, "unknown": WARNING}


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the figures at the top: a short ``value`` and what it means; ``state`` is good, warning, bad or empty.

    The verdict and the three that ``decides`` tells of come first: whether there is room, what the spikes are worth,
    what they cost.
    """

    label: str
    value: str
    note: str
    state: str = ""
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """A row of the ledger, with the ``change`` of its accuracy in points from the stage measured before."""

    row: LedgerRow
    change: float | None

    @property
    def accuracy_text(self) -> str:
        """Percent with two digits; a dash without labels."""
        return NOTHING if self.row.accuracy is None else percent(self.row.accuracy, 2)

    @property
    def agreement_text(self) -> str:
        """Percent with two digits; a dash where nothing was measured."""
        return NOTHING if self.row.agreement is None else percent(self.row.agreement, 2)

    @property
    def correlation_text(self) -> str:
        """Three digits; a dash where nothing was measured, or scores are constant."""
        return NOTHING if self.row.correlation is None else f"{self.row.correlation:.3f}"

    @property
    def change_text(self) -> str:
        """Signed points with two digits; a dash at the first stage."""
        return NOTHING if self.change is None else f"{self.change:+.2f}"


def state_of(verdict: str) -> str:
    """Good, warning or bad."""
    return _STATES.get(verdict, BAD)


def in_words(verdict: str) -> str:
    """The verdict without its dashes."""
    return verdict.replace("-", " ")


def figures(report: Report) -> tuple[Figure, ...]:
    """Verdict, cores, accuracy and energy (or latency), which decide; then the others, as far as they are known."""
    verdict = Figure("verdict", in_words(report.verdict), findings_note(report), state_of(report.verdict))
    deciding = tuple(replace(each, decides=True) for each in (verdict, *_deciding(report)))
    return (*deciding, *_others(report))


def _deciding(report: Report) -> Iterator[Figure]:
    if report.program is not None:
        yield _cores_figure(report.program, report.resources)
    if report.ledger:
        yield _accuracy_figure(report.ledger)
    if report.program is not None:
        yield _energy_of(report) or _latency_figure(report.program)
    elif report.read:
        parameters = f"{report.model.parameters:,} parameters"
        neurons = next((row.used for row in report.resources if row.unit == "neurons"), None)
        known = parameters if neurons is None else f"at least {neurons:,} neurons"
        yield Figure("size", known, f"{parameters}, as far as the model could be read")


def _others(report: Report) -> Iterator[Figure]:
    program = report.program
    if program is not None:
        if _energy_of(report) is not None:
            yield _latency_figure(program)
        yield Figure("size", f"{program.neurons:,} neurons", f"{program.synapses:,} synapses, counted unrolled")
        yield _agreement_figure(report.agreement)


def _energy_of(report: Report) -> Figure | None:
    return None if report.cost is None or report.cost.estimate is None else energy_figure(report.cost.estimate)


def _latency_figure(program: ProgramSection) -> Figure:
    return Figure("latency", f"{program.latency} steps", latency_note(program))


def decided_by(report: Report) -> Diagnostic | None:
    """The finding that makes the verdict what it is, or the first of several; None where it is that nothing was found.

    An error weighs more than a limit that is not known well enough, and that more than a warning.
    """
    counted_ones = [each for each in findings(report) if each.severity is not Severity.INFO]
    ranks = (
        [each for each in counted_ones if each.severity is Severity.ERROR],
        [each for each in counted_ones if report.strict and not each.assumed],
        [each for each in counted_ones if each.assumed],
        counted_ones,
    )
    return next((each[0] for each in ranks if each), None)


def findings_note(report: Report) -> str:
    """How many findings there are of each severity, how they were counted, and what the verdict rests on."""
    rests_on = len(report.target.rests_on)
    parts = (
        render_summary(report.diagnostics),
        "warnings count as errors" if report.strict else "",
        f"rests on {counted(rests_on, 'number')} of the target that no source states" if rests_on else "",
    )
    return "; ".join(part for part in parts if part)


def findings(report: Report) -> tuple[Diagnostic, ...]:
    """Errors, then warnings, then remarks."""
    order = list(Severity)
    return tuple(sorted(report.diagnostics, key=lambda each: order.index(each.severity)))


def stages(rows: tuple[LedgerRow, ...]) -> tuple[Stage, ...]:
    """The ledger with its changes; empty where nothing was measured."""
    found: list[Stage] = []
    before: float | None = None
    for row in rows:
        known = None not in (before, row.accuracy)
        # Adding zero makes a negative zero positive.
        change = round(100 * ((row.accuracy or 0) - (before or 0)), 2) + 0.0 if known else None
        found.append(Stage(row, change))
        before = before if row.accuracy is None else row.accuracy
    return tuple(found) if any(row.samples for row in rows) else ()


def ledger_note(rows: tuple[LedgerRow, ...]) -> str:
    """What the ledger was measured on, or why it was not."""
    if not stages(rows):
        return "Not measured: that takes calibration data."
    samples = max(row.samples for row in rows)
    is_labelled = any(row.accuracy is not None for row in rows)
    changes = "Changes are in points, from the stage before." if is_labelled else "Accuracy takes labels."
    return (
        f"Measured on {samples:,} calibration samples, to which thresholds and potentials were fitted: it shows where "
        f"accuracy goes, and is no test accuracy. Agreement and correlation are of classes and scores with the ANN's. "
        f"{changes} Other T take other programs: 'spikec evaluate --json' measures, 'report --accuracy' shows them."
    )


def made_from(report: Report) -> tuple[tuple[str, str], ...]:
    """Name and value of what the report was made from."""
    operators = ", ".join(f"{name} x{count}" for name, count in sorted(report.model.operators.items()))
    rows = [
        ("model", f"{report.model.name}, {report.model.parameters:,} parameters"),
        ("operators", operators or "none"),
        ("model digest", report.model.digest),
        ("target", f"{report.target.name}: {report.target.title}"),
        ("target digest", report.target.digest),
        ("assumed limits", ", ".join(report.target.assumed) or "none"),
        ("verdict rests on", ", ".join(report.target.rests_on)),
    ]
    if report.program is not None:
        rows.append(("schedule", schedule_text(report.program)))
    if report.outputs:
        rows.append(("outputs", "; ".join(map(output_text, report.outputs))))
    if report.neuron is not None:
        rows.append(("neuron", neuron_text(report.neuron)))
    return tuple((name, value) for name, value in rows if value)


def output_text(row: OutputRow) -> str:
    """One of several outputs: its shape, the layer that reads it out, and when."""
    shape = "x".join(map(str, row.shape))
    return f"{row.name}: {shape} from layer {row.layer} after {counted(row.latency, 'step')}"


def schedule_text(program: ProgramSection) -> str:
    """The schedule and what it means for the layers' counts."""
    text = f"{program.schedule}, T = {program.timesteps}"
    if program.schedule == "exact":
        return f"{text}, every layer's counts are those of the quantised activation, {program.gated_layers} by gates"
    return f"{text}, {program.gated_layers} layers gated" if program.gated_layers else text


def latency_note(program: ProgramSection) -> str:
    """What the latency is counted from, against the pipelined schedule where a gate adds to it."""
    text = f"from the first input to the result, a sample every {counted(program.window, 'step')}"
    if not program.gated_layers:
        return text
    return f"{text} (pipelined: {program.pipelined_latency}, a sample every {program.timesteps})"


def neuron_text(neuron: NeuronSection) -> str:
    """The neuron model, what it needs beyond plain neurons, and what its first pass adds to the latency."""
    needs = "; ".join(neuron.state)
    if not neuron.first_pass:
        return f"{neuron.model}, needs {needs}"
    return f"{neuron.model}, needs {needs}; a first pass of {neuron.first_pass} steps, {neuron.first_pass_steps} in all"


def percent(fraction: float, digits: int = 1) -> str:
    """Percentage, with a decimal point."""
    return f"{100 * fraction:.{digits}f} %"


def in_units(value: float, unit: str) -> str:
    """``value`` >= 0 with three digits and the prefix that suits it: 1.25e-4 J is 125 uJ."""
    scale, prefix = next((each for each in _PREFIXES if value >= each[0]), _PREFIXES[-1])
    return f"{value / scale:.3g} {prefix}{unit}"


def energy_figure(found: Estimate) -> Figure:
    """Joules of a sample, how far they may be off by the figures' bounds, and what a sample takes of time."""
    note = (
        f"estimated, {in_units(found.joules_least, 'J')} to {in_units(found.joules_most, 'J')}; "
        f"a sample alone takes {in_units(found.seconds, 's')}, in a stream {in_units(found.seconds_streamed, 's')}"
    )
    return Figure("energy", in_units(found.joules, "J"), note)


def _accuracy_figure(rows: tuple[LedgerRow, ...]) -> Figure:
    measured = [stage for stage in stages(rows) if stage.row.samples]
    if not measured:
        return Figure("accuracy", "not measured", "that takes calibration data")
    first, last = measured[0], measured[-1]
    note = f"{last.row.stage} on {last.row.samples:,} calibration samples"
    if last.row.accuracy is None:
        return Figure(
            "agreement",
            last.agreement_text,
            f"{note}, with the ANN's classes; scores correlate {last.correlation_text}",
        )
    against = "" if first is last else f"; {first.row.stage} {first.accuracy_text}"
    return Figure("accuracy", last.accuracy_text, note + against)


def _cores_figure(program: ProgramSection, resources: tuple[ResourceRow, ...]) -> Figure:
    limit = next((row.limit for row in resources if row.layer is None and row.unit == "cores"), None)
    value = f"{program.cores:,}" if limit is None else f"{program.cores:,} of {limit:,}"
    note = f"the layers by themselves fill {program.cores_bound:,}"
    return Figure("cores", value, note, "" if limit is None or program.cores <= limit else BAD)


def _agreement_figure(agreement: AgreementSection | None) -> Figure:
    if agreement is None:
        return Figure("backends", "not compared", "see spikec verify")
    compared = f"{', '.join(agreement.backends)} on {agreement.samples:,} samples"
    if agreement.equal:
        return Figure("backends", "equal", f"spike by spike: {compared}", GOOD)
    difference = agreement.first_difference
    if difference is None:
        return Figure("backends", "different", compared, BAD)
    values = ", ".join(f"{name} {value}" for name, value in sorted(difference.values.items()))
    place = f"neuron {difference.neuron}, step {difference.step}, sample {difference.sample}"
    return Figure("backends", "different", f"{compared}; first at layer {difference.layer!r}, {place} ({values})", BAD)
