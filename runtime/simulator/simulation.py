"""Exact, batched simulation: a whole layer for all samples and all T steps at a time.

Delays are aligned, so step t of a population's window sees step t of its sources' windows, and a layer can be run
to its end before the next one starts. Numbers are integers held in the smallest type in which no sum can round,
proven from the weights before it is used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from ...targets.diagnostic import refuse
from ..encoded_samples import check_samples
from ..execution import Execution, SpikeTrains, Way
from ..freed_pages import keep_freed_pages
from ..program import INPUT, IntArray, Program
from ..program.neuron_models import GRADED, IF, MSAT
from .batches import BatchSizes
from .chunk_parts import run_in_parts
from .fused import fused
from .graded import payloads_of
from .loops import simulator_threads
from .messages import Sent, encoded_input, one_message
from .native import CHOICE
from .neurons import count, fire, integrate, layer_input
from .packing import AUTO
from .plan import Layer, plan_layers
from .prepared import Preparations
from .reduction import products_of
from .results import ChunkResult, joined_results, last_readers
from .ways import Chosen, WayOfLayers, chosen_ways, with_ways

Progress = Callable[[int, int], None]
DEVICES = ("cpu", "cuda")
_WORTH_THREADS = 1 << 26
"""Products of a chunk from which on starting threads takes less time than they save."""
_BY_PLAN = (IF, GRADED)
"""Neuron models that need nothing beyond the plan of a layer, so that they run on every device."""


def simulate(
    program: Program,
    samples: IntArray,
    *,
    record: bool = False,
    batch: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    way: WayOfLayers = AUTO,
    progress: Progress | None = None,
) -> Execution:
    """Run encoded ``samples`` (N, *input shape), or frames (N, T, *input shape), in batches.

    What a program is made ready with is kept as long as the program, so that further calls only run.

    ``progress(done, total)`` counts samples.
    ``batch`` bounds the samples in flight; by default the size with the best time per sample is looked for as the run
    goes, within a memory budget. ``threads`` is by default one for each core that the process may use.
    ``device`` is "cpu" or "cuda", which takes torch and plain or graded neurons. ``way`` is "events", "dense" or "auto"
    for all layers or by layer, and changes no result: see ``ways.py``. E511 for what cannot be had of these,
    E506 for samples of another shape or range than the program's input, E028 for
    frames that the program cannot take.
    """
    started = time.perf_counter()
    simulator = Simulator(program, device=device, way=way)
    execution = simulator.run(samples, record=record, batch=batch, threads=threads, progress=progress)
    return replace(execution, seconds=time.perf_counter() - started)


class _Layers(Protocol):
    """A program's layers, made ready to run."""

    def run_chunk(self, samples: IntArray, record: bool, first: int = 0) -> ChunkResult:
        """Run ``samples``, the first of which is number ``first`` of the run."""


_PREPARED: Preparations[_Layers] = Preparations()


