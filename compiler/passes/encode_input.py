"""Choose the integers that stand for the input: as many bits as the chip's messages and the first weights allow.

The same integer at every step leaves few levels where messages are narrow or the window's sum must fit the state; an
integer that is spread over the window has T times as many for the same sum (see ``InputEncoding``). What it sends at
one step differs from the next, so counts depend on its timing; it is taken where equal messages have fewer than six
bits and it resolves enough more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...runtime.program.neuron_models import IF
from ...runtime.program.rules import LARGEST_STEP
from ...runtime.samples import Samples
from ...targets.diagnostic import Diagnostic, Place
from ...targets.records import dataclass
from ..arithmetic import log2, mean, total
from ..ir.operators import FloatArray
from ..ir.spiking import INPUT, InputSignal, SpikingNetwork
from .contract import Compilation, Context, Outcome, spiking_level
from .drives import Drive, drives_of, mean_square_activity
from .exponents import choose_exponents
from .gate_populations import with_gated

_INPUT_BITS = 8
_FEW_LEVELS = 63
"""Six bits: with a sign they are -31..31."""
_WORTH_SPREADING = 0.7
"""Share of the error that may be left: equal messages need no gate for exact counts, and wait for nothing."""

_MISTIMED = 0.25
"""Share of what comes late in a spread integer that is seen in counts; measured on networks of three and eight layers.

Most of it comes while a potential is far from its threshold, or is made up for before the window ends.
"""


@dataclass(frozen=True)
class EncodeInput:
    """x -> round(x / step), sent at every step or spread over the window; weights take multiples of what is sent."""

    name: str = "encode-input"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Set the input's step and range, and give the weights that read it per message."""
        spiking = spiking_level(state)
        activity = mean_square_activity(state.network, spiking, context.calibration, context.shared, context.progress)
        signal = choose_input(spiking, context, activity)
        effect = {
            "step": signal.step,
            "minimum": signal.minimum,
            "maximum": signal.maximum,
            "spread": signal.spread_over > 1,
        }
        changed = in_messages(replace(spiking, input=signal))
        return Outcome(replace(state, spiking=changed, activity=activity), effect, tuple(_remarks(signal)))


def _remarks(signal: InputSignal) -> Iterator[Diagnostic]:
    """W212 where rounding left few levels; integers that are sent as they are have all that there are."""
    levels = signal.levels
    if levels >= _FEW_LEVELS or (signal.integers is not None and signal.step == 1):
        return
    yield Diagnostic(
        "W212",
        f"the input has {levels} levels over the window, so that messages, weights and state fit",
        Place(layer=INPUT),
        measured=float(f"{float(log2(float(levels))):.2g}"),
        limit=6,
        unit="bits",
        hint="choose a target with a wider state or input range; more --timesteps give a spread input more levels",
    )


def choose_input(spiking: SpikingNetwork, context: Context, activity: dict[str, FloatArray]) -> InputSignal:
    """Return the encoding whose own rounding and the weights' rounding that it leaves room for add up to least."""
    best, least = None, math.inf
    for spread_over, share in ((1, 1.0), (context.timesteps, _WORTH_SPREADING)):
        if best is not None and (spread_over == 1 or best.levels >= _FEW_LEVELS or context.neuron != IF):
            break
        for signal in _encodings(replace(spiking.input, spread_over=spread_over), context):
            error = _first_layer_error(replace(spiking, input=signal), context, activity, share * least)
            if best is None or error < share * least:
                best, least, share = signal, error, 1.0
    assert best is not None, "there is an encoding with one bit"
    return best


def _encodings(signal: InputSignal, context: Context) -> list[InputSignal]:
    low, high = input_range(signal.integers, context)
    largest = 1.0 if _is_unit(low, high) else max(abs(low), abs(high))
    encodings = []
    for width in range(_INPUT_BITS, 0, -1):
        top = (1 << width) - 1 if low >= 0 else (1 << max(width - 1, 1)) - 1
        encoding = replace(signal, step=largest / top, minimum=0 if low >= 0 else -top, maximum=top)
        # Integers have one negative value more than positive ones, and are sent as they are where they fit.
        encodings.append(encoding if signal.integers is None else _of_integers(encoding, low, high))
    graded = context.target.graded_input
    # A chip without graded messages is reported by the checks; the encoding is then chosen as if it had them.
    if graded is None or graded.value < 2:
        return encodings
    fitting = [e for e in encodings if e.message_range[1] < 1 << graded.value - (low < 0)]
    return fitting or encodings[-1:]


