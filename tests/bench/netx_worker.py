"""Runs convolutions in lava-dl's netx: ``netx_worker.py FOLDER SEGMENT_PREFIX``, started under a supervisor only.

FOLDER has job.npz (samples (N, C, H, W) of 0 and 1, weights (layers, C, C, 3, 3), thresholds) and job.json; the worker
adds result.npz: milliseconds per step after the first sample, and the last layer's spikes (N, T, neurons).
Needs an environment with lava-dl and nothing of spikec. It does not stop Lava, which can hang: the supervisor ends it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def _write_network(file: Path, weights: Any, thresholds: Any, size: tuple[int, int]) -> None:
    with h5py.File(file, "w") as content:
        for index, (weight, threshold) in enumerate(zip(weights, thresholds, strict=True)):
            layer = content.create_group(f"layer/{index}")
            layer["type"] = np.bytes_("conv")
            layer["shape"] = np.array([weight.shape[0], *size])
            layer["weight"] = weight
            layer["stride"] = layer["dilation"] = np.array([1, 1])
            layer["padding"] = np.array([1, 1])
            layer["groups"] = 1
            neuron = layer.create_group("neuron")
            neuron["type"] = np.bytes_("CUBA")
            # No memory of the current, no leak; Lava fires above the threshold, not at it.
            neuron["iDecay"], neuron["vDecay"], neuron["vThMant"] = 4096, 0, int(threshold) - 1


def _name_segments(prefix: str) -> None:
    # The supervisor removes the shared memory by this name; the standard library has no public way to choose it.
    name = f"/{prefix}"
    shared_memory._SHM_NAME_PREFIX = name  # type: ignore[attr-defined]
    shared_memory._SHM_SAFE_NAME_LENGTH = len(name) + 8  # type: ignore[attr-defined]


def _run(folder: Path) -> None:
    from lava.lib.dl import netx
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    timesteps = json.loads((folder / "job.json").read_text())["timesteps"]
    with np.load(folder / "job.npz") as job:
        samples, weights, thresholds = job["samples"], job["weights"], job["thresholds"]
    depth = len(weights)
    _write_network(folder / "network.h5", weights, thresholds, samples.shape[2:])
    maps = samples.transpose(0, 3, 2, 1)
    # netx counts its reset from an input block; without one its windows begin a step later.
    network = netx.hdf5.Network(
        str(folder / "network.h5"), input_shape=maps.shape[1:], reset_interval=timesteps, reset_offset=1
    )
    steps = len(samples) * timesteps + depth
    stream = np.zeros((*maps.shape[1:], steps), dtype=int)
    stream[..., : len(samples) * timesteps] = np.repeat(maps, timesteps, axis=0).transpose(1, 2, 3, 0)
    source, sink = Source(data=stream), Sink(shape=network.out.shape, buffer=steps)
    source.s_out.connect(network.inp)
    network.out.connect(sink.a_in)
    warm = timesteps + depth
    config = Loihi2SimCfg(select_tag="fixed_pt")
    network.run(condition=RunSteps(num_steps=warm), run_cfg=config)
    begin = time.perf_counter()
    network.run(condition=RunSteps(num_steps=steps - warm), run_cfg=config)
    milliseconds = 1e3 * (time.perf_counter() - begin) / (steps - warm)
    spikes = sink.data.get().transpose(3, 2, 1, 0)[depth:].reshape(len(samples), timesteps, -1)
    np.savez(folder / "partial.npz", milliseconds=milliseconds, spikes=spikes)
    (folder / "partial.npz").rename(folder / "result.npz")


def main(folder: str, prefix: str) -> None:
    """Run the job; the supervisor ends what Lava leaves."""
    _name_segments(prefix)
    _run(Path(folder))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
