"""Calibrate the initial membrane potential so that each neuron's mean rate equals the ANN's mean activation (LMPC).

From the identity  sum_t I = v(T) - v0 + theta N  the value phi = theta N / T of a neuron misses the activation a by
its residual; moving v0 by

    dv0_i = T * mean_n(a_{n,i} - phi_{n,i})

closes the gap if the residual stays: the signed, iterated form of layer-wise membrane potential calibration. The
printed eq. 13 (Xiong et al. 2025) takes an absolute value and a running index, has no fixed point at zero error and
is not used. Layers are calibrated in order on the real integer dynamics, each on the spikes of those before it,
starting from theta/2; v0 stays within -theta..theta and on the integer grid. The count of a gated population has no
timing error: at T = L it is the ANN's, and its potential stays. At another T it is that of T levels, whose mean misses
that of L, so its potential moves too, by up to theta from where it starts. Under the exact schedule the populations
without a gate stay within 0..theta, where their counts are exact as well. The result is kept only if the spiking
network comes closer to the ANN on a held-out part of the calibration data. The ANN is the network that is compiled, or
the context's aim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ...runtime.encoding import encode
from ...runtime.program import INPUT, IntArray, Population, Program
from ...runtime.progress import Report as Progress
from ...runtime.progress import untold, within
from ...runtime.samples import Samples
from ...runtime.simulator.batches import batch_for_memory
from ...targets import Target
from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from ..arithmetic import exp, log, mean, total
from ..ir import spiking as level2
from ..ir.network import Network, evaluated_at_once
from ..ir.operators import AnyFloat
from ..shared_results import NOTHING_SHARED, SharedResults
from .calibrated_gates import with_least_gates, with_room_to_rise
from .calibration_aim import names_in_aim, with_same_populations
from .contract import Compilation, Context, Outcome, float_network, program_level, spiking_level
from .drives import samples_at_once
from .kept_spikes import InParts, KeptSpikes

if TYPE_CHECKING:
    # Without calibration data nothing is simulated, so the simulator is not loaded with this module.
    from ...runtime.simulator import LayerInput, PopulationSimulator

_HELD_OUT_SHARE = 4
_FEWEST_SAMPLES = 8
_KEPT_VALUES = 1 << 27
_EVALUATED_AT_ONCE = 32
_EVALUATED, _SIMULATED = 4, 1
"""Times that the network and the program take for a sample, about: only the time that is told to be left is by them."""


@dataclass(frozen=True)
class CalibrateInitialPotential:
    """v0 <- v0 + T mean(a - phi), per neuron, channel or layer, kept if a held-out set agrees."""

    granularity: Literal["neuron", "channel", "layer"] = "channel"
    iterations: int = 3
    name: str = "calibrate-initial-potential"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Set every population's initial potential; unchanged without calibration data or without gain."""
        program, spiking = program_level(state), spiking_level(state)
        calibration = context.calibration
        moved = tuple(p.name for p in spiking.firing if not p.hold or p.levels not in (None, context.timesteps))
        if program.schedule == "exact" and all(p.levels in (None, context.timesteps) for p in spiking.firing):
            return _uncalibrated(state, context, "counts are exact, so there is nothing to correct")
        if calibration is None or len(calibration) < _FEWEST_SAMPLES:
            return _uncalibrated(state, context, "no calibration data (8 samples at least)")
        used = len(calibration) - len(calibration) // _HELD_OUT_SHARE
        fitted, held_out = calibration.between(0, used), calibration.between(used, len(calibration))
        # Where thresholds were fitted, so was where their neurons start.
        start = program if state.measured else _from_half_threshold(program)
        aim = aim_of(state, context)
        phases = self._phases(context.progress, used, len(held_out), candidates=2 if state.measured else 3)
        rates, scores = aim.mean_rates(spiking, fitted, next(phases))
        candidates = {
            "as compiled": program,
            **({} if state.measured else {"half threshold": start}),
            "calibrated": self._calibrate(start, rates, fitted, moved, context.target, next(phases)),
        }
        judged = aim.scores(held_out, next(phases))
        wanted = tuple(map(_log_softmax, judged))
        distances = dict[str, float]()
        for name, candidate in candidates.items():
            distances[name] = float(f"{distance(candidate, spiking, wanted, held_out):.6g}")
            next(phases)(1, 1)
        best = min(distances, key=lambda name: distances[name])
        effect = {
            "kept": best == "calibrated",
            "chosen": best,
            "granularity": self.granularity,
            "samples": used,
            "held_out_samples": len(held_out),
            "held_out_divergence": distances,
        }
        kept = state if best == "as compiled" else replace(state, program=candidates[best])
        return Outcome(
            kept, effect, scores=np.concatenate((scores, judged[0])) if aim.network is state.network else None
        )

    def _phases(self, report: Progress, fitted: int, held_out: int, *, candidates: int) -> Iterator[Progress]:
        """Reports of the network on what is fitted, the calibration, the network on what is held out, and judging."""
        moving = (1 + self.iterations) * _SIMULATED
        sizes = [fitted * _EVALUATED, fitted * moving, held_out * _EVALUATED, *(candidates * [held_out * _SIMULATED])]
        ends = np.cumsum(sizes).tolist()
        for first, last in zip((0, *ends), ends, strict=False):
            yield within(report, first, last, ends[-1])

    def _calibrate(
        self,
        given: Program,
        rates: dict[str, npt.NDArray[np.float64]],
        samples: Samples,
        moved: tuple[str, ...],
        target: Target,
        progress: Progress,
    ) -> Program:
        from ...runtime.simulator import PopulationSimulator, encoded_input

        gated = tuple(p.name for p in given.firing if p.gated and p.name in moved)
        program = with_room_to_rise(given, gated, target) if gated else given
        sent: dict[str, InParts] = {
            INPUT: encoded_input(program.input, encode(program.input, samples.inputs)[0], program.timesteps)
        }
        last_reader = {p.source: p.target for p in program.projections}
        done, neurons = 0, sum(p.neurons for p in program.firing)
        for population in program.firing:
            simulator = PopulationSimulator(program, population)
            chunks = chunked_input(program, population, simulator, sent, len(samples), batch_for_memory(program))
            if population.name in rates and population.name in moved:
                wanted = _averaged(rates[population.name], self.granularity)
                bounds = _bounds(program, population)
                for _ in range(self.iterations):
                    population = self._moved(program, population, simulator, chunks, wanted, bounds)
            program = _with_population(program, population)
            sent[population.name] = kept = KeptSpikes(len(samples))
            for chunk in chunks:
                kept.put(simulator.fire(chunk(), population.initial_potential))
            for source in [s for s, reader in last_reader.items() if reader == population.name]:
                sent.pop(source, None)
            done += population.neurons
            progress(done, neurons)
        return with_least_gates(program, target) if gated else program

    def _moved(
        self,
        program: Program,
        population: Population,
        simulator: PopulationSimulator,
        chunks: list[Callable[[], LayerInput]],
        wanted: npt.NDArray[np.float64],
        bounds: tuple[IntArray, IntArray],
    ) -> Population:
        assert population.threshold is not None
        spikes, samples = np.zeros(population.shape), 0
        for chunk in chunks:
            received = chunk()
            spikes += simulator.fire(received, population.initial_potential).per_neuron(population.shape)
            samples += received.samples
        rate = _averaged(spikes / samples / program.timesteps, self.granularity)
        change = np.rint(program.timesteps * (wanted - rate) * population.threshold).astype(np.int64)
        moved = np.clip(population.initial_potential + change, *bounds)
        return replace(population, initial_potential=moved)