class Simulator:
    """A program made ready to run, for as many runs as wished, also at the same time."""

    def __init__(self, program: Program, *, device: str = "cpu", way: WayOfLayers = AUTO) -> None:
        self.program = program
        self.device = _checked_device(device, program)
        chosen = chosen_ways(program, way, self.device)
        settings = (self.device, os.environ.get(CHOICE), chosen)
        self._layers = _PREPARED.of(program, settings, lambda own: _layers_of(own, device, chosen))

    def run(
        self,
        samples: IntArray,
        *,
        record: bool = False,
        batch: int | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Execution:
        """Run ``samples`` as ``simulate`` does."""
        for title, number in (("batch", batch), ("threads", threads)):
            if number is not None and number < 1:
                raise refuse("E511", f"{title} is {number}, not 1 or more")
        check_samples(self.program, samples)
        started = time.perf_counter()
        sizes = BatchSizes(self.program, batch, 1 if self._is_in_kernel() else 4)
        parts: list[ChunkResult] = []
        done = 0
        with simulator_threads(threads) as used, ThreadPoolExecutor(used) as others:
            while done < len(samples):
                chunk = samples[done : done + sizes.next()]
                began = time.perf_counter()
                at_once = used if self._pays_to_part(len(chunk)) else 1
                parts += run_in_parts(self._layers.run_chunk, chunk, record, done, at_once, others)
                sizes.measured(len(chunk), time.perf_counter() - began)
                done += len(chunk)
                if progress is not None:
                    progress(done, len(samples))
        seconds = time.perf_counter() - started
        return joined_results(self.program, parts, len(samples), record=record, seconds=seconds)

    def _is_in_kernel(self) -> bool:
        return isinstance(self._layers, ProcessorSimulator) and self._layers.products > 0

    def _pays_to_part(self, samples: int) -> bool:
        layers = self._layers
        return isinstance(layers, ProcessorSimulator) and layers.products * samples >= _WORTH_THREADS


def _layers_of(program: Program, device: str, chosen: Chosen) -> _Layers:
    # What few programs need is imported for them alone.
    keep_freed_pages()
    if program.neuron.name == MSAT:
        from .adaptive_threshold import AdaptiveThresholdSimulator

        return AdaptiveThresholdSimulator(program)
    if program.neuron.name not in _BY_PLAN:
        from .second_pass import SecondPassSimulator

        return SecondPassSimulator(program)
    if device == "cpu":
        return ProcessorSimulator(program, chosen)
    from .tensors import TensorSimulator

    return TensorSimulator(program, device)


def _checked_device(device: str, program: Program) -> str:
    if device not in DEVICES:
        raise refuse("E511", f"the simulator has no device '{device}'", hint=f"choose from {', '.join(DEVICES)}")
    if device == "cpu":
        return device
    if program.neuron.name not in _BY_PLAN:
        message = f"neurons of the model '{program.neuron.name}' run on the processor only"
        raise refuse("E511", message, hint="leave the device out, or use 'cpu'")
    from .tensors import has_gpu

    if not has_gpu():
        raise refuse("E511", "torch finds no GPU for the device 'cuda'", hint="leave the device out, or use 'cpu'")
    return device


class ProcessorSimulator:
    """Runs the layers of ``program`` on the processor, each in the way that was ``chosen`` for it."""

    def __init__(self, program: Program, chosen: Chosen = ()) -> None:
        self._program = program
        self._layers = with_ways(plan_layers(program), chosen)
        self._fused = {layer.population.name: fused(layer) for layer in self._layers}
        self.products = self._products_in_kernel()
        self._is_graded = program.neuron.name == GRADED
        self._last_reader = last_readers(program)

    def _products_in_kernel(self) -> int:
        """Weights that a sample meets in its window, if the kernel runs all layers, and 0 if it does not."""
        if None in self._fused.values():
            return 0
        return self._program.timesteps * sum(
            products_of(connection.reduced.form, layer.map) for layer in self._layers for connection in layer.incoming
        )

    def run_chunk(self, samples: IntArray, record: bool, first: int = 0) -> ChunkResult:
        """Run ``samples`` (n, *input shape), all layers one after the other; ``first`` is their place in the run."""
        timesteps = self._program.timesteps
        sent = {INPUT: encoded_input(self._program.input, samples, timesteps)}
        readouts: dict[str, IntArray] = {}
        counts: dict[str, int] = {}
        trains: dict[str, SpikeTrains] = {}
        ways: dict[str, tuple[Way, ...]] = {}
        for layer in self._layers:
            name = layer.population.name
            potentials, spikes, ways[name] = self._run_layer(layer, sent, len(samples))
            for source in [s for s in sent if self._last_reader.get(s) == name]:
                del sent[source]
            if potentials is not None:
                readouts[name] = potentials
                continue
            assert spikes is not None, "what is no read-out fires"
            counts[name] = spikes.total
            if record:
                trains[name] = spikes.recorded
            if name in self._last_reader:
                sent[name] = spikes
        return ChunkResult(readouts, counts, trains, ways)

    def _run_layer(
        self, layer: Layer, sent: Mapping[str, Sent], samples: int
    ) -> tuple[IntArray | None, Sent | None, tuple[Way, ...]]:
        """Potentials of a read-out, or what a population sends, and how."""
        in_kernel, is_readout = self._fused[layer.population.name], layer.population.threshold is None
        if in_kernel is not None and is_readout:
            potentials, ways = in_kernel.integrate(sent, samples)
            return potentials, None, ways
        if in_kernel is not None:
            return None, *in_kernel.fire(sent, samples)
        received = layer_input(layer, sent, samples)
        ways = tuple(Way(connection.source, "numpy", 0, 0, is_fixed=True) for connection in layer.incoming)
        if is_readout:
            return integrate(layer, received), None, ways
        if self._is_graded:
            return None, one_message(payloads_of(layer, received)), ways
        if layer.by_counts:
            return None, Sent(layer.timesteps, counts=count(layer, received)), ways
        return None, Sent(layer.timesteps, trains=fire(layer, received)), ways
