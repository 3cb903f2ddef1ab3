"""Simulators against each other: the same integers, the same steps, the same threads, alternating."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from spikec.runtime.backends import run_backend
from spikec.runtime.program import IntArray, Program
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import Simulator

from .measure import alternating
from .nets import Net, build_net, compile_net, encoded, one_threshold_target
from .rows import SPIKEC, Equality, Row, compare_integers

COUNTED_SAMPLES = 8
"""Samples whose counts are compared neuron by neuron; the read-outs of the whole batch are compared besides."""

Call = Callable[[], object]


def measure_simulators(
    folder: Path, nets: tuple[str, ...], timesteps: tuple[int, ...], batches: tuple[int, ...], rounds: int, threads: int
) -> Iterator[Row]:
    """Rows of part ``simulator``: every tool in every cell of nets x T x batch."""
    target = str(one_threshold_target(folder))
    for name in nets:
        net = build_net(name, folder)
        for steps in timesteps:
            program = compile_net(net, steps, target)
            for batch in batches:
                yield from _cell(net, program, batch, rounds, threads)


def _cell(net: Net, program: Program, batch: int, rounds: int, threads: int) -> Iterator[Row]:
    samples = encoded(program, net.images(batch))
    floats = Samples(net.images(batch), None).as_float()
    calls: dict[str, Call] = {SPIKEC: partial(Simulator(program).run, samples)}
    equal = _add_peers(calls, program, samples)
    anns = _anns(net, floats, threads)
    measured = alternating(calls | anns, rounds)
    rate = _rate(program, samples)
    for tool, values in measured.items():
        yield Row(
            part="simulator",
            net=net.name,
            tool=tool,
            unit="s",
            values=values,
            timesteps=program.timesteps,
            batch=batch,
            equality=equal.get(tool),
            is_ann=tool in anns,
            note=f"rate {100 * rate:.0f} %" if tool == SPIKEC else "ANN, float32" if tool in anns else "",
        )


def _add_peers(calls: dict[str, Call], program: Program, samples: IntArray) -> dict[str, Equality]:
    """Add every installed peer to ``calls``; return how its results compare with spikec's."""
    from .peers import sinabs_layers, snn_torch, spiking_jelly

    builders = {
        "SpikingJelly": ("spikingjelly", spiking_jelly.build),
        "snnTorch": ("snntorch", snn_torch.build),
        "sinabs": ("sinabs", sinabs_layers.build),
    }
    counted = samples[:COUNTED_SAMPLES]
    recorded = run_backend("simulator", program, counted, record=True)
    assert recorded.spike_trains is not None
    expected = [
        run_backend("simulator", program, samples).readout,
        *(recorded.spike_trains[p.name].sum(axis=1, dtype=np.int64) for p in program.populations[:-1]),
    ]
    equal = {}
    for tool, (library, build) in builders.items():
        if find_spec(library) is None:
            continue
        peer = build(program)
        equal[tool] = compare_integers(expected, [peer.run(samples), *peer.counts(counted)])
        calls[tool] = partial(peer.run, samples)
    return equal


def _anns(net: Net, floats: np.ndarray[tuple[int, ...], np.dtype[np.float32]], threads: int) -> dict[str, Call]:
    from .peers import source_ann

    calls = {"torch": source_ann.in_torch(net, floats)}
    if find_spec("onnxruntime") is not None:
        calls["onnxruntime"] = source_ann.in_onnxruntime(net.onnx, floats, threads)
        if net.relu is not None:
            calls["onnxruntime, ReLU"] = source_ann.in_onnxruntime(net.relu, floats, threads)
    return calls


def _rate(program: Program, samples: IntArray) -> float:
    """Share of the steps in which a neuron fires."""
    counts = run_backend("simulator", program, samples).spike_counts
    neurons = sum(p.neurons for p in program.populations[:-1])
    return sum(counts.values()) / (neurons * program.timesteps * len(samples))
