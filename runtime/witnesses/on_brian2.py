"""Run a network that spikec wrote on brian2, in global time: ``python on_brian2.py FOLDER``.

Needs ``brian2`` and numpy, no compiler. FOLDER holds ``network.json`` and ``network.npz``, with every projection as
coordinates; ``result.npz`` goes there.

One step is one second of brian2's clock. Samples follow each other as on a chip: a projection takes one step and its
delay, by brian2's queues of spikes, and a population gets its initial potential where a window of its own begins.
Within a step brian2 integrates ("groups"), compares ("thresholds"), sends ("synapses") and resets ("resets"). What is
sent is kept in ``received`` until the next step integrates it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

NEURON = """
v : 1
received : 1
extra : 1
theta : 1
"""
INTEGRATE = """
v = clip(v + received + extra, lowest, highest)
received = 0
"""


class Run:
    """The network of a folder on brian2, and where it is in time."""

    def __init__(self, folder: Path) -> None:
        self.structure = json.loads((folder / "network.json").read_text())
        with np.load(folder / "network.npz") as arrays:
            self.arrays = dict(arrays)
        self.populations = self.structure["populations"]
        self.timesteps, self.window = self.structure["timesteps"], self.structure["window"]
        self.samples = len(self.arrays["messages"])
        self.currents = {
            number: self._currents(number)
            for number in {each["target"] for each in self.structure["projections"] if each["source"] is None}
        }
        self.step = 0

    def run(self) -> dict[str, Any]:
        """``spikes`` and ``readout`` of each population by its number, see ``result.npz``."""
        import brian2

        brian2.prefs.codegen.target = "numpy"
        brian2.prefs.logging.file_log = False
        brian2.defaultclock.dt = 1 * brian2.second
        self.groups = [self._group(number) for number in range(len(self.populations))]
        monitors = {
            number: brian2.SpikeMonitor(group)
            for number, group in enumerate(self.groups)
            if not self.populations[number]["readout"]
        }
        self.readouts = {
            number: np.zeros((self.samples, each["neurons"]))
            for number, each in enumerate(self.populations)
            if each["readout"]
        }
        network = brian2.Network(self.groups, list(monitors.values()), self._synapses())
        network.add(brian2.NetworkOperation(self._begin, when="start"), brian2.NetworkOperation(self._end, when="end"))
        network.run(self.structure["steps"] * brian2.second)
        spikes = {f"spikes{number}": self._train(number, monitor) for number, monitor in monitors.items()}
        return spikes | {f"readout{number}": values.astype(np.int64) for number, values in self.readouts.items()}

    def _group(self, number: int) -> Any:
        import brian2

        lowest, highest = map(float, self.structure["state"])
        fires = not self.populations[number]["readout"]
        group = brian2.NeuronGroup(
            self.populations[number]["neurons"],
            NEURON,
            threshold="v >= theta" if fires else None,
            reset="v -= theta" if fires else None,
            namespace={"lowest": lowest, "highest": highest},
        )
        group.run_regularly(INTEGRATE, when="groups")
        if fires:
            group.theta = self.arrays[f"population{number}.threshold"].astype(float)
        return group

    def _synapses(self) -> list[Any]:
        import brian2

        found = []
        for index, projection in enumerate(self.structure["projections"]):
            weight = self.arrays[f"projection{index}.weight"]
            if projection["source"] is None or not len(weight):
                continue
            source, target = self.groups[projection["source"]], self.groups[projection["target"]]
            synapses = brian2.Synapses(
                source,
                target,
                "weight : 1",
                on_pre="received_post += weight",
                delay=projection["delay"] * brian2.second,
            )
            synapses.connect(i=self.arrays[f"projection{index}.source"], j=self.arrays[f"projection{index}.target"])
            synapses.weight = weight.astype(float)
            found.append(synapses)
        return found

    def _currents(self, number: int) -> Any:
        """What the input adds to each neuron, (N, T or 1, neurons)."""
        messages = self.arrays["messages"]
        flat = messages.reshape(*messages.shape[:2], -1)
        total = np.zeros((*messages.shape[:2], self.populations[number]["neurons"]))
        for index, projection in enumerate(self.structure["projections"]):
            if projection["source"] is not None or projection["target"] != number:
                continue
            source, target, weight = (
                self.arrays[f"projection{index}.{name}"] for name in ("source", "target", "weight")
            )
            for place in np.ndindex(total.shape[:2]):
                total[place] += np.bincount(target, weight * flat[place][source], total.shape[2])
        return total

    def _place(self, number: int) -> tuple[int, int]:
        """The sample whose window a population is in, and the step of that window, from 0."""
        sample, within = divmod(self.step - self.populations[number]["depth"], self.window)
        return sample, within

    def _begin(self) -> None:
        for number, group in enumerate(self.groups):
            sample, within = self._place(number)
            name = f"population{number}"
            if within == 0:
                group.v = self.arrays[f"{name}.initial"].astype(float)
            extra = self.arrays[f"{name}.bias"] + self.arrays.get(f"{name}.pulse{within + 1}", 0)
            if number in self.currents and 0 <= sample < self.samples and within < self.timesteps:
                current = self.currents[number][sample]
                extra = extra + current[min(within, len(current) - 1)]
            group.extra = extra.astype(float)

    def _end(self) -> None:
        for number, values in self.readouts.items():
            sample, within = self._place(number)
            if 0 <= sample < self.samples and within == self.timesteps - 1:
                values[sample] = self.groups[number].v
        self.step += 1

    def _train(self, number: int, monitor: Any) -> Any:
        """Spikes (N, T, neurons) in the steps of each window in which the population fires."""
        import brian2

        population = self.populations[number]
        train = np.zeros((self.samples, self.timesteps, population["neurons"]), dtype=np.uint8)
        steps = np.rint(np.asarray(monitor.t / brian2.second)).astype(np.int64)
        sample, within = np.divmod(steps - population["depth"], self.window)
        counted = within - population["fires_after"]
        inside = (sample >= 0) & (sample < self.samples) & (counted >= 0) & (counted < self.timesteps)
        train[sample[inside], counted[inside], np.asarray(monitor.i)[inside]] = 1
        return train


def main() -> None:
    """Run the folder that the command line names."""
    folder = Path(sys.argv[1])
    np.savez(folder / "result.npz", **Run(folder).run())


if __name__ == "__main__":
    main()
