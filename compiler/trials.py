"""Hints that were tried: what other options, or another chip, do to the figure that a finding judges.

What could mend a finding against a target is compiled and placed, and what lowers the figure or meets the limit is told
with figure and accuracy before and after. Placing the program that there is, changed in a way that costs nothing, tells
which trials are worth compiling; a trial serves all findings. Accuracy is measured on calibration data that the trial,
and for comparison the program compiled again, were not fitted to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field, replace

import numpy as np

from ..runtime.program import IntArray, Program, Projection, SparseSynapses
from ..runtime.program.neuron_models import IF, PLAIN_IF
from ..runtime.program.synapses import narrowest
from ..runtime.progress import Report as Progress
from ..runtime.progress import untold, within
from ..targets import Target, load, names
from ..targets.diagnostic import Diagnostic, Severity, UnusableInput
from ..targets.records import dataclass
from .checks import check_program
from .judged_figures import FIGURES, Figure, Placed, suits_layer_cores
from .mapping import Placement
from .options import CompileOptions

_FEWEST_BITS = 3
_LONGER = (2, 4, 8)
"""Windows that are tried, in multiples of the present one."""

_MOST_COMPILED = 4
"""Trials of one report, errors' first: a network that fits nothing should be told so before long.

For a warning nothing more is compiled once something helps.
"""

_OF_OPTIONS = 4
"""What could help beside another chip, at most."""

_UNIT = 1000
_PLACED, _COMPILED = 400, 700
"""Parts of a proposal done once what promises it is placed, and once it is compiled."""

_MOST_WITHOUT_PATTERN = 1 << 18
"""Synapses listed one by one; with more of them every trial takes seconds, for which nobody waits in ``check``."""

_NOT_TRIED = "nothing was tried, as so many synapses without a pattern take long to place"

_OF_LAYER_CORES = {"325", "326", "327"}

BITS, SCHEDULE, NEURON, WINDOW = "fewer weight bits", "--schedule pipelined", "--neuron if", "longer windows"


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A program and its placement on ``target``; ``accuracy`` says how it does on held-out data, where there is any."""

    program: Program
    target: Target
    placement: Placement
    accuracy: str = ""

    def judged(self, number: str) -> int:
        """The figure that findings with this number judge."""
        return FIGURES[number].measured(Placed(self.program, self.target, self.placement))

    def errors(self) -> frozenset[str]:
        """Numbers of the findings that keep it from fitting."""
        found = check_program(self.program, self.target, self.placement)
        return frozenset(each.code[1:] for each in found if each.severity is Severity.ERROR)


CompileAgain = Callable[[Target, CompileOptions, Progress], Trial]
"""Compile the model again for a target with other options, telling of it; raises ``UnusableInput``."""


@dataclass(frozen=True, slots=True, eq=False)
class _Proposal:
    """What is to be given, ``option``, what it is called where it has no effect, and what it stands for."""

    option: str
    name: str
    target: Target
    options: CompileOptions


@mutable_dataclass
class _Shares:
    """What is told of one proposal: how far placing what promises it is, then compiling it.

    How much is placed is known when it is: the first has half of the share of placing, the next half of what is left.
    """

    report: Progress
    placed: int = 0

    def of_proposal(self, number: int, most: int, whole: Progress) -> None:
        """Begin with the proposal ``number`` of ``most``."""
        self.report, self.placed = within(whole, number * _UNIT, (number + 1) * _UNIT, most * _UNIT), 0

    def placing(self) -> Progress:
        """Report of the next program that is placed."""
        first, self.placed = self.placed, (self.placed + _PLACED) // 2
        return within(self.report, first, self.placed, _UNIT)

    def compiling(self) -> Progress:
        """Report of the trial."""
        return within(self.report, _PLACED, _COMPILED, _UNIT)

    def comparing(self) -> Progress:
        """Report of compiling what the accuracy of a trial is held against."""
        return within(self.report, _COMPILED, _UNIT, _UNIT)


