"""What the events of a chip take of energy and time."""

from __future__ import annotations

from typing import Any

from .facts import Choices, Number, required
from .records import dataclass

_MOST = 10**12
"""No event of a chip takes a millijoule or a second."""


def _energy() -> Any:
    return required("fJ", 0, _MOST)


def _time() -> Any:
    return required("ps", 0, _MOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What events take of energy (fJ) and of their core's time (ps); whole numbers, so that sums are exact.

    A neuron is accessed at every step, updated where its state changes, and spikes. A synaptic event is one synapse
    that a spike reaches. A message goes out once for each core that a spike reaches, comes in there, and takes a hop
    from tile to tile. A step ends with a barrier over all tiles in use: ``barrier_times[i]`` where they are
    ``barrier_tiles[i]`` or more.
    """

    synaptic_event_energy: Number = _energy()
    synaptic_event_time: Number = _time()
    neuron_access_energy: Number = _energy()
    neuron_access_time: Number = _time()
    neuron_update_energy: Number = _energy()
    neuron_update_time: Number = _time()
    spike_energy: Number = _energy()
    spike_time: Number = _time()
    message_out_energy: Number = _energy()
    message_out_time: Number = _time()
    message_in_energy: Number = _energy()
    message_in_time: Number = _time()
    hop_east_west_energy: Number = _energy()
    hop_east_west_time: Number = _time()
    hop_north_south_energy: Number = _energy()
    hop_north_south_time: Number = _time()
    barrier_tiles: Choices = required("tiles", 1)
    barrier_times: Choices = required("ps", 0, _MOST)

    def barrier_time(self, tiles: int) -> int:
        """Picoseconds that a barrier over ``tiles`` tiles takes."""
        steps, times = self.barrier_tiles.values, self.barrier_times.values
        reached = [time for least, time in zip(steps, times, strict=True) if least <= tiles]
        return reached[-1] if reached else times[0]
