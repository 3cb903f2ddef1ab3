"""What the user can choose about a compilation, and what is wrong with a choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from ..runtime.program.neuron_models import COS, GRADED, IF, SRP
from ..runtime.program.rules import MAXIMUM_TIMESTEPS
from ..targets.diagnostic import Diagnostic, UnusableInput, refuse
from ..targets.facts import NEURON_MODELS
from ..targets.records import dataclass
from ..targets.suggestion import known_names
from .ir.network import Network
from .passes.contract import DEFAULT_LEVELS
from .passes.fit_pieces import DEFAULT_PIECES, MOST_PIECES

if TYPE_CHECKING:
    from ..runtime.given_data import Data
    from ..runtime.samples import Samples
    from .frontend.model import ModelSource

Granularity = Literal["neuron", "channel", "layer"]
ThresholdMethod = Literal["mse", "percentile"]
MOST_LEVELS = (1 << 16) - 1
MAXIMA = ("exact", "average", "measured")
SCHEDULES = ("pipelined", "exact", "mixed")
CONSTANT, FRAMES = "constant", "frames"
INPUTS = (CONSTANT, FRAMES)
MEASURING = (SRP, COS)
"""Neuron models with steps before those that count."""


@dataclass(frozen=True, slots=True, eq=False)
class CompileOptions:
    """Options of ``compile_model`` and ``check_model``.

    ``target`` is a name from ``spikec targets`` or the path of a chip description. ``timesteps`` T >= 1 is the
    window per sample. ``calibration`` are training inputs, as an array or a tensor, with labels as a pair of the two,
    or their file: with them ReLU networks get thresholds, weights are rounded against real activity and initial
    potentials are calibrated; with labels the report's ledger has accuracies. ``weight_bits`` 2..16 lowers the target's
    own limit. ``strict`` turns
    warnings into errors. ``threshold_method`` and ``percentile`` (0..100) apply to activations without levels;
    ``calibrate``, ``granularity`` and ``iterations`` to initial potentials, which aim at the activations of
    ``aim``, a network or its file, where the model's own are not what its spikes should stand for. ``output``
    names one or more of the model's outputs, or other values of it, by a tuple of names or a text with commas: each
    gets a read-out of its own, and labels refer to the first. ``schedule`` "exact" gates every layer whose counts could
    depend on the timing of spikes; "mixed" gates ``exact_layers`` or, where these are not given, the layers with most
    wrong counts on the calibration data that ``latency_budget`` (steps from the first input to the read-out) has room
    for. ``neuron`` is the model of the firing neurons (see ``runtime.neuron_models``): "srp" and "cos" take
    ``first_pass`` 1..4096 steps before the T that count; any but "if" runs pipelined and from potentials that are not
    calibrated. "graded" neurons send everything in one step, T = 1, and give activations without levels ``levels``
    1..65535. ``input_shape`` fixes sizes per sample, without the batch, that the model file leaves open. ``pieces``
    1..32 are the most populations that a function such as a sigmoid or a GELU is fitted by on calibration data.
    ``input`` "frames" is for samples that have a frame for every step, "constant" for those that stay the same over the
    window, and for the mean over time of calibration data that do not; without it the calibration data tell.
    ``max_loss`` (0..100) is how many points of accuracy the program may lose on labelled calibration data without a
    warning. ``maxima`` "exact" computes max pooling by neurons of its own, "average" replaces it, with a warning, by
    average pooling, "measured" takes what agrees with the model more often on held-out calibration data.
    """

    target: str = "lava"
    timesteps: int = 4
    schedule: str = "pipelined"
    calibration: Data | None = None
    weight_bits: int | None = None
    strict: bool = False
    threshold_method: ThresholdMethod = "mse"
    percentile: float = 99.9
    calibrate: bool = True
    granularity: Granularity = "channel"
    iterations: int = 3
    output: str | tuple[str, ...] | None = None
    exact_layers: tuple[str, ...] | None = None
    latency_budget: int | None = None
    neuron: str = IF
    first_pass: int = 4
    levels: int = DEFAULT_LEVELS
    aim: Network | ModelSource | None = None
    input_shape: tuple[int, ...] | None = None
    pieces: int = DEFAULT_PIECES
    max_loss: float = 1.0
    maxima: str = "exact"
    input: str | None = None


def option_problems(options: CompileOptions) -> Iterator[Diagnostic]:
    """Yield every option that is out of its range."""
    rules = (
        (
            1 <= options.timesteps <= MAXIMUM_TIMESTEPS,
            f"timesteps is {options.timesteps}",
            f"give --timesteps from 1 to {MAXIMUM_TIMESTEPS}",
        ),
        (
            options.schedule in SCHEDULES,
            f"the schedule '{options.schedule}' is not known",
            known_names(options.schedule, SCHEDULES, "give --schedule"),
        ),
        (
            options.maxima in MAXIMA,
            f"the policy '{options.maxima}' for maxima is not known",
            known_names(options.maxima, MAXIMA, "give --maxima"),
        ),
        (
            options.input in (None, *INPUTS),
            f"the input '{options.input}' is not known",
            known_names(str(options.input), INPUTS, "give --input"),
        ),
        (
            options.weight_bits is None or 2 <= options.weight_bits <= 16,
            f"weight bits is {options.weight_bits}",
            "give --weight-bits from 2 to 16",
        ),
        (
            1 <= options.pieces <= MOST_PIECES,
            f"pieces is {options.pieces}",
            f"give --pieces from 1 to {MOST_PIECES}",
        ),
        (
            options.output is None or _are_names(options.output),
            "the outputs are not named by texts",
            'give a name or several, as in output=("boxes", "classes")',
        ),
        (0 < options.percentile <= 100, f"percentile is {options.percentile}", "give a percentile from 0 to 100"),
        (
            options.neuron in NEURON_MODELS,
            f"the neuron model '{options.neuron}' is not known",
            known_names(options.neuron, NEURON_MODELS, "give --neuron"),
        ),
        (
            options.neuron == IF or options.schedule == "pipelined",
            f"the neuron model '{options.neuron}' has no schedule '{options.schedule}'",
            "leave out --schedule or --neuron: the exact schedule needs plain neurons alone",
        ),
        (
            options.neuron != GRADED or options.timesteps == 1,
            f"graded neurons send everything in one step, and timesteps is {options.timesteps}",
            "give --timesteps 1 with --neuron graded",
        ),
        (
            1 <= options.levels <= MOST_LEVELS,
            f"levels is {options.levels}",
            f"give --levels from 1 to {MOST_LEVELS}",
        ),
        (
            1 <= options.first_pass <= MAXIMUM_TIMESTEPS,
            f"the first pass takes {options.first_pass} steps",
            f"give --first-pass from 1 to {MAXIMUM_TIMESTEPS}",
        ),
        (
            options.aim is None or (options.calibrate and options.calibration is not None),
            "an aim is given, and nothing is calibrated that could aim at it",
            "give --calibration and leave --no-calibrate away, or leave --aim away",
        ),
        (
            options.aim is None or options.neuron == IF,
            f"an aim is given, and potentials of neurons of the model '{options.neuron}' are not calibrated",
            "leave --neuron or --aim out",
        ),
        (0 <= options.max_loss <= 100, f"max loss is {options.max_loss}", "give --max-loss from 0 to 100 points"),
        (0 <= options.iterations <= 100, f"iterations is {options.iterations}", "give 0 to 100 iterations"),
    )
    shape = options.input_shape
    if shape is not None and not all(isinstance(size, int) and size >= 1 for size in shape or (0,)):
        yield bad_input_shape("x".join(map(str, shape)))
    for holds, message, hint in (*rules, *_schedule_rules(options)):
        if not holds:
            yield Diagnostic("E630", message, hint=hint)


def takes_frames(options: CompileOptions, calibration: Samples | None) -> bool:
    """Whether programs are for samples with a frame for every step; ``calibration`` is what they are fitted to.

    E028 for neurons that cannot take them.
    """
    frames = options.input == FRAMES or (options.input is None and calibration is not None and calibration.frames)
    if frames and options.neuron in MEASURING:
        raise refuse(
            "E028",
            f"neurons of the model '{options.neuron}' measure before the steps that count, which have no frame",
            hint="give --input constant, or leave --neuron out",
        )
    return frames


def _are_names(given: object) -> bool:
    return isinstance(given, str) or (isinstance(given, tuple | list) and all(isinstance(n, str) for n in given))


def parse_input_shape(text: str) -> tuple[int, ...]:
    """Sizes per sample as typed, ``3x32x32`` or ``3,32,32``; UnusableInput E020 for anything else."""
    parts = text.lower().replace(",", "x").split("x")
    if not all(part.strip().isascii() and part.strip().isdigit() and int(part) >= 1 for part in parts):
        raise UnusableInput(bad_input_shape(text))
    return tuple(int(part) for part in parts)


def bad_input_shape(given: str) -> Diagnostic:
    """E020 for an input shape that is no list of sizes."""
    hint = "give the sizes of one sample, without the batch, as in --input-shape 3x32x32"
    return Diagnostic("E020", f"the input shape is '{given}'", hint=hint)


def _schedule_rules(options: CompileOptions) -> Iterator[tuple[bool, str, str]]:
    mixed, budget = options.schedule == "mixed", options.latency_budget
    chosen = options.exact_layers is not None
    yield (
        mixed or not (chosen or budget is not None),
        f"exact layers or a latency budget are given for the schedule '{options.schedule}'",
        "give --schedule mixed with them",
    )
    if not mixed:
        return
    yield (
        chosen != (budget is not None),
        "the schedule 'mixed' needs either exact layers or a latency budget",
        "give --exact-layers NAME,NAME or --latency-budget STEPS",
    )
    yield budget is None or budget >= 1, f"the latency budget is {budget}", "give --latency-budget from 1"
    yield (
        budget is None or options.calibration is not None,
        "layers are chosen by measuring, and there is no calibration data",
        "give --calibration, or name the layers by --exact-layers",
    )