def _uncalibrated(state: Compilation, context: Context, reason: str) -> Outcome:
    unused = "nothing is calibrated that could aim at the network given"
    hint = "leave --aim out, or give what is calibrated: --schedule pipelined, and data"
    remarks = (Diagnostic("W785", f"{unused}: {reason}", hint=hint),) if context.aim is not None else ()
    return Outcome(state, {"kept": False, "reason": reason}, remarks)


def _bounds(program: Program, population: Population) -> tuple[IntArray, IntArray]:
    """Least and largest initial potential that a calibration may give."""
    threshold = population.threshold
    assert threshold is not None, "read-outs are not calibrated"
    if population.gated:
        return population.initial_potential - threshold, population.initial_potential + threshold
    counts_are_exact = program.schedule == "exact" and program.timesteps > 1
    return (np.zeros_like(threshold) if counts_are_exact else -threshold), threshold


def _from_half_threshold(program: Program) -> Program:
    for population in program.firing:
        assert population.threshold is not None
        if population.gated:
            continue
        program = _with_population(program, replace(population, initial_potential=population.threshold // 2))
    return program


def _with_population(program: Program, population: Population) -> Program:
    replaced = tuple(population if p.name == population.name else p for p in program.populations)
    return replace(program, populations=replaced)


@dataclass(frozen=True, slots=True, eq=False)
class Aim:
    """What the spikes of the ``compiled`` network should stand for: the values of ``network``."""

    compiled: Network
    network: Network
    shared: SharedResults = NOTHING_SHARED

    def mean_rates(
        self, spiking: level2.SpikingNetwork, samples: Samples, progress: Progress = untold
    ) -> tuple[dict[str, npt.NDArray[np.float64]], AnyFloat]:
        """Mean activations in units of the clipping threshold: the rate that each activation should have.

        The scores (samples, classes) of the network's first result, which are computed on the way, are the second.
        ``progress(done, total)`` counts samples.
        """
        names = names_in_aim(self.compiled, self.network)
        firing = {p: names[p.activation] for p in spiking.firing if p.activation in names}
        totals = {p.name: np.zeros(p.shape) for p in firing}
        inputs, result, scores = samples.as_float(), self.network.results[0], list[AnyFloat]()
        size, kept = samples_at_once(spiking, _EVALUATED_AT_ONCE), frozenset((*firing.values(), result))
        for first in range(0, len(inputs), size):
            values = self.shared.values(self.network, inputs[first : first + size], kept)
            scores.append(values[result].reshape(len(values[result]), -1))
            for population, name in firing.items():
                totals[population.name] += total(values[name], axis=0)
            progress(min(first + size, len(inputs)), len(inputs))
        rates = {p.name: totals[p.name] / len(inputs) / p.spike_value for p in firing}
        return rates, np.concatenate(scores)

    def scores(self, samples: Samples, progress: Progress = untold) -> tuple[AnyFloat, ...]:
        """What every result of the network is, (samples, classes) each; ``progress(done, total)`` counts samples."""
        size = evaluated_at_once(self.network, _EVALUATED_AT_ONCE)
        parts = np.split(samples.as_float(), range(size, len(samples), size))
        results, values = self.network.results, list[dict[str, AnyFloat]]()
        for part in parts:
            values.append(self.shared.values(self.network, part, frozenset(results)))
            progress(sum(len(v[results[0]]) for v in values), len(samples))
        return tuple(np.concatenate([v[name].reshape(len(v[name]), -1) for v in values]) for name in results)

    def log_probabilities(self, samples: Samples) -> tuple[npt.NDArray[np.float64], ...]:
        """Logarithms of the class probabilities, (samples, classes), of every result of the network."""
        return tuple(map(_log_softmax, self.scores(samples)))


def aim_of(state: Compilation, context: Context) -> Aim:
    """The context's aim for the compiled network, or that network itself, before thresholds were chosen on data."""
    given, network = context.aim, float_network(state)
    return Aim(network, network if given is None else with_same_populations(given, context), context.shared)


def _averaged(values: npt.NDArray[np.float64], granularity: str) -> npt.NDArray[np.float64]:
    if granularity == "layer":
        return np.full((1,) * values.ndim, mean(values))
    if granularity == "channel" and values.ndim == 3:
        return np.asarray(mean(values, axis=(1, 2), keepdims=True))
    return values


def chunked_input(
    program: Program,
    population: Population,
    simulator: PopulationSimulator,
    sent: Mapping[str, InParts],
    samples: int,
    size: int,
) -> list[Callable[[], LayerInput]]:
    """Functions that each give the input to ``population`` of ``size`` samples: kept if it is small, else made anew."""
    sources = {p.source for p in program.incoming(population.name)}

    def part(first: int) -> LayerInput:
        last = min(first + size, samples)
        return simulator.receive({s: sent[s].part(first, last) for s in sources}, last - first)

    starts = range(0, samples, size)
    if population.neurons * program.timesteps * samples > _KEPT_VALUES:
        return [partial(part, first) for first in starts]
    kept = [part(first) for first in starts]
    return [partial(_same, received) for received in kept]


def _same(received: LayerInput) -> LayerInput:
    return received


def distance(
    program: Program, spiking: level2.SpikingNetwork, wanted: tuple[npt.NDArray[np.float64], ...], samples: Samples
) -> float:
    """Mean of the samples' ``distances``."""
    return float(mean(distances(program, spiking, wanted, samples)))


def distances(
    program: Program, spiking: level2.SpikingNetwork, wanted: tuple[npt.NDArray[np.float64], ...], samples: Samples
) -> npt.NDArray[np.float64]:
    """Kullback-Leibler divergence (samples,) from the ``wanted`` class probabilities (logarithms) to the program's.

    With several results it is the sum of theirs.
    """
    from ...runtime.simulator import simulate

    encoded, _ = encode(program.input, samples.inputs)
    potentials = simulate(program, encoded).readouts
    scores = []
    for readout in spiking.readouts:
        assert readout.integer_threshold is not None, "quantize-weights sets the read-out's scale"
        scale = float(readout.integer_threshold.flat[0])
        scores.append(potentials[readout.name] / (scale * program.timesteps * program.neuron.charge_units))
    return divergences(wanted, scores)


def divergences(
    wanted: Sequence[npt.NDArray[np.float64]], scores: Sequence[npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64]:
    """Kullback-Leibler divergence (samples,) from ``wanted`` class probabilities (logarithms) to those of ``scores``.

    Both have an array (samples, classes) for every result of the network; their divergences add up.
    """
    pairs = zip(wanted, map(_log_softmax, scores), strict=True)
    per_result = [np.asarray(total(exp(aimed) * (aimed - given), axis=1)) for aimed, given in pairs]
    return np.asarray(total(np.stack(per_result), axis=0))


def _log_softmax(given: AnyFloat) -> npt.NDArray[np.float64]:
    scores = given.astype(np.float64)
    if scores.shape[1] == 1:  # a logit: the other class has score 0
        scores = np.concatenate((np.zeros_like(scores), scores), axis=1)
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - log(total(exp(shifted), axis=1, keepdims=True)))
