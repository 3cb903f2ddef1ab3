"""Hints that were tried: what fewer weight bits, or another chip, do to the figure that a finding judges.

What could mend a finding against a core's or a chip's resources is compiled and placed, and what lowers the figure or
meets the limit is told, with figure and accuracy before and after. Placing alone, with the weights that there are,
tells which trials are worth compiling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..runtime.program import IntArray, Program, Projection, SparseSynapses
from ..targets import Target, load, names
from ..targets.diagnostic import Diagnostic, UnusableInput
from ..targets.records import dataclass
from .mapping import Placement, place
from .options import CompileOptions

_RESOURCES = {"301": "input axons", "302": "output axons", "303": "synapse memory"}
_OF_A_CHIP = ("305", "320")
_OF_WEIGHT_BITS = ("303", "305")
_FEWEST_BITS = 3

_MOST_WITHOUT_PATTERN = 1 << 18
"""Synapses listed one by one; with more of them every trial takes seconds, for which nobody waits in ``check``."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A program, its placement, and how its scores or classes compare with the ANN's, as the ledger tells."""

    program: Program
    target: Target
    placement: Placement
    accuracy: str


CompileAgain = Callable[[Target, CompileOptions], Trial]
"""Compile the model again for a target with other options; raises ``UnusableInput``."""


def with_tried_hints(
    found: tuple[Diagnostic, ...], present: Trial, options: CompileOptions, compile_again: CompileAgain
) -> tuple[Diagnostic, ...]:
    """Put what was tried, and helps, in place of the hints of findings against resources.

    Where nothing tried helps, the hint says so, and keeps what only the user can do.
    """
    if sum(len(p.synapses.weight) for p in present.program.projections if isinstance(p.synapses, SparseSynapses)) > (
        _MOST_WITHOUT_PATTERN
    ):
        return found
    tried: dict[str, str] = {}
    for finding in found:
        number = finding.code[1:]
        if number in (*_RESOURCES, *_OF_A_CHIP) and number not in tried:
            tried[number] = _tried(number, present, options, compile_again)
    return tuple(
        replace(finding, hint=f"{tried[finding.code[1:]]}; {finding.hint}") if tried.get(finding.code[1:]) else finding
        for finding in found
    )


def judged(number: str, placement: Placement) -> int:
    """The figure that the finding with this number judges."""
    if number == "305":
        return placement.cores
    if number == "320":
        return placement.synapses
    return max(layer.use(_RESOURCES[number]).single_neuron for layer in placement.layers)


def _limit(number: str, target: Target) -> int | None:
    limit = {
        "301": target.core.input_axons,
        "302": target.core.output_axons,
        "303": target.core.synapse_memory_bits,
        "305": target.chip.cores,
        "320": target.chip.synapses,
    }[number]
    return None if limit is None else limit.value


def _tried(number: str, present: Trial, options: CompileOptions, compile_again: CompileAgain) -> str:
    before = judged(number, present.placement)
    effects, failed = list[str](), list[str]()
    for option, name, target, changed in _proposals(number, present, options):
        try:
            trial = compile_again(target, changed)
        except UnusableInput:
            failed.append(name)
            continue
        after, limit = judged(number, trial.placement), _limit(number, target)
        if _helps(after, before, limit):
            allowed = "no limit" if limit is None else f"of {limit:,}"
            effects.append(f"{option} makes {before:,} to {after:,} ({allowed}){_accuracies(present, trial)}")
        else:
            failed.append(name)
    if number in _OF_WEIGHT_BITS and not any("--weight-bits" in effect for effect in effects):
        failed.insert(0, "fewer weight bits")
    without = [f"tried without effect: {', '.join(dict.fromkeys(failed))}"] if failed else []
    return "; ".join([*(f"tried: {effect}" for effect in effects), *without])


def _helps(after: int, before: int, limit: int | None) -> bool:
    return limit is None or after < before or after <= limit


def _accuracies(present: Trial, trial: Trial) -> str:
    if not trial.accuracy:
        return ""
    return f", {trial.accuracy} on calibration data" + (f" (now {present.accuracy})" if present.accuracy else "")


def _proposals(
    number: str, present: Trial, options: CompileOptions
) -> Iterator[tuple[str, str, Target, CompileOptions]]:
    """Option to be given, its name, and the target and options that it stands for; those that promise an effect."""
    bits = _fewer_bits(number, present)
    if bits is not None:
        yield f"--weight-bits {bits}", "fewer weight bits", present.target, replace(options, weight_bits=bits)
    before = judged(number, present.placement)
    for name in names():
        target = load(name)
        if name == present.target.name or target.core.neurons is None:
            continue
        limit, there = _limit(number, target), judged(number, place(present.program, target))
        if _helps(there, before, limit):
            yield f"--target {name}", name, target, replace(options, target=name)


def _fewer_bits(number: str, present: Trial) -> int | None:
    """The most weight bits below those there are that keep the limit, or else that lower the figure most."""
    if number not in _OF_WEIGHT_BITS:
        return None
    limit = _limit(number, present.target)
    widest = max(layer.weight_bits for layer in present.placement.layers)
    choices = present.target.synapses.weight_bits
    widths = [b for b in range(widest - 1, _FEWEST_BITS - 1, -1) if choices is None or b in choices.values]
    best, lowest = None, judged(number, present.placement)

    def figure_with(bits: int) -> int:
        return judged(number, place(_coarser(present.program, present.target, widest - bits), present.target))

    # Where the fewest bits gain nothing, memory is not what decides, and widths between need not be placed.
    if not widths or figure_with(widths[-1]) >= lowest:
        return None
    for bits in widths:
        figure = figure_with(bits)
        if figure < lowest:
            best, lowest = bits, figure
        if limit is not None and figure <= limit:
            break
    return best


def _coarser(program: Program, target: Target, bits: int) -> Program:
    """The program with weights that are ``bits`` narrower; only for what they take."""
    step = target.weights.step.value

    def narrowed(projection: Projection) -> Projection:
        weight: IntArray = projection.synapses.weight
        # Away from zero, so that no synapse is lost.
        steps = abs(weight) // step
        shorter = (steps + (1 << bits) - 1 >> bits) * step
        return replace(projection, synapses=replace(projection.synapses, weight=shorter * ((weight > 0) * 2 - 1)))

    return replace(program, projections=tuple(narrowed(p) for p in program.projections))
