"""Simulators against each other: the same integers, the same steps, the same threads, alternating."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spikec.runtime.backends import run_backend
from spikec.runtime.execution import Execution
from spikec.runtime.program import IntArray, Program
from spikec.runtime.samples import Samples

from .measure import alternating
from .nets import Net, build_net, compile_net, encoded, one_threshold_target, priced_net
from .rates import Rates, rates_of
from .rows import INT8, ONNXRUNTIME, SPIKEC, Equality, Row, compare_integers
from .ways import other_ways, plain_install

if TYPE_CHECKING:
    from .peers.layerwise import Layerwise

COUNTED_SAMPLES = 8
"""Samples whose counts are compared neuron by neuron; the read-outs of the whole batch are compared besides."""

Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Cells:
    """What the part ``simulator`` measures: every net at every T, batch and number of threads.

    Peers and spikec's own other ways run in the cells of ``full`` only, which are the claims' and slow; None: in all.
    """

    nets: tuple[str, ...]
    timesteps: tuple[int, ...]
    batches: tuple[int, ...]
    threads: tuple[int, ...]
    full: tuple[int, int, int] | None = None

    def all_tools(self, steps: int, batch: int, threads: int) -> bool:
        """Whether all tools run there, rather than spikec and the source ANN."""
        return self.full in (None, (steps, batch, threads))


def measure_simulators(
    folder: Path, cells: Cells, rounds: int, networks: Path | None, found_rates: list[Rates]
) -> Iterator[Row]:
    """Rows of part ``simulator``: every tool in every cell; the spike rates of each net and T go to ``found_rates``."""
    target = str(one_threshold_target(folder))
    priced = [priced_net(name, networks) for name in cells.nets]
    for net in (*(build_net(name, folder, networks) for name in cells.nets), *filter(None, priced)):
        for steps in cells.timesteps:
            program = compile_net(net, steps, target)
            found_rates.append(rates_of(net, program))
            for batch in cells.batches:
                cell = _Cell(net, program, batch, folder)
                for threads in cells.threads:
                    yield from cell.measure(rounds, threads, all_tools=cells.all_tools(steps, batch, threads))


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    net: Net
    program: Program
    batch: int
    folder: Path

    def measure(self, rounds: int, threads: int, *, all_tools: bool) -> Iterator[Row]:
        samples = encoded(self.program, self.net.images(self.batch))
        ours = plain_install(self.program, threads)
        calls: dict[str, Call] = {SPIKEC: partial(ours, samples)}
        equal = self._add_spiking(calls, samples, threads) if all_tools else {}
        anns = _anns(self.net, self.batch, self.folder, threads)
        with _threads_of_libraries(threads):
            measured = alternating(calls | anns, rounds)
        for tool, timings in measured.items():
            yield Row(
                part="simulator",
                net=self.net.name,
                tool=tool,
                unit="s",
                values=timings.wall,
                timesteps=self.program.timesteps,
                batch=self.batch,
                equality=equal.get(tool),
                is_ann=tool in anns,
                note="ANN" if tool in anns else "",
                threads=threads,
                cpu=timings.cpu,
            )

    def _add_spiking(self, calls: dict[str, Call], samples: IntArray, threads: int) -> dict[str, Equality]:
        """Add spikec's other ways and every peer to ``calls``; return how their results compare with spikec's."""
        counted = samples[:COUNTED_SAMPLES]
        recorded = run_backend("simulator", self.program, counted, record=True)
        assert recorded.spike_trains is not None
        counts = [recorded.spike_trains[p.name].sum(axis=1, dtype=np.int64) for p in self.program.populations[:-1]]
        ours = plain_install(self.program, threads)(samples)
        equal = {}
        for tool, run in other_ways(self.program, threads).items():
            equal[tool] = compare_integers(
                [ours.readout, _totals(ours)], [(found := run(samples)).readout, _totals(found)]
            )
            calls[tool] = partial(run, samples)
        for tool, build in _peers().items():
            peer = build(self.program)
            equal[tool] = compare_integers([ours.readout, *counts], [peer.run(samples), *peer.counts(counted)])
            calls[tool] = partial(peer.run, samples)
        return equal


def _totals(execution: Execution) -> IntArray:
    return np.array(list(execution.spike_counts.values()), dtype=np.int64)


def _peers() -> dict[str, Callable[[Program], Layerwise]]:
    """Those that are installed."""
    from .peers import sinabs_layers, snn_torch, spiking_jelly

    builders = {
        "SpikingJelly": ("spikingjelly", spiking_jelly.build),
        "snnTorch": ("snntorch", snn_torch.build),
        "sinabs": ("sinabs", sinabs_layers.build),
    }
    return {tool: build for tool, (library, build) in builders.items() if find_spec(library) is not None}


def _anns(net: Net, batch: int, folder: Path, threads: int) -> dict[str, Call]:
    """The source network and its twin with ReLUs, in float32 and in 8-bit integers, by name."""
    from .peers import source_ann

    floats = Samples(net.images(batch), None).as_float()
    calls = {} if net.torch is None else {"torch": source_ann.in_torch(net, floats)}
    if find_spec("onnxruntime") is None:
        return calls
    models = {ONNXRUNTIME: net.onnx} if net.relu is None else {ONNXRUNTIME: net.onnx, f"{ONNXRUNTIME}, ReLU": net.relu}
    for tool, model in models.items():
        calls[tool] = source_ann.in_onnxruntime(model, floats, threads)
        quantised = source_ann.quantised(model, net.calibration().as_float(), folder)
        calls[f"{tool}{INT8}"] = source_ann.in_onnxruntime(quantised, floats, threads)
    return calls


@contextmanager
def _threads_of_libraries(threads: int) -> Iterator[None]:
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)