@mutable_dataclass
class _Trials:
    """Trials by option; None where the model cannot be compiled so. Each is compiled once, as each is placed once."""

    present: Trial
    options: CompileOptions
    compile_again: CompileAgain
    shares: _Shares
    made: dict[str, Trial | None] = field(default_factory=dict)
    placed: dict[str | int, Placed] = field(default_factory=dict)
    compared: str | None = None

    def may_make(self, proposal: _Proposal, *, needed: bool) -> bool:
        return proposal.option in self.made or (needed and len(self.made) < _MOST_COMPILED)

    def of(self, proposal: _Proposal) -> Trial | None:
        if proposal.option not in self.made:
            self.made[proposal.option] = self._made(proposal.target, proposal.options, self.shares.compiling())
        return self.made[proposal.option]

    def accuracy_now(self) -> str:
        """Of the present options, compiled with the data that trials are compiled with."""
        if self.compared is None:
            again = self._made(self.present.target, self.options, self.shares.comparing())
            self.compared = "" if again is None else again.accuracy
        return self.compared

    def on(self, target: Target) -> Placed:
        """The present program on another target."""
        if target.name not in self.placed:
            self.placed[target.name] = self.judged(self.present.program, target)
        return self.placed[target.name]

    def judged(self, program: Program, target: Target) -> Placed:
        """``program`` on ``target``, whose placing is told of."""
        return Placed(program, target, placing=self.shares.placing)

    def coarser(self, bits: int) -> Placed:
        """The present program with weights that are ``bits`` narrower."""
        if bits not in self.placed:
            program = _coarser(self.present.program, self.present.target, bits)
            self.placed[bits] = self.judged(program, self.present.target)
        return self.placed[bits]

    def _made(self, target: Target, options: CompileOptions, progress: Progress) -> Trial | None:
        try:
            return self.compile_again(target, options, progress)
        except UnusableInput:
            return None


def with_tried_hints(
    found: tuple[Diagnostic, ...],
    present: Trial,
    options: CompileOptions,
    compile_again: CompileAgain,
    progress: Progress = untold,
) -> tuple[Diagnostic, ...]:
    """Put what was tried, and helps, before the hints of findings against the target.

    Where nothing tried helps, the hint says so, and keeps what only the user can do. ``progress(done, total)`` counts
    parts of what could help, each for every finding.
    """
    trials = _Trials(present, options, compile_again, _Shares(progress))
    if _without_pattern(present.program) > _MOST_WITHOUT_PATTERN:
        return tuple(
            replace(each, hint=f"{_NOT_TRIED}; {each.hint}") if each.code[1:] in FIGURES else each for each in found
        )
    errors_first = sorted(found, key=lambda each: each.severity is not Severity.ERROR)
    numbers = dict.fromkeys(each.code[1:] for each in errors_first if each.code[1:] in FIGURES)
    broken = {each.code[1:] for each in found if each.severity is Severity.ERROR}
    tried, most = dict[str, str](), len(names()) + _OF_OPTIONS
    for place, number in enumerate(numbers):
        report = within(progress, place * most * _UNIT, (place + 1) * most * _UNIT, len(numbers) * most * _UNIT)
        tried[number] = _tried(number, trials, report, is_error=number in broken)
        report(1, 1)
    return tuple(
        replace(each, hint=f"{tried[each.code[1:]]}; {each.hint}") if tried.get(each.code[1:]) else each
        for each in found
    )


def _without_pattern(program: Program) -> int:
    return sum(p.synapses.weight.size for p in program.projections if isinstance(p.synapses, SparseSynapses))


def _tried(number: str, trials: _Trials, progress: Progress, *, is_error: bool) -> str:
    figure, before = FIGURES[number], trials.present.judged(number)
    effects, failed, left = list[str](), list[str](), list[str]()
    most = len(names()) + _OF_OPTIONS
    trials.shares.of_proposal(0, most, progress)
    for proposal, promises in _proposals(figure, before, trials):
        if not promises:
            failed.append(proposal.name)
        elif not trials.may_make(proposal, needed=is_error or not effects):
            left.append(proposal.option)
        else:
            trial = trials.of(proposal)
            effect = None if trial is None else _effect(number, before, trials.present, trial)
            if trial is None or effect is None:
                failed.append(proposal.option)
            else:
                effects.append(f"{proposal.option} makes {effect}{_accuracies(trials, trial)}")
        done = len(effects) + len(failed) + len(left)
        progress(done, most)
        trials.shares.of_proposal(done, most, progress)
    return "; ".join(
        [
            *(f"tried: {effect}" for effect in effects),
            *([f"tried without effect: {', '.join(failed)}"] if failed else []),
            *([f"not tried any more: {', '.join(left)}"] if left else []),
        ]
    )


