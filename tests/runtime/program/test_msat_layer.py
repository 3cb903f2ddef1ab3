"""A layer of MSAT neurons beside the published update, step by step and in the published order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spikec.runtime.program.neuron_models import MsatLayer, MsatParameters, msat
from spikec.runtime.reference.neurons import AdaptiveThresholdNeurons

from .test_neuron_models import _chain

_NEURONS, _STEPS, _THETA, _TOP = 30, 40, 50, 2.0
_PARAMETERS = MsatParameters(alpha=0.3, tau_mp=0.5, tau_rd=0.5, layers=(MsatLayer("a", _TOP),))
_UNIT = _TOP / (256 * _THETA)
"""Value of one part of the potential: theta_max is 256 times 50 of them."""


class _Published:
    """Order of the authors' code: integrate, adapt to the last potential and its mean, compare, subtract, average."""

    def __init__(self) -> None:
        self.v = np.zeros(_NEURONS)
        self.total = np.zeros(_NEURONS)

    def step(self, x: npt.NDArray[np.float64], number: int) -> tuple[Any, Any]:
        """Thresholds and spikes at step ``number`` from 1, thresholds rounded to whole 1/256 of the largest."""
        p = _PARAMETERS
        last = self.v
        self.v = self.v + x
        threshold = np.full(_NEURONS, _TOP)
        if number > 1:
            above = last - self.total / (number - 1)
            dtt = p.tau_mp * (p.alpha * above - _TOP + p.k_a * np.log(1 + np.exp(above / p.k_i)))
            det = p.tau_rd * np.exp(-x / p.c)
            threshold = _TOP / (1 + np.exp(-(det + dtt)))
        payload = np.maximum(np.rint(256 * threshold / _TOP), 1)
        threshold = payload * _TOP / 256
        # Values are whole multiples of the unit, which floats only come close to.
        spikes = np.clip(np.floor(self.v / threshold + 1e-9), 0, 1)
        self.v = self.v - spikes * threshold
        self.total = self.total + self.v
        return payload, spikes


def test_thresholds_potentials_and_spikes_are_the_published_ones() -> None:
    program = _chain(msat(_PARAMETERS), _STEPS, threshold=_THETA, initial=0)
    zeros = np.zeros(_NEURONS, dtype=np.int64)
    one = program.populations[0]
    layer = replace(one, shape=(_NEURONS,), threshold=zeros + _THETA, initial_potential=zeros, bias=zeros)
    neurons, published = AdaptiveThresholdNeurons(program, layer), _Published()
    random = np.random.default_rng(4)
    fired = 0
    for step in range(_STEPS):
        current = random.integers(-3000, 7000, _NEURONS)
        thresholds = neurons._payloads(current, zeros + _THETA, step)
        sent = neurons.integrate_and_fire(current, 0, step)
        payload, spikes = published.step(current * _UNIT, step + 1)
        np.testing.assert_array_equal(thresholds, payload)
        np.testing.assert_array_equal(sent, payload * spikes)
        np.testing.assert_array_equal(neurons.potential, np.rint(published.v / _UNIT))
        fired += int(spikes.sum())
    assert _NEURONS < fired < _NEURONS * _STEPS