def _of_integers(encoding: InputSignal, low: float, high: float) -> InputSignal:
    bottom = encoding.minimum - (encoding.minimum < 0)
    step = max(high / encoding.maximum, low / bottom if low < 0 else 0.0, 1.0)
    return replace(encoding, step=step, minimum=bottom)


def finest_encoding(signal: InputSignal, context: Context) -> InputSignal:
    """The encoding with most bits, sent at every step, whatever weights it leaves room for."""
    return _encodings(signal, context)[0]


def value_range(signal: InputSignal, context: Context) -> tuple[float, float]:
    """Smallest and largest value that the input can be, in whatever encoding; data beyond it are clipped."""
    encodings = _encodings(signal, context)
    return min(e.minimum * e.step for e in encodings), max(e.maximum * e.step for e in encodings)


def input_range(integers: tuple[int, int] | None, context: Context) -> tuple[float, float]:
    """Smallest and largest value of the input: of its type, or of the calibration data where that says little."""
    data = None if context.calibration is None else context.calibration.inputs
    if integers is not None:
        low, high = integers
        is_wide = high - low >= 1 << _INPUT_BITS
        return (float(data.min()), float(data.max())) if is_wide and data is not None else (float(low), float(high))
    if data is None or data.dtype == np.uint8:
        return 0.0, 1.0
    return float(data.min()), float(data.max())


def unencodable(calibration: Samples, integers: tuple[int, int] | None) -> float | None:
    """Largest magnitude of data that are so large or small that a step for them is none of a program; else None."""
    data = calibration.inputs
    if integers is not None or data.dtype == np.uint8 or _is_unit(float(data.min()), float(data.max())):
        return None
    largest = max(abs(float(data.min())), abs(float(data.max())))
    smallest = (1 << _INPUT_BITS) / LARGEST_STEP
    return None if smallest <= largest <= LARGEST_STEP else largest


def _is_unit(low: float, high: float) -> bool:
    """Whether floats count as bytes divided by 255, whose grid is kept whatever their largest value happens to be."""
    return low >= 0 and high <= 1


def _first_layer_error(
    spiking: SpikingNetwork, context: Context, activity: dict[str, FloatArray], bound: float
) -> float:
    """Error of the encoding, and unless that alone reaches ``bound``, of the weights that it leaves room for."""
    scaled = with_gated(in_messages(spiking), context)
    # A layer that hears nothing of the input needs none of its bits.
    names = sorted({p.target for p in spiking.projections if p.source == INPUT and p.map.weight.any()})
    populations = [scaled.population(name) for name in names]
    seen = [(p, drives_of(scaled, p, activity, context.timesteps)) for p in populations]
    error = sum(
        _encoding_error(drive, spiking.input.spread_over, timing_counts=not population.hold)
        for population, drives in seen
        for drive in drives
        if drive.projection.source == INPUT
    )
    if error >= bound:
        return error
    return error + sum(choose_exponents(population, drives, context).error for population, drives in seen)


def _encoding_error(drive: Drive, spread_over: int, *, timing_counts: bool) -> float:
    """Mean square error per step, in thresholds squared, of the rounded input and of when it comes.

    Rounding is off by up to half a step of the integer, which is a message at every step or one in the window. A
    spread integer is up to a message late within the window, uniformly; a neuron whose count that decides is off by a
    spike.
    """
    channels = math.prod(drive.weight.shape[:2])
    of_rows = total(np.square(drive.weight), axis=2) / 12
    rounding = float(total(of_rows)) / (channels * spread_over**2)
    if spread_over == 1 or not timing_counts:
        return rounding
    return rounding + _MISTIMED * float(mean(np.sqrt(of_rows))) / spread_over**2


def in_messages(spiking: SpikingNetwork) -> SpikingNetwork:
    """Give the weights that read the input per message of its encoding."""
    value = spiking.input.message_value
    return spiking.with_parts(
        projections=tuple(
            replace(p, map=replace(p.map, weight=p.map.weight * value)) if p.source == INPUT else p
            for p in spiking.projections
        )
    )
