"""Builds the cores of ``loihi_blocks`` as nengo-loihi's blocks and validates each; run in an environment that has it.

    python nengo_worker.py BLOCKS.pkl

One JSON object: per core, what nengo-loihi counts of each resource. A block that it refuses ends it with its message.
"""

from __future__ import annotations

import json
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any


def main() -> None:
    """Build, validate, count."""
    warnings.filterwarnings("ignore")
    from nengo_loihi.block import LoihiBlock
    from nengo_loihi.builder.validate import validate_block

    cores: dict[int, dict[str, Any]] = pickle.loads(Path(sys.argv[1]).read_bytes())
    blocks = {core: LoihiBlock(held["compartments"]) for core, held in cores.items()}
    for block in blocks.values():
        block.compartment.configure_relu(vth=1.0)
        block.compartment.configure_filter(0)
    groups = {core: [_synapse(group) for group in held["synapses"]] for core, held in cores.items()}
    for core, held in cores.items():
        for synapse in groups[core]:
            blocks[core].add_synapse(synapse)
        for axon in held["axons"]:
            blocks[core].add_axon(_axon(axon, groups[axon["core"]][axon["group"]], held["compartments"]))
    for block in blocks.values():
        validate_block(block)
    counts = {
        core: {name: int(used) for name, (used, _) in block.utilization().items()} for core, block in blocks.items()
    }
    sys.stdout.write(json.dumps(counts))


def _synapse(group: dict[str, Any]) -> Any:
    from nengo_loihi.block import SynapseConfig

    synapse = _with_lists(group)
    widths = SynapseConfig.WEIGHT_BITS_MAP
    synapse.format(weight_bits=widths.index(group["weight_bits"]), delay_bits=group["delay_bits"])
    return synapse


def _with_lists(group: dict[str, Any]) -> Any:
    from nengo_loihi.block import Synapse

    if group["form"] == "dense":
        synapse = Synapse(len(group["weight"]))
        synapse.set_weights(group["weight"])
        return synapse
    synapse = Synapse(len(group["of_axon"]))
    weights, indices = zip(*group["lists"], strict=True)
    synapse.set_population_weights(weights, indices, group["of_axon"], group["bases"], pop_type=32)
    return synapse


def _axon(fed: dict[str, Any], target: Any, compartments: int) -> Any:
    import numpy as np
    from nengo_loihi.block import Axon

    axon = Axon(len(set(fed["axons"].tolist())))
    axon.target = target
    to, atoms = np.full(compartments, -1), np.zeros(compartments, dtype=int)
    to[fed["compartments"]], atoms[fed["compartments"]] = fed["axons"], fed["atoms"]
    axon.set_compartment_axon_map(to, atoms=atoms if target.pop_type else None)
    return axon


if __name__ == "__main__":
    main()
