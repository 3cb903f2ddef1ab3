"""A chip as SANA-FE wants it described: tiles of cores in a mesh, and what each event takes."""

from __future__ import annotations

from collections.abc import Iterator

from ...targets import Target
from ...targets.cost import Cost
from ...targets.diagnostic import refuse

_HEAD = """\
# {title} for SANA-FE 2.2, written by spikec from the figures of its target '{name}', whose sources
# "spikec targets {name}" lists. Energy in joules, time in seconds.
"""

_LINK_BUFFER = 16
"""Messages that wait on a link of the mesh; SANA-FE's own figure, no target has one."""


def architecture(target: Target, cores: int, neurons_per_core: int, *, delays: bool) -> str:
    """YAML of as many chips of ``target``, side by side, as hold ``cores`` cores, each of ``neurons_per_core``.

    With ``delays`` spikes wait in the dendrite for the steps that their synapse says. E331 for a target without
    costs or tiles.
    """
    cost, chip = target.cost, target.chip
    if not (cost and chip.cores_per_tile and chip.mesh_columns and chip.mesh_rows):
        raise refuse(
            "E331",
            f"the target '{target.name}' has no energy and time per event, or no mesh of tiles",
            hint="SANA-FE needs both: compile for loihi1, or for a chip of your own that has them",
        )
    per_tile, rows = chip.cores_per_tile.value, chip.mesh_rows.value
    columns = chip.mesh_columns.value * -(-cores // (chip.mesh_columns.value * rows * per_tile))
    barriers = zip(cost.barrier_tiles.values, cost.barrier_times.values, strict=True)
    lines = [
        "architecture:",
        f"  name: {target.name}",
        "  attributes:",
        "    topology: mesh",
        f"    width: {columns}",
        f"    height: {rows}",
        f"    link_buffer_size: {_LINK_BUFFER}",
        "    sync_model: table",
        f"    latency_sync: {{{', '.join(f'{tiles}: {time}e-12' for tiles, time in barriers)}}}",
        "  tile:",
        f"    - name: tile[0..{columns * rows - 1}]",
        "      attributes:",
        *(f"        {name}: {value}" for name, value in _hops(cost)),
        "      core:",
        f"        - name: core[0..{per_tile - 1}]",
        "          attributes:",
        # A delayed spike waits inside of the dendrite, which then runs once more as the step begins.
        f"            buffer_position: {'dendrite' if delays else 'soma'}",
        f"            buffer_inside_unit: {'true' if delays else 'false'}",
        f"            max_neurons_supported: {neurons_per_core}",
    ]
    for section, attributes in _units(cost, delays).items():
        lines += [f"          {section}:", f"            - name: {_NAMES[section]}", "              attributes:"]
        lines += [f"                {name}: {value}" for name, value in attributes.items()]
    return _HEAD.format(title=target.title, name=target.name) + "\n".join(lines) + "\n"


_NAMES = {
    "axon_in": "axons_in",
    "synapse": "synapses",
    "dendrite": "dendrites",
    "soma": "somas",
    "axon_out": "axons_out",
}


def _hops(cost: Cost) -> Iterator[tuple[str, str]]:
    directions = {
        **dict.fromkeys(("north", "south"), (cost.hop_north_south_energy, cost.hop_north_south_time)),
        **dict.fromkeys(("east", "west"), (cost.hop_east_west_energy, cost.hop_east_west_time)),
    }
    for direction, (energy, time) in directions.items():
        yield f"energy_{direction}_hop", _joules(energy.value)
        yield f"latency_{direction}_hop", _seconds(time.value)


def _units(cost: Cost, delays: bool) -> dict[str, dict[str, str]]:
    return {
        "axon_in": {
            "energy_message_in": _joules(cost.message_in_energy.value),
            "latency_message_in": _seconds(cost.message_in_time.value),
        },
        "synapse": {
            "model": "current_based",
            "energy_process_spike": _joules(cost.synaptic_event_energy.value),
            "latency_process_spike": _seconds(cost.synaptic_event_time.value),
        },
        "dendrite": {
            "model": "accumulator_with_delay" if delays else "accumulator",
            "energy_update": "0.0",
            "latency_update": "0.0",
        },
        "soma": {
            "model": "leaky_integrate_fire",
            "energy_access_neuron": _joules(cost.neuron_access_energy.value),
            "latency_access_neuron": _seconds(cost.neuron_access_time.value),
            "energy_update_neuron": _joules(cost.neuron_update_energy.value),
            "latency_update_neuron": _seconds(cost.neuron_update_time.value),
            "energy_spike_out": _joules(cost.spike_energy.value),
            "latency_spike_out": _seconds(cost.spike_time.value),
        },
        "axon_out": {
            "energy_message_out": _joules(cost.message_out_energy.value),
            "latency_message_out": _seconds(cost.message_out_time.value),
        },
    }


def _joules(femtojoules: int) -> str:
    return f"{femtojoules}.0e-15"


def _seconds(picoseconds: int) -> str:
    return f"{picoseconds}.0e-12"
