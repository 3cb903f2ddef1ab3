"""Stands in for the module ``sanafe``, which tests do not install: the parts of its interface that our script uses.

Neurons, numbers and the order of a step are as SANA-FE documents them: what reaches it from Python is rounded to
32-bit floats, a neuron keeps 64ths of a potential, fires above its threshold, and gets in the next step what was sent
in this one. The bench compares with SANA-FE itself. ``STAND_IN`` in the environment makes it fail or hang.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

if os.environ.get("STAND_IN") == "fail":
    raise MemoryError("no room for another synapse")
if os.environ.get("STAND_IN") == "hang":
    time.sleep(3600)


def load_arch(path: str) -> Architecture:
    text = Path(path).read_text()
    tiles, cores = (int(re.findall(rf"name: {kind}\[0\.\.(\d+)\]", text)[0]) + 1 for kind in ("tile", "core"))
    most = int(re.findall(r"max_neurons_supported: (\d+)", text)[0])
    width, height = (int(re.findall(rf"{side}: (\d+)", text)[0]) for side in ("width", "height"))
    assert width * height == tiles
    return Architecture(tiles * cores, most)


@dataclass
class Architecture:
    count: int
    most: int

    def cores(self) -> Iterator[int]:
        return iter(range(self.count))


class Neuron:
    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}
        self.core: int | None = None
        self.current = 0.0

    def set_attributes(self, model_attributes: dict[str, Any]) -> None:
        rounded = {k: float(np.float32(v)) if isinstance(v, float) else v for k, v in model_attributes.items()}
        assert all(isinstance(value, (float, str)) for value in rounded.values())
        self.attributes |= rounded

    def map_to_core(self, core: int) -> None:
        self.core = core

    def step(self, current: float) -> bool:
        own = self.attributes
        assert (own["leak_decay"], own["input_decay"], own["reset_mode"]) == (1.0, 0.0, "soft")
        potential = int(own["potential"] * 64) / 64 + own["bias"] + current
        fired = potential > own["threshold"]
        potential -= own["threshold"] if fired else 0.0
        assert own["reverse_reset_mode"] == "saturate"
        own["potential"] = max(potential, own["reverse_threshold"])
        return bool(fired)


class Group(list[Neuron]):
    def __init__(self, name: str, neurons: int, log_spikes: bool, log_potential: bool) -> None:
        super().__init__(Neuron() for _ in range(neurons))
        self.name, self.log_spikes, self.log_potential = name, log_spikes, log_potential
        self.synapses: list[tuple[int, Group, int, float, int]] = []

    def connect_neurons_sparse(self, target: Group, attributes: dict[str, list[float]], pairs: list[Any]) -> None:
        delays = attributes.get("delay", [0] * len(pairs))
        for (source, end), weight, delay in zip(pairs, attributes["weight"], delays, strict=True):
            assert 0 <= delay <= 5
            self.synapses.append((source, target, end, float(np.float32(weight)), int(delay)))


class Network:
    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}

    def create_neuron_group(self, name: str, neurons: int, *, log_spikes: bool, log_potential: bool, **_: str) -> Group:
        self.groups[name] = Group(name, neurons, log_spikes, log_potential)
        return self.groups[name]


@dataclass
class Address:
    group_name: str
    neuron_offset: int


class SpikingChip:
    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.now = 0

    def load(self, network: Network) -> None:
        self.mapped_neuron_groups = network.groups
        cores = [neuron.core for group in network.groups.values() for neuron in group]
        assert None not in cores
        assert max(cores.count(core) for core in set(cores)) <= self.architecture.most
        self.arriving: dict[tuple[int, str, int], float] = {}

    def sim(self, steps: int, *, timing_model: str, spike_trace: bool, potential_trace: bool) -> dict[str, Any]:
        assert (steps, spike_trace, potential_trace) == (1, True, True)
        assert timing_model in ("detailed", "simple")
        self.now += 1
        fired = {
            name: [i for i, each in enumerate(group) if each.step(self.arriving.pop((self.now, name, i), 0.0))]
            for name, group in self.mapped_neuron_groups.items()
        }
        for name, group in self.mapped_neuron_groups.items():
            for source, target, end, weight, delay in group.synapses:
                if source in fired[name]:
                    key = (self.now + 1 + delay, target.name, end)
                    self.arriving[key] = self.arriving.get(key, 0.0) + weight
        groups = self.mapped_neuron_groups.values()
        total = sum(map(len, fired.values()))
        counts = dict.fromkeys(("packets_sent", "spikes", "neurons_fired", "neurons_updated"), total)
        return {
            "sim_time": 1e-6,
            **counts,
            "energy": {"total": 1e-9, "soma": 1e-9},
            "spike_trace": [[Address(g.name, i) for g in groups if g.log_spikes for i in fired[g.name]]],
            "potential_trace": [[neuron.attributes["potential"] for g in groups if g.log_potential for neuron in g]],
        }
