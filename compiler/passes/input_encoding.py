"""Choose the integers that stand for the input: as many bits as the chip's messages and the first weights allow."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..arithmetic import total
from ..ir.operators import FloatArray
from ..ir.spiking import INPUT, InputSignal, SpikingNetwork
from .contract import Context
from .drives import drives_of
from .exponents import choose_exponents

_INPUT_BITS = 8


def choose_input(spiking: SpikingNetwork, context: Context, activity: dict[str, FloatArray]) -> InputSignal:
    """Return the encoding whose own rounding and the weights' rounding that it leaves room for add up to least."""
    encodings = _encodings(spiking.input, context)
    errors = [_first_layer_error(replace(spiking, input=signal), context, activity) for signal in encodings]
    return encodings[int(np.argmin(errors))]


def _encodings(signal: InputSignal, context: Context) -> list[InputSignal]:
    low, high = _range(signal, context)
    # Floats within 0..1 are bytes divided by 255: their grid is kept whatever their largest value happens to be.
    is_unit = low >= 0 and high <= 1
    largest = 1.0 if is_unit else max(abs(low), abs(high))
    graded = context.target.graded_input
    # A chip without graded messages is reported by the checks; the encoding is then chosen as if it had them.
    bits = _INPUT_BITS if graded is None or graded.value < 2 else min(_INPUT_BITS, graded.value - (low >= 0))
    encodings = []
    for width in range(bits, 0, -1):
        top = (1 << width) - 1 if low >= 0 else (1 << max(width - 1, 1)) - 1
        encodings.append(replace(signal, step=largest / top, minimum=0 if low >= 0 else -top, maximum=top))
    if signal.integers is None:
        return encodings
    # Integers have one negative value more than positive ones, and are sent as they are where they fit.
    return [_of_integers(encoding, low, high) for encoding in encodings]


def _of_integers(encoding: InputSignal, low: float, high: float) -> InputSignal:
    bottom = encoding.minimum - (encoding.minimum < 0)
    step = max(high / encoding.maximum, low / bottom if low < 0 else 0.0, 1.0)
    return replace(encoding, step=step, minimum=bottom)


def _range(signal: InputSignal, context: Context) -> tuple[float, float]:
    """Smallest and largest value of the input: of its type, or of the calibration data where that says little."""
    data = None if context.calibration is None else context.calibration.inputs
    if signal.integers is not None:
        low, high = signal.integers
        is_wide = high - low >= 1 << _INPUT_BITS
        return (float(data.min()), float(data.max())) if is_wide and data is not None else (float(low), float(high))
    if data is None or data.dtype == np.uint8:
        return 0.0, 1.0
    return float(data.min()), float(data.max())


def _first_layer_error(spiking: SpikingNetwork, context: Context, activity: dict[str, FloatArray]) -> float:
    scaled = in_input_steps(spiking)
    error = 0.0
    for name in sorted({p.target for p in spiking.projections if p.source == INPUT}):
        population = spiking.population(name)
        drives = drives_of(scaled, population, activity)
        error += choose_exponents(population, drives, context).error
        for drive in drives:
            if drive.projection.source == INPUT:
                error += float(total(np.square(drive.weight))) / (12 * math.prod(drive.weight.shape[:2]))
    return error


def in_input_steps(spiking: SpikingNetwork) -> SpikingNetwork:
    """Give the weights that read the input per step of its encoding."""
    step = spiking.input.step
    return spiking.with_parts(
        projections=tuple(
            replace(p, map=replace(p.map, weight=p.map.weight * step)) if p.source == INPUT else p
            for p in spiking.projections
        )
    )