def _effect(number: str, before: int, present: Trial, trial: Trial) -> str | None:
    """Before and after, if that helps and breaks nothing else."""
    figure, after = FIGURES[number], trial.judged(number)
    limit = figure.limit(trial.target)
    # What no core can compute is not judged by its memory, so that its end may show what was hidden.
    shown = _OF_LAYER_CORES if number in _OF_LAYER_CORES else {number}
    if not _helps(after, before, limit) or trial.errors() - present.errors() - shown:
        return None
    allowed = figure.of or ("(no limit known)" if limit is None else f"(of {limit:,})")
    return f"{before:,} to {after:,} {allowed}"


def _helps(after: int, before: int, limit: int | None) -> bool:
    return after < before or (after <= before if limit is None else after <= limit)


def _accuracies(trials: _Trials, trial: Trial) -> str:
    if not trial.accuracy:
        return ""
    now = trials.accuracy_now()
    return f", {trial.accuracy}" + (f" (now {now})" if now else "")


def _proposals(figure: Figure, before: int, trials: _Trials) -> Iterator[tuple[_Proposal, bool]]:
    """What could lower the ``figure``, what costs least first, and whether placing alone promises so."""
    present, options = trials.present, trials.options
    if figure.by_bits:
        bits = _fewer_bits(figure, before, trials)
        changed = replace(options, weight_bits=bits)
        yield _Proposal(f"--weight-bits {bits}", BITS, present.target, changed), bits is not None
    if present.program.pulses:
        without = replace(options, schedule="pipelined", exact_layers=None, latency_budget=None)
        after = figure.measured(trials.judged(replace(present.program, pulses=()), present.target))
        yield (
            _Proposal(SCHEDULE, SCHEDULE, present.target, without),
            _helps(after, before, figure.limit(present.target)),
        )
    if present.program.neuron != PLAIN_IF:
        after = figure.measured(trials.judged(replace(present.program, neuron=PLAIN_IF), present.target))
        yield _Proposal(NEURON, NEURON, present.target, replace(options, neuron=IF)), after < before
    if figure.by_window and present.program.input.spread and not present.program.input.frames:
        steps = _longer_window(figure, before, present)
        changed = replace(options, timesteps=steps or options.timesteps)
        yield _Proposal(f"--timesteps {steps}", WINDOW, present.target, changed), steps is not None
    for target in map(load, names()):
        has_cores = target.core.neurons is not None or target.layer_cores is not None
        if target.name != present.target.name and has_cores:
            there, limit = trials.on(target), figure.limit(target)
            promises = suits_layer_cores(there) and _helps(figure.measured(there), before, limit)
            yield (
                _Proposal(f"--target {target.name}", target.name, target, replace(options, target=target.name)),
                promises,
            )


def _longer_window(figure: Figure, before: int, present: Trial) -> int | None:
    """The shortest that keeps the limit, or else the longest that lowers the figure."""
    best, limit = None, figure.limit(present.target)
    for times in _LONGER:
        program = replace(present.program, timesteps=times * present.program.timesteps)
        after = figure.measured(Placed(program, present.target, present.placement))
        if after < before:
            best = program.timesteps
        if limit is not None and after <= limit:
            break
    return best


def _fewer_bits(figure: Figure, before: int, trials: _Trials) -> int | None:
    """The most weight bits below those there are that keep the limit, or else the fewest, if they lower the figure."""
    target = trials.present.target
    limit, choices = figure.limit(target), target.synapses.weight_bits
    widest = max(layer.weight_bits for layer in trials.present.placement.layers)
    widths = [b for b in range(widest - 1, _FEWEST_BITS - 1, -1) if choices is None or b in choices.values]
    if not widths:
        return None
    lowest = figure.measured(trials.coarser(widest - widths[-1]))
    if limit is None or lowest > limit:
        return widths[-1] if lowest < before else None
    return next(bits for bits in widths if figure.measured(trials.coarser(widest - bits)) <= limit)


def _coarser(program: Program, target: Target, bits: int) -> Program:
    """The program with weights that are ``bits`` narrower; only for what they take."""
    step = target.weights.step.value

    def narrowed(projection: Projection) -> Projection:
        weight: IntArray = projection.synapses.weight.astype(np.int64)
        # Away from zero, so that no synapse is lost.
        steps = abs(weight) // step
        shorter = (steps + (1 << bits) - 1 >> bits) * step
        signed = narrowest(shorter * ((weight > 0) * 2 - 1))
        return replace(projection, synapses=replace(projection.synapses, weight=signed))

    return replace(program, projections=tuple(narrowed(p) for p in program.projections))
