"""From a model to a program with its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from ..runtime.encoding import encode
from ..runtime.freed_pages import keep_freed_pages
from ..runtime.given_data import samples_of
from ..runtime.program import Program
from ..runtime.program.neuron_models import GRADED, IF
from ..runtime.program.neuron_range import neuron_range
from ..runtime.progress import Report as Progress
from ..runtime.progress import parts_of, within
from ..runtime.samples import Samples
from ..runtime.self_test import make_self_test
from ..targets import Target
from ..targets import load as load_target
from ..targets.diagnostic import Diagnostic, UnusableInput, refuse
from ..targets.records import dataclass
from .analysis.energy import network_macs
from .analysis.ledger import accuracy_lost, ledger, predictions_of
from .analysis.on_chip import measure_on_chip
from .analysis.traffic import SAMPLES as COST_SAMPLES
from .checks import check_program
from .compiled import Compiled
from .diagnostics.grouping import grouped
from .frontend.model import Model, ModelReader, ModelSource, examine_model, read_model
from .graded_worth import beside_plain_neurons
from .ir.network import Network
from .ir.spiking import SpikingNetwork
from .mapping import Placement, place
from .maxima_choice import with_chosen_maxima
from .neuron_choice import options_for_neuron, with_chosen_neuron
from .options import CONSTANT, CompileOptions, option_problems, takes_frames
from .outliers import without_outliers
from .passes.calibration_aim import matching_aim
from .passes.contract import LEDGER_SAMPLES, Context, program_level, spiking_level
from .passes.encode_input import unencodable
from .passes.recognise_activations import recognised
from .pipeline import STAGES, Pipeline
from .refused_model import all_problems, in_file, report_on_refused
from .report import NumbersRow, Overflow, PassRow, Report, build_report, effect_in_words
from .report.measured import OnChip
from .shared_results import NOTHING_SHARED, SharedResults
from .trials import CompileAgain, Trial, with_tried_hints

_FEWEST_TO_DIVIDE = 32
"""Calibration samples; with fewer no trial has accuracies."""

_FITTED = 64
"""Calibration samples that trials are fitted to, at most: they cost as much as the compilation itself."""

_PARTS = 100
"""Of the work of the report."""

_MODEL_FAMILIES = ("1", "2", "3")
"""First digit of the codes that a report answers with; the others are about options, data, or ourselves."""


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A model after all passes: what was read, what the passes were given, what they left."""

    model: Model
    context: Context
    pipeline: Pipeline
    found: tuple[Diagnostic, ...] = ()
    """What is to be said of the calibration data."""

    @property
    def spiking(self) -> SpikingNetwork:
        """Level 2, in the units that the program's integers have."""
        return spiking_level(self.pipeline.state)

    @property
    def program(self) -> Program:
        """Level 3, what the chip executes."""
        return program_level(self.pipeline.state)


def compile_model(
    model: ModelSource,
    options: CompileOptions | None = None,
    *,
    readers: Mapping[str, ModelReader] | None = None,
    report: Callable[[str], None] | None = None,
) -> Compiled:
    """Compile a model into a program and say whether it fits.

    ``report(stage)`` is called as each stage begins. Raises ``UnusableInput`` with everything that makes the model,
    the options or the calibration data unusable; a program that does not fit its target is a result.
    """
    chosen = options or CompileOptions()
    built = build_program(model, chosen, readers=readers, report=report, ledger=True)
    told = _told(built, chosen, report)
    seconds = {record.name: round(record.seconds, 4) for record in built.pipeline.records}
    self_test = make_self_test(built.program, built.context.calibration, network_macs(built.model.network))
    return Compiled(built.program, told, seconds, self_test)


def build_program(
    model: ModelSource,
    options: CompileOptions,
    *,
    readers: Mapping[str, ModelReader] | None = None,
    report: Callable[[str], None] | None = None,
    ledger: bool = False,
) -> Built:
    """Run the passes on a model file, without placing the program or reporting on it; raises as ``compile_model``.

    ``ledger`` says that one is made of the stages.
    """
    target = usable_target(options)
    _begin(report, "read-model")
    tell, (output, shape) = parts_of(report), (options.output, options.input_shape)
    examined = examine_model(model, output=output, input_shape=shape, readers=readers, progress=tell)
    if examined.model is None:
        raise UnusableInput(all_problems(examined, target, options, model))
    return build_from_file(model, examined.model, target, options, report, readers, ledger=ledger)


def build_from_file(
    file: ModelSource,
    read: Model,
    target: Target,
    options: CompileOptions,
    report: Callable[[str], None] | None = None,
    readers: Mapping[str, ModelReader] | None = None,
    shared: SharedResults = NOTHING_SHARED,
    ledger: bool = False,
) -> Built:
    """As ``build_from`` of a model that was read from ``file``, which is named in what is raised."""
    try:
        return build_from(read, target, options, report, readers, shared, ledger)
    except UnusableInput as refusal:
        raise UnusableInput(grouped(in_file(d, file) for d in refusal.diagnostics)) from refusal


