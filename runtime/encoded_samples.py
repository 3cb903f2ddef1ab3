"""Whether encoded samples are those of a program: shape, range, and frames that it can take."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..targets.diagnostic import Diagnostic, UnusableInput
from .program import IntArray, Program

_HINT = "encode the samples with the program's own input encoding"


def check_samples(program: Program, encoded: IntArray, *, least: int = 0) -> None:
    """Raise ``UnusableInput`` with everything that is wrong with ``encoded`` samples: see ``sample_problems``."""
    if found := tuple(sample_problems(program, encoded, least=least)):
        raise UnusableInput(found)


def sample_problems(program: Program, encoded: IntArray, *, least: int = 0) -> Iterator[Diagnostic]:
    """Yield E506 for ``encoded`` samples that are not the program's, E028 for frames that it cannot take.

    They are constant ones (N, *input shape) or frames (N, T, *input shape), N at least ``least``.
    """
    encoding, has_frames = program.input, program.input.has_frames(encoded)
    wanted = (program.timesteps, *encoding.shape) if has_frames else encoding.shape
    if encoded.shape[1:] != wanted or len(encoded) < least:
        how_many = "one or more" if least else "some"
        yield Diagnostic("E506", f"samples of shape {encoded.shape} are not {how_many} of {wanted}", hint=_HINT)
        return
    if not has_frames:
        yield from _outside(encoded, (encoding.minimum, encoding.maximum))
        return
    yield from frame_problems(program)
    yield from _outside(encoded, encoding.message_range(program.timesteps))
    if encoding.spread:
        yield from _sums_outside(program, encoded)


def frame_problems(program: Program) -> Iterator[Diagnostic]:
    """Yield E028 where ``program`` cannot take samples that have a frame for every step."""
    if program.first_pass_steps:
        yield Diagnostic(
            "E028",
            f"neurons of the model '{program.neuron.name}' measure for {program.first_pass_steps} steps before those "
            "that count, in which a sample of frames has no input",
            hint="give the mean over the window, or compile with plain neurons",
        )
    elif program.schedule == "exact" and program.timesteps > 1 and not program.input.frames:
        yield Diagnostic(
            "E028",
            "the program's counts are exact for inputs that are the same at every step, and the data has frames",
            hint="compile again with --input frames, which costs the first layers a gate",
        )


def _outside(encoded: IntArray, bounds: tuple[int, int]) -> Iterator[Diagnostic]:
    low, high = bounds
    least, largest = int(encoded.min(initial=high)), int(encoded.max(initial=low))
    if least < low or largest > high:
        outside, limit = (least, low) if least < low else (largest, high)
        yield Diagnostic(
            "E506",
            f"encoded input {outside} is outside {low}..{high}",
            measured=float(outside),
            limit=float(limit),
            unit="input steps",
            hint=_HINT,
        )


def _sums_outside(program: Program, encoded: IntArray) -> Iterator[Diagnostic]:
    """Where frames of a spread input add up to more than a constant sample does by the same step."""
    encoding, timesteps = program.input, program.timesteps
    reached = np.cumsum(encoded, axis=1)
    for step in range(timesteps):
        low, high = ((step + 1) * end // timesteps for end in (encoding.minimum, encoding.maximum))
        if found := tuple(_outside(reached[:, step], (low, high))):
            yield from found
            return
