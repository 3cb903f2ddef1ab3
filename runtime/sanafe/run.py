"""Run a network that spikec wrote on SANA-FE: every spike, the read-outs, and what events took of energy and time.

    python run.py [FOLDER [detailed|simple]]

needs ``sanafe`` (2.2) and numpy, nothing else. FOLDER holds ``architecture.yaml``, ``network.json`` and
``network.npz``; ``spikes.npz`` and ``results.json`` go there.

Why a script and no netlist: SANA-FE's netlist keeps seven digits of a number and has no place for what changes while
the network runs. Here a sample's window begins with the initial potentials, input and pulses are biases that change
from step to step, and a population is silent outside of its windows. SANA-FE fires above a threshold, so that it gets
the threshold less 1/128, and what is left of that after a reset is below the 1/64 that its neuron keeps.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import sanafe

NEVER = 1e12
"""A threshold that no potential reaches."""
BELOW = 1 / 128


def main() -> None:
    """Run what the command line says, and say what SANA-FE estimates."""
    parser = argparse.ArgumentParser(description="Run a network that spikec wrote on SANA-FE.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("timing", nargs="?", choices=("detailed", "simple"), default="detailed", help="timing model")
    arguments = parser.parse_args()
    results = Run(arguments.folder).run(arguments.timing)
    (arguments.folder / "results.json").write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    energy = results["energy"]["total"]
    sys.stdout.write(
        f"{results['samples']} samples, {results['steps']} steps: {energy:.4g} J, {results['seconds']:.4g} s "
        f"(SANA-FE {results['version']}, {arguments.timing} timing)\n"
    )


class Run:
    """A network on a chip, and where it is in time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = json.loads((folder / "network.json").read_text())
        with np.load(folder / "network.npz") as arrays:
            self.arrays = dict(arrays)
        self.populations = self.network["populations"]
        self.chip = self._chip()
        self.neurons = [self.chip.mapped_neuron_groups[name] for name in map(group_name, range(len(self.populations)))]
        samples, timesteps = self.network["samples"], self.network["timesteps"]
        self.trains = [
            None if each["readout"] else np.zeros((samples, timesteps, each["neurons"]), dtype=np.uint8)
            for each in self.populations
        ]
        self.readouts = [np.zeros((samples, each["neurons"])) if each["readout"] else None for each in self.populations]

    def _chip(self) -> Any:
        architecture = sanafe.load_arch(str(self.folder / "architecture.yaml"))
        cores = list(architecture.cores())
        network = sanafe.Network()
        groups = []
        for number, population in enumerate(self.populations):
            group = network.create_neuron_group(
                group_name(number),
                population["neurons"],
                default_synapse_hw_name="synapses",
                default_dendrite_hw_name="dendrites",
                soma_hw_name="somas",
                log_spikes=not population["readout"],
                log_potential=population["readout"],
            )
            initial, core = self._array(number, "initial"), self._array(number, "core")
            for neuron, (potential, place) in enumerate(zip(initial.tolist(), core.tolist(), strict=True)):
                group[neuron].set_attributes(model_attributes={**self.network["neuron"], "potential": float(potential)})
                group[neuron].map_to_core(cores[place])
            groups.append(group)
        for number, projection in enumerate(self.network["projections"]):
            ends = zip(
                *(self.arrays[f"projection{number}.{end}"].tolist() for end in ("source", "target")), strict=True
            )
            weights = self.arrays[f"projection{number}.weight"].tolist()
            attributes: dict[str, list[float]] = {"weight": [float(weight) for weight in weights]}
            if self.network["delays"]:
                attributes["delay"] = [projection["delay"]] * len(weights)
            groups[projection["source"]].connect_neurons_sparse(groups[projection["target"]], attributes, list(ends))
        chip = sanafe.SpikingChip(architecture)
        chip.load(network)
        return chip

    def _array(self, population: int, name: str) -> Any:
        return self.arrays[f"population{population}.{name}"]

    def run(self, timing: str) -> dict[str, Any]:
        """Go through all steps; what SANA-FE counted, in joules and seconds."""
        started = time.perf_counter()
        totals: dict[str, float] = {"seconds": 0.0, "packets": 0, "spikes": 0, "fired": 0, "updated": 0}
        energy: dict[str, float] = {}
        for step in range(1, self.network["steps"] + 1):
            for number in range(len(self.populations)):
                self._prepare(number, step)
            result = self.chip.sim(1, timing_model=timing, spike_trace=True, potential_trace=True)
            self._keep(result, step)
            for part, joules in result["energy"].items():
                energy[part] = energy.get(part, 0.0) + joules
            names = ("sim_time", "packets_sent", "spikes", "neurons_fired", "neurons_updated")
            for total, name in zip(totals, names, strict=True):
                totals[total] += result[name]
        present: dict[str, Any] = {
            f"spikes{k}": np.packbits(train) for k, train in enumerate(self.trains) if train is not None
        }
        present |= {f"readout{k}": values for k, values in enumerate(self.readouts) if values is not None}
        np.savez_compressed(self.folder / "spikes.npz", **present)
        shape = {key: self.network[key] for key in ("samples", "steps")}
        wall = {"wall_seconds": time.perf_counter() - started}
        return {**totals, **shape, **wall, "energy": energy, "timing": timing, "version": version("sanafe")}

    def _place(self, number: int, step: int) -> tuple[int, int]:
        """The sample whose window a population is in, and the step of that window, from 0."""
        sample, within = divmod(step - 1 - self.populations[number]["depth"], self.network["window"])
        return sample, within

    def _prepare(self, number: int, step: int) -> None:
        """Set what changes in the population as the step begins."""
        sample, within = self._place(number, step)
        if 0 <= sample < self.network["samples"]:
            bias = self._bias(number, sample, within)
            if within == 0:
                initial, threshold = self._array(number, "initial"), self._threshold(number)
                self._set(number, potential=initial, bias=bias, threshold=threshold)
            elif not np.array_equal(bias, self._bias(number, sample, within - 1)):
                self._set(number, bias=bias)
        elif sample == self.network["samples"] and within == 0:
            silent = np.zeros(self.populations[number]["neurons"])
            self._set(number, bias=silent, threshold=silent + NEVER)

    def _threshold(self, number: int) -> Any:
        if self.populations[number]["readout"]:
            return np.full(self.populations[number]["neurons"], NEVER)
        return self._array(number, "threshold") - BELOW

    def _bias(self, number: int, sample: int, within: int) -> Any:
        """What the neurons get at this step besides spikes: bias, pulses, and the current of the input."""
        name = f"population{number}"
        bias = self.arrays[f"{name}.bias"]
        if f"{name}.pulse{within + 1}" in self.arrays:
            bias = bias + self.arrays[f"{name}.pulse{within + 1}"]
        if f"{name}.current" in self.arrays and within < self.network["timesteps"]:
            current = self.arrays[f"{name}.current"][sample]
            bias = bias + current[min(within, len(current) - 1)]
        return bias

    def _set(self, number: int, **attributes: Any) -> None:
        columns = [np.asarray(values, dtype=np.float64).tolist() for values in attributes.values()]
        for neuron, *values in zip(self.neurons[number], *columns, strict=True):
            neuron.set_attributes(model_attributes=dict(zip(attributes, values, strict=True)))

    def _keep(self, result: dict[str, Any], step: int) -> None:
        fired: dict[int, list[int]] = {}
        for address in result["spike_trace"][-1]:
            fired.setdefault(int(address.group_name[1:]), []).append(int(address.neuron_offset))
        potentials = np.array(result["potential_trace"][-1])
        seen = 0
        for number, population in enumerate(self.populations):
            sample, within = self._place(number, step)
            counted = within - population["fires_after"]
            inside = 0 <= sample < self.network["samples"] and 0 <= counted < self.network["timesteps"]
            train, readout = self.trains[number], self.readouts[number]
            if train is not None and inside:
                train[sample, counted, fired.get(number, [])] = 1
            if readout is not None:
                if inside and counted == self.network["timesteps"] - 1:
                    readout[sample] = potentials[seen : seen + population["neurons"]]
                seen += population["neurons"]


def group_name(number: int) -> str:
    """SANA-FE's name of a population: those of the network may hold what it does not take."""
    return f"p{number}"


if __name__ == "__main__":
    main()
