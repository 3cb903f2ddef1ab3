"""Runs network.net by lava-dl's netx on the samples of input.npz; needs lava-dl 0.6 and nothing of spikec.

Beside this script it writes results.npz: ``readout`` (N, classes), ``predictions`` (N,) and the spikes of every layer
(N, neurons), called as the layer. Where a process of Lava's fails, Lava waits for it for ever: end the script then.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from lava.lib.dl import netx
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source


def in_port_order(samples: Any, shape: tuple[int, ...]) -> Any:
    """Samples (N, ...) as a stream (*shape, N): netx takes maps as columns, rows and channels, and rows as they are."""
    turned = samples.transpose(0, 3, 2, 1) if len(shape) == 3 else samples
    return turned.reshape(len(samples), *shape).transpose(*range(1, len(shape) + 1), 0)


def in_program_order(values: Any) -> Any:
    """Values (*port shape, steps) as rows (steps, neurons) in the order of channels, rows and columns."""
    turned = values.transpose(3, 2, 1, 0) if values.ndim == 4 else values.T
    return turned.reshape(len(turned), -1)


def main(folder: Path) -> None:
    """Run the network in ``folder``."""
    structure = json.loads((folder / "network.json").read_text())
    with np.load(folder / "input.npz") as archive:
        samples = archive["samples"]
    bits = structure["input_message_bits"]
    network = netx.hdf5.Network(str(folder / "network.net"), input_message_bits=bits)
    *layers, readout = structure["layers"]
    steps = len(samples) + readout["depth"]
    stream = np.zeros((*network.inp.shape, steps), dtype=np.int32)
    stream[..., : len(samples)] = in_port_order(samples, network.inp.shape)
    source = Source(data=stream)
    source.s_out.connect(network.inp)
    sinks = {}
    for layer, block in zip(layers, network.layers, strict=False):
        sinks[layer["name"]] = Sink(shape=block.out.shape, buffer=steps)
        block.out.connect(sinks[layer["name"]].a_in)
    last = Sink(shape=network.out.shape, buffer=steps)
    network.out.connect(last.a_in)
    potentials = []
    for _ in range(steps):
        source.run(condition=RunSteps(num_steps=1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        potentials.append(network.layers[-1].neuron.v.get().reshape(-1))
    # A weight unit is 64 units of the state.
    scores = (np.stack(potentials)[readout["depth"] :]).astype(np.int64) >> 6
    results = {"readout": scores, "predictions": scores.argmax(axis=1)}
    for layer in layers:
        rows = in_program_order(sinks[layer["name"]].data.get())
        results[layer["name"]] = rows[layer["depth"] : layer["depth"] + len(samples)].astype(np.uint8)
    np.savez(folder / "partial.npz", **results)
    (folder / "partial.npz").rename(folder / "results.npz")
    sys.stdout.write(f"{len(samples)} samples: {folder / 'results.npz'}\n")
    source.stop()


if __name__ == "__main__":
    main(Path(__file__).parent)
