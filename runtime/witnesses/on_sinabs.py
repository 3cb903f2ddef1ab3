"""Run a network that spikec wrote with the neurons of sinabs, layer by layer: ``python on_sinabs.py FOLDER``.

Needs ``sinabs``, torch and numpy, nothing else. FOLDER holds ``network.json`` and ``network.npz``; ``result.npz`` goes
there. Every sum is a torch operation in doubles, which hold the program's integers exactly.

Windows are aligned: a layer sees step t of its sources' windows at step t of its own, so that delays, which do just
that on a chip, are not looked at. Potentials stop at the least of the state (``min_v_mem``); there is no such stop
above, so that the largest potential is told.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 16
"""Samples at a time."""


class Network:
    """The network of a folder, with the neurons of sinabs."""

    def __init__(self, folder: Path) -> None:
        self.structure = json.loads((folder / "network.json").read_text())
        with np.load(folder / "network.npz") as arrays:
            self.arrays = dict(arrays)
        self.timesteps, self.window = self.structure["timesteps"], self.structure["window"]

    def run(self) -> dict[str, Any]:
        """``spikes``, ``readout`` and ``highest`` of each population by its number, see ``result.npz``."""
        messages = self.arrays["messages"]
        parts = [self._run_batch(messages[first : first + BATCH]) for first in range(0, len(messages), BATCH)]
        found = {}
        for name in parts[0]:
            values = [part[name] for part in parts]
            found[name] = np.max(values) if name.startswith("highest") else np.concatenate(values)
        return found

    def _run_batch(self, messages: Any) -> dict[str, Any]:
        import torch

        steps = np.broadcast_to(messages, (len(messages), self.timesteps, *messages.shape[2:]))
        sent: dict[Any, Any] = {None: torch.tensor(steps, dtype=torch.float64)}
        found: dict[str, Any] = {}
        for number, population in enumerate(self.structure["populations"]):
            with torch.no_grad():
                spikes, potentials = self._fire(number, self._current(number, sent))
            found[f"highest{number}"] = int(potentials.max())
            if population["readout"]:
                found[f"readout{number}"] = potentials[:, self.timesteps - 1].numpy().astype(np.int64)
                continue
            first = population["fires_after"]
            sent[number] = spikes[:, first : first + self.timesteps].double()
            found[f"spikes{number}"] = sent[number].numpy().astype(np.uint8)
        return found

    def _current(self, number: int, sent: dict[Any, Any]) -> Any:
        """What each neuron gets at each step of its window, (N, window, neurons)."""
        import torch

        samples = len(sent[None])
        current = torch.zeros(samples, self.window, self.structure["populations"][number]["neurons"]).double()
        current += torch.tensor(self.arrays[f"population{number}.bias"])
        for step in range(1, self.window + 1):
            if f"population{number}.pulse{step}" in self.arrays:
                current[:, step - 1] += torch.tensor(self.arrays[f"population{number}.pulse{step}"])
        for index, projection in enumerate(self.structure["projections"]):
            if projection["target"] == number:
                received = self._project(index, projection, sent[projection["source"]].flatten(0, 1))
                current[:, : self.timesteps] += received.reshape(samples, self.timesteps, -1)
        return current

    def _project(self, index: int, projection: dict[str, Any], messages: Any) -> Any:
        """Weighted sums of ``messages`` (samples and steps, *source shape)."""
        import torch
        import torch.nn.functional as F

        weight = torch.tensor(self.arrays[f"projection{index}.weight"], dtype=torch.float64)
        if projection["kind"] == "matrix":
            return F.linear(messages.flatten(1), weight)
        if projection["kind"] == "coordinates":
            ends = np.stack([self.arrays[f"projection{index}.{end}"] for end in ("target", "source")])
            size = (self.structure["populations"][projection["target"]]["neurons"], messages.flatten(1).shape[1])
            matrix = torch.sparse_coo_tensor(torch.tensor(ends), weight, size, check_invariants=True)
            return torch.sparse.mm(matrix, messages.flatten(1).T).T
        top, left, bottom, right = projection["padding"]
        source = projection["source"]
        maps = messages
        if source is not None:
            maps = messages.reshape(len(messages), *self.structure["populations"][source]["shape"])
        padded = F.pad(maps, (left, right, top, bottom))
        stride, dilation = projection["stride"], projection["dilation"]
        return F.conv2d(padded, weight, None, stride, 0, dilation, projection["groups"]).flatten(1)

    def _fire(self, number: int, current: Any) -> tuple[Any, Any]:
        """Spikes, and potentials before they are reset, of every step (N, window, neurons)."""
        import torch
        from sinabs.activation import MembraneSubtract, SingleSpike
        from sinabs.layers import IAF

        readout = bool(self.structure["populations"][number]["readout"])
        threshold = torch.ones(1) if readout else torch.tensor(self.arrays[f"population{number}.threshold"])
        neurons = IAF(
            spike_threshold=threshold.double(),
            spike_fn=None if readout else SingleSpike,
            reset_fn=MembraneSubtract(),
            min_v_mem=float(self.structure["state"][0]),
            record_states=True,
        )
        initial = torch.tensor(self.arrays[f"population{number}.initial"], dtype=torch.float64)
        neurons.v_mem = initial.repeat(len(current), 1)
        spikes = neurons(current)
        potentials = neurons.recordings["v_mem"]
        return spikes, potentials if readout else potentials + spikes.double() * threshold


def main() -> None:
    """Run the folder that the command line names."""
    folder = Path(sys.argv[1])
    np.savez(folder / "result.npz", **Network(folder).run())


if __name__ == "__main__":
    main()
