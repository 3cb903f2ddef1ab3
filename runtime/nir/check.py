"""Load a network that spikec wrote as NIR with other people's readers, and compare spike counts.

    python run.py [FOLDER [all|sinabs|snntorch [plain]]]

FOLDER holds ``network.nir`` and ``samples.npz``; ``results.json`` goes there. Needs ``nir``, numpy, and the
reader that is asked for, or one of them. The exit status is 0 where all counts are equal.

A reader takes from the graph what NIR has nodes for. The rest is in the graph's metadata, and is set here after
loading: initial potentials, reset by subtraction, at most one spike a step, no leak, the least of the state. Sums are
in doubles. ``plain`` leaves all that as the reader had it, and says how far its counts are from the program's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nir
import numpy as np

READERS = ("sinabs", "snntorch")
Result = tuple[dict[str, Any], Any]
"""Spike counts (N, neurons) by node, and the read-out (N, outputs)."""


class Exported:
    """The graph of a folder, its metadata, and the samples with what they must give."""

    def __init__(self, folder: Path) -> None:
        self.graph = nir.read(folder / "network.nir")
        self.states = self.graph.metadata["states"]
        with np.load(folder / "samples.npz") as arrays:
            self.arrays = dict(arrays)
        self.frames = self.arrays["frames"]
        self.output = next(name for name, node in self.graph.nodes.items() if isinstance(node, nir.Output))
        self.firing = [name for name, node in self.graph.nodes.items() if isinstance(node, nir.IF)]

    def several_inputs(self) -> list[str]:
        """Nodes that sum several edges."""
        targets = [target for _, target in self.graph.edges]
        return sorted({target for target in targets if targets.count(target) > 1})

    def state(self, node: str, name: str) -> Any:
        """What the metadata says of a node, as a tensor in doubles."""
        import torch

        return torch.tensor(self.states[node][name], dtype=torch.float64)


def with_sinabs(exported: Exported, plain: bool) -> Result:
    """All samples and steps at once, layer by layer."""
    import torch
    from sinabs.activation import SingleSpike
    from sinabs.nir import from_nir

    samples, steps, *shape = exported.frames.shape
    model = from_nir(exported.graph, batch_size=samples)
    # nirtorch 2.0 visits a sum before its second source, and leaves that out; names ascend along the graph.
    model.execution_order.sort(key=lambda node: node.name)
    counts: dict[str, Any] = {}
    for name in exported.firing:
        neurons = model.get_submodule(name)
        neurons.spike_threshold = torch.as_tensor(neurons.spike_threshold)
        if not plain:
            neurons.spike_fn = SingleSpike
            neurons.min_v_mem = torch.nn.Parameter(exported.state(name, "lowest"), requires_grad=False)
            initial = exported.state(name, "initial")
            neurons.v_mem = initial.repeat(samples, *(1 for _ in initial.shape))
        neurons.register_forward_hook(_count(counts, name, lambda spikes: spikes.reshape(samples, steps, -1).sum(1)))
    model.double()
    with torch.no_grad():
        currents, _ = model(torch.tensor(exported.frames).double().reshape(samples * steps, *shape))
    readout = currents.reshape(samples, steps, -1).sum(1) + exported.state(exported.output, "initial").flatten()
    return counts, readout.numpy()


def with_snntorch(exported: Exported, plain: bool) -> Result:
    """One sample and one step at a time: what snnTorch reads as Flatten flattens a batch too."""
    import torch
    from snntorch.import_nir import import_from_nir

    model = import_from_nir(exported.graph).double()
    for name in () if plain else exported.several_inputs():
        if name != exported.output:  # what reaches that is returned side by side
            _sum_inputs(model.get_submodule(name))
    found: list[dict[str, Any]] = []
    for name in exported.firing:
        neurons = model.get_submodule(name)
        if not plain:
            # It reads an IF as a neuron that leaks, and has it return its potential beside its spikes. Without the
            # delay of its reset a potential of several thresholds is tested after it was lowered.
            neurons.beta, neurons.init_hidden = torch.ones((), dtype=torch.float64), True
            neurons.reset_delay = True
        neurons.register_forward_hook(_add(found, name))
    readouts = []
    with torch.no_grad():
        for frames in torch.tensor(exported.frames).double():
            found.append({})
            for name in exported.firing:
                model.get_submodule(name).reset_mem()
                if not plain:
                    model.get_submodule(name).mem = _before_reset(
                        model.get_submodule(name), exported.state(name, "initial")
                    )
            initial = exported.state(exported.output, "initial").flatten()
            readouts.append((sum(sum(model(frame)[:-1]).flatten() for frame in frames) + initial).numpy())
    counts = {name: np.stack([each[name].numpy() for each in found]) for name in exported.firing}
    return counts, np.stack(readouts)


def _before_reset(neurons: Any, initial: Any) -> Any:
    """The potential from which the reset that comes first in a step leaves ``initial``."""
    return initial + (initial > neurons.threshold) * neurons.threshold


def _count(counts: dict[str, Any], name: str, total: Callable[[Any], Any]) -> Callable[..., Any]:
    def keep(module: Any, inputs: Any, spikes: Any) -> Any:
        counts[name] = total(spikes).numpy()
        return spikes.double()

    return keep


def _add(found: list[dict[str, Any]], name: str) -> Callable[..., Any]:
    def keep(module: Any, inputs: Any, spikes: Any) -> Any:
        now = spikes.double()
        found[-1][name] = found[-1].get(name, 0) + now.flatten()
        return now

    return keep


def _sum_inputs(module: Any) -> None:
    # nirtorch's nir_to_torch gives several edges as several arguments, where NIR means their sum.
    forward = module.forward
    module.forward = lambda *currents: forward(sum(currents))


RUN: dict[str, Callable[[Exported, bool], Result]] = {"sinabs": with_sinabs, "snntorch": with_snntorch}


def compare(exported: Exported, found: Result) -> dict[str, Any]:
    """How many spike counts and read-outs differ, by node; read-outs may be off by what doubles round."""
    counts, readout = found
    different = {
        name: int(
            (np.asarray(counts[name]).reshape(len(exported.frames), -1) != exported.arrays[f"count.{name}"]).sum()
        )
        for name in exported.firing
    }
    readouts = int((np.abs(readout - exported.arrays["readout"]) > 1e-3).sum())
    classes = int((readout.argmax(1) != exported.arrays["readout"].argmax(1)).sum())
    total = sum(exported.arrays[f"count.{name}"].size for name in exported.firing)
    return {
        "equal": not any(different.values()) and not readouts,
        "different_counts": different,
        "counts": total,
        "different_readouts": readouts,
        "different_classes": classes,
        "samples": len(exported.frames),
    }


def said(reader: str, result: dict[str, Any]) -> str:
    """One line for a person."""
    name = f"{reader} {result['version']}"
    if "error" in result:
        return f"{name} cannot run it: {result['error']}"
    if result["equal"]:
        layers = len(result["different_counts"])
        return f"equal: {name} ({result['samples']} samples, {layers} layers, every spike count and score)"
    different = sum(result["different_counts"].values())
    return (
        f"not equal: {name}: {different} of {result['counts']} spike counts differ, "
        f"and {result['different_classes']} of {result['samples']} classes"
    )


def main() -> int:
    """Run what the command line says; 0 where all is equal."""
    parser = argparse.ArgumentParser(description="Load a NIR graph that spikec wrote with other readers.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("reader", nargs="?", choices=("all", *READERS), default="all", help="all: that are installed")
    parser.add_argument("plain", nargs="?", choices=("plain",), help="as the reader has it, without the metadata")
    arguments = parser.parse_args()
    installed = [name for name in READERS if importlib.util.find_spec(name)]
    readers = installed if arguments.reader == "all" else [arguments.reader]
    results: dict[str, dict[str, Any]] = {}
    for reader in readers:
        try:
            results[reader] = compare(
                exported := Exported(arguments.folder), RUN[reader](exported, arguments.plain is not None)
            )
        except Exception as error:  # whatever another package raises, and the other readers go on
            results[reader] = {"equal": False, "error": f"{type(error).__name__}: {error}"[:300]}
        results[reader]["version"] = version(reader)
        results[reader]["said"] = said(reader, results[reader])
        sys.stdout.write(results[reader]["said"] + "\n")
    (arguments.folder / "results.json").write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    if not readers:
        sys.stdout.write(f"no reader is installed: {', '.join(READERS)}\n")
    return int(not readers or not all(result["equal"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