def build_from(
    read: Model,
    target: Target,
    options: CompileOptions,
    report: Callable[[str], None] | None = None,
    readers: Mapping[str, ModelReader] | None = None,
    shared: SharedResults = NOTHING_SHARED,
    ledger: bool = False,
) -> Built:
    """Run the passes on a model that was read, for ``target``, whatever ``options`` name; raises as the above.

    ``shared`` are results of other programs that were built from the same objects; ``ledger`` says that one is made of
    the stages.
    """
    keep_freed_pages()
    calibration, found = _shared_calibration(options, read.network, shared)
    context = Context(
        target,
        options.timesteps,
        calibration,
        options.weight_bits,
        options.schedule,
        frozenset(options.exact_layers or ()),
        options.neuron,
        _aim(options, read.network, readers),
        options.levels,
        frames=takes_frames(options, calibration),
        ledger=ledger,
        progress=parts_of(report),
        shared=shared,
    )
    pipeline = with_chosen_maxima(read.network, context, options_for_neuron(options), report)
    return Built(read, context, with_chosen_neuron(pipeline, options), found)


def check_model(
    model: ModelSource,
    options: CompileOptions | None = None,
    *,
    readers: Mapping[str, ModelReader] | None = None,
    report: Callable[[str], None] | None = None,
) -> Report:
    """Report whether a model fits a target, without keeping the program.

    A model file that cannot be compiled gives a report too, on what could be read of it: with the verdict
    ``unsupported``, ``needs-calibration`` or ``does-not-fit``. Raises ``UnusableInput`` for unusable options and
    calibration data, and for a path that leads to no model file.
    """
    chosen = options or CompileOptions()
    target = usable_target(chosen)
    _begin(report, "read-model")
    examined = examine_model(
        model, output=chosen.output, input_shape=chosen.input_shape, readers=readers, progress=parts_of(report)
    )
    if examined.model is None:
        return report_on_refused(examined, target, all_problems(examined, target, chosen, model), chosen.strict)
    try:
        built = build_from(examined.model, target, chosen, report, readers, ledger=True)
    except UnusableInput as refusal:
        if any(d.code[1] not in _MODEL_FAMILIES for d in refusal.diagnostics):
            raise
        found = (*examined.found, *(in_file(d, model) for d in refusal.diagnostics))
        return report_on_refused(examined, target, found, chosen.strict)
    return _told(built, chosen, report)


def usable_target(options: CompileOptions) -> Target:
    """Load the target that ``options`` name; ``UnusableInput`` with all that is wrong with the options."""
    found = list(option_problems(options))
    try:
        target = load_target(options.target)
    except UnusableInput as refusal:
        found += refusal.diagnostics
    if found:
        raise UnusableInput(found)
    return target


def _shared_calibration(
    options: CompileOptions, network: Network, shared: SharedResults
) -> tuple[Samples | None, tuple[Diagnostic, ...]]:
    data = options.calibration
    if not isinstance(data, Samples):
        return _calibration(options, network)
    in_time = options.timesteps if data.changes_in_time else None
    key = ("calibration", data, network, options.input, in_time)
    return shared.of(key, lambda: _calibration(options, network))


def _calibration(options: CompileOptions, network: Network) -> tuple[Samples | None, tuple[Diagnostic, ...]]:
    data = options.calibration
    if data is None:
        return None, ()
    classes = int(np.prod(network.shape(network.results[0])))
    given = samples_of(data, network.input_shape, classes=classes, integers=network.integers)
    samples = given.constant() if options.input == CONSTANT else given.in_windows(options.timesteps)
    usable, found = without_outliers(samples)
    largest = unencodable(usable, network.integers)
    if largest is None:
        return usable, found
    raise refuse(
        "E603",
        f"the largest magnitude in 'inputs' is {largest:.2g}, which no step of an encoding stands for",
        file=Path(data) if isinstance(data, str | PathLike) else None,
        hint="look for damaged samples; if there are none, scale data and the first weights towards 1",
    )


def _aim(options: CompileOptions, network: Network, readers: Mapping[str, ModelReader] | None) -> Network | None:
    given = options.aim
    if given is None:
        return None
    if isinstance(given, Network):
        return matching_aim(given, network)
    own = recognised(network)  # what is wrong with the model itself is not told of the file of the aim
    aim = read_model(given, output=options.output, input_shape=options.input_shape, readers=readers).network
    try:
        return matching_aim(aim, own, str(given))
    except UnusableInput as refusal:
        raise UnusableInput(in_file(d, given) for d in refusal.diagnostics) from refusal


def _begin(report: Callable[[str], None] | None, stage: str) -> None:
    if report is not None:
        report(stage)


