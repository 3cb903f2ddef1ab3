"""What a host sends to a chip, and reads from it, at most in one step."""

from __future__ import annotations

import numpy as np

from ...runtime.program import INPUT, IntArray, Program
from ...targets import Target
from ...targets.records import dataclass
from ..mapping import Placement
from ..mapping.cores_of import cores_of
from .axons import axons_of


@dataclass(frozen=True, slots=True)
class HostMessages:
    """``sent`` are messages at most in one step, to the chip that gets most; ``read`` are potentials of a sample.

    A value of the input is a message to each core that reads it, and an axon of a pulse one to each core that the pulse
    reaches. Read-outs do not fire, so that no spike goes back.
    """

    sent: int
    read: int


def host_messages(program: Program, target: Target, placement: Placement) -> HostMessages:
    """Count for samples that follow each other without gaps and have no value that is 0."""
    cores = cores_of(placement)
    used = 1 + max(int(each.max()) for each in cores.values())
    sent = np.zeros((program.window, used), dtype=np.int64)
    sent[: program.timesteps] = _values(program, cores, used)
    for pulse in program.pulses:
        step = program.population(pulse.target).depth + pulse.step - 1
        sent[step % program.window, np.unique(cores[pulse.target])] += pulse.axons
    return HostMessages(
        sent=int(_by_chip(sent, target).max(initial=0)),
        read=sum(population.neurons for population in program.readouts),
    )


def _values(program: Program, cores: dict[str, IntArray], used: int) -> IntArray:
    """Values of the input that each core reads."""
    read = np.zeros(used, dtype=np.int64)
    for axons in axons_of(program, INPUT, cores):
        read += np.bincount(axons.core, minlength=used)
    return read


def _by_chip(sent: IntArray, target: Target) -> IntArray:
    """Messages (steps, chips) out of those to each core (steps, cores)."""
    on_chip = sent.shape[1] if target.chip.cores is None else target.chip.cores.value
    return np.add.reduceat(sent, np.arange(0, sent.shape[1], on_chip), axis=1)
