"""What a conversion method is: choices for the passes, and a change of the integer program that they leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...runtime.program import IntArray, Population, Program
from ...targets.records import dataclass
from ..compilation import Built
from ..options import CompileOptions


def _unchanged(built: Built) -> Program:
    return built.program


@dataclass(frozen=True, slots=True)
class Method:
    """``options`` sets what the passes do; ``finish`` gives the program to run from what they left.

    ``needs_calibration`` and ``needs_relu`` (a network with an activation without levels) say where the method
    applies; ``plain_if`` whether the neuron needs nothing beyond v, theta, W, b and v0. A method that is a way of
    training as well applies to networks ``trained`` so alone (kinds of ``TrainingRecord``). Of others,
    ``compared_on`` are the kinds of network for which a comparison of all methods has a row, where it knows the kind.
    ``aims_at_start`` says that initial potentials are calibrated for the activations of the network whose weights were
    calibrated, which must be among those that are compared. ``only_timesteps`` are the T that it runs at; empty: any.
    With ``needs_budget`` it is run ``within`` a latency alone.
    """

    options: Callable[[CompileOptions], CompileOptions]
    finish: Callable[[Built], Program] = _unchanged
    needs_calibration: bool = False
    needs_relu: bool = False
    plain_if: bool = True
    trained: str | None = None
    compared_on: tuple[str, ...] = ()
    aims_at_start: bool = False
    only_timesteps: tuple[int, ...] = ()
    needs_budget: bool = False

    def within(self, budget: int) -> Method:
        """Return the method for programs whose result comes at most ``budget`` steps after the first input."""

        def budgeted(options: CompileOptions) -> CompileOptions:
            return replace(self.options(options), latency_budget=budget)

        return replace(self, options=budgeted, needs_budget=False)


def uncalibrated(options: CompileOptions) -> CompileOptions:
    """Pipelined, with initial potentials as the activations say."""
    return replace(options, schedule="pipelined", calibrate=False)


def largest_activation_uncalibrated(options: CompileOptions) -> CompileOptions:
    """As ``uncalibrated``; activations without levels get their largest value on calibration data as threshold."""
    return replace(uncalibrated(options), threshold_method="percentile", percentile=100)


def threshold_of(population: Population) -> IntArray:
    """Threshold of a population that fires; AssertionError for a read-out."""
    assert population.threshold is not None, "a read-out does not fire"
    return population.threshold


def change_firing(program: Program, change: Callable[[Population], Population]) -> Program:
    """Return ``program`` with every population but the read-outs changed."""
    return replace(program, populations=(*(change(p) for p in program.firing), *program.readouts))


def from_zero(program: Program) -> Program:
    """v0 = 0 in every firing population."""
    zero = np.zeros((), dtype=np.int64)
    return change_firing(program, lambda p: replace(p, initial_potential=zero * threshold_of(p)))