def _told(built: Built, options: CompileOptions, report: Callable[[str], None] | None) -> Report:
    program, pipeline, target = built.program, built.pipeline, built.context.target
    origins = {p.name: tuple(o.node for o in p.origins) for p in built.spiking.populations}
    _begin(report, "place")
    placement = place(program, target, parts_of(report))
    _begin(report, "ledger")
    measured = ledger(pipeline, built.context.calibration, parts_of(report))
    _begin(report, "check")
    problems = check_program(program, target, placement, origins=origins)
    _begin(report, "try-hints")
    present = Trial(program, target, placement)
    hinted = with_tried_hints(problems, present, options, _compile_again(built), parts_of(report))
    _begin(report, "report")
    # Where others are compared with it, each of them is compiled and placed as it was.
    alone = 1 if program.neuron.name == GRADED else _PARTS
    found = (
        *built.model.remarks,
        *built.found,
        *pipeline.diagnostics,
        *hinted,
        *accuracy_lost(measured.loss, options.max_loss, is_graded=program.neuron.name == GRADED),
    )
    return build_report(
        built.model.section,
        target,
        found,
        program=program,
        placement=placement,
        strict=options.strict,
        origins=origins,
        numbers=_numbers(pipeline),
        ledger=measured.rows,
        on_chip=_on_chip(built, placement, within(parts_of(report), 0, alone, _PARTS)),
        beside=beside_plain_neurons(
            program,
            target,
            options,
            built.context.calibration,
            _compile_again(built),
            network_macs(built.model.network),
            within(parts_of(report), alone, _PARTS, _PARTS),
        ),
        passes=[PassRow(r.name, r.changed, effect_in_words(r.name, r.effect), r.effect) for r in pipeline.records],
    )


def _compile_again(built: Built) -> CompileAgain:
    """Compile the model again, as a trial: fitted to some of the calibration data, judged on what that leaves."""
    fitted, held_out = _parts(built.context.calibration)

    def compiled(target: Target, options: CompileOptions, progress: Progress) -> Trial:
        stages = _counting_stages(within(progress, 0, _PARTS // 2, _PARTS))
        again = build_from(built.model, target, replace(options, calibration=fitted), stages)
        placement = place(again.program, target, within(progress, _PARTS // 2, _PARTS, _PARTS))
        return Trial(again.program, target, placement, _accuracy(again, held_out))

    return compiled


def _counting_stages(progress: Progress) -> Callable[[str], None]:
    """To be told of the stages of a trial, of which it tells how many have begun; some run twice."""
    begun = set[str]()

    def begin(name: str) -> None:
        begun.add(name)
        progress(len(begun), len(STAGES))

    return begin


def _parts(calibration: Samples | None) -> tuple[Samples | None, Samples | None]:
    """What trials are fitted to, and what they are judged on; None without data, or with too little to divide."""
    if calibration is None or len(calibration) < _FEWEST_TO_DIVIDE:
        return calibration, None
    fitted = len(calibration) - len(calibration) // 4
    held_out = calibration.between(fitted, len(calibration))
    return calibration.between(0, fitted).evenly(_FITTED), held_out.evenly(LEDGER_SAMPLES)


def _accuracy(built: Built, held_out: Samples | None) -> str:
    """Accuracy on held-out samples where they have labels, or how often the ANN's classes are given."""
    if held_out is None:
        return ""
    from ..runtime.simulator import simulate

    program = built.program
    given = simulate(program, encode(program.input, held_out.inputs)[0]).predictions
    what, wanted = "accuracy", held_out.labels
    if wanted is None:
        what, wanted = (
            "agreement",
            predictions_of(built.pipeline.stages["recognise-activations"].network, held_out.as_float()),
        )
    right = int(np.count_nonzero(given == wanted))
    return f"{100 * right / len(held_out):.1f} % {what} on {len(held_out)} held-out samples"


def _on_chip(built: Built, placement: Placement, progress: Progress) -> OnChip | None:
    """None where nothing tells how often neurons spike."""
    calibration, program = built.context.calibration, built.program
    if calibration is None or program.neuron.name not in (IF, GRADED):
        return None
    encoded = encode(program.input, calibration.first(COST_SAMPLES).inputs)[0]
    macs = network_macs(built.model.network)
    return measure_on_chip(program, built.context.target, placement, encoded, macs, progress)


def _numbers(pipeline: Pipeline) -> list[NumbersRow]:
    effects = {record.name: record.effect for record in pipeline.records}
    program = program_level(pipeline.state)
    proven = {n: (p["lowest"], p["highest"]) for n, p in effects["prove-no-overflow"]["layers"].items()}
    other_neurons = program.neuron.name not in (IF, GRADED)
    rows = []
    for name, quantised in effects["quantize-weights"]["layers"].items():
        low, high = neuron_range(program, program.population(name)) if other_neurons else proven[name]
        margin = min(program.state_maximum - int(np.max(high)), int(np.min(low)) - program.state_minimum)
        rows.append(
            NumbersRow(
                layer=name,
                weight_bits=int(np.ceil(quantised["weight_bits"] - 1e-9)),
                bits_gained=quantised["bits_gained_per_channel"],
                clipped=quantised["clipped"],
                worst_rounding=quantised["worst_rounding"],
                overflow=Overflow(margin >= 0, float(margin)),
            )
        )
    return rows
