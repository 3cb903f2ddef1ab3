"""A compiled program as one Lava process with ports."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess


class CompiledNetwork(AbstractProcess):  # type: ignore[misc]
    """A program to be wired into a Lava network.

    With T = ``program.timesteps`` and P = ``program.window`` (T, or 2T where a population is gated): ``a_in``
    (*program.input.shape) takes at time steps n*P + 1 + t, t = 0..T-1, what ``program.input.sent`` gives of the
    encoded sample n at step t, and zeros at all others; outside ``program.input``'s minimum and maximum nothing is
    proved to fit. ``s_out`` and ``v_out``
    (*readout.shape) send the read-out's spikes and its membrane potential. The result of sample n is ``v_out`` at
    time step n*P + depth + T, and at no other: before it the read-out still integrates, after it the next window, or
    what else arrives, changes it. It is read by a sink, or a process of one's own, that looks at that step. Of several
    read-outs the second has the ports ``s_out_2`` and ``v_out_2`` and so on, each with its own shape and depth, in the
    order of ``program.readouts``. Under any ``fixed_pt`` run configuration the network is made of stock Conv, Dense and
    Sparse processes around ``IntegrateFire``; ``run_config()`` runs it fused, with the same results.
    """

    def __init__(self, *, program: Any, name: str | None = None) -> None:
        super().__init__(program=program, name=name)
        self.a_in = InPort(shape=program.input.shape)
        for number, readout in enumerate(program.readouts, start=1):
            for name in readout_ports(number):
                setattr(self, name, OutPort(shape=readout.shape))


def readout_ports(number: int) -> tuple[str, str]:
    """Names of the ports with spikes and potential of read-out ``number``, from 1."""
    suffix = "" if number == 1 else f"_{number}"
    return f"s_out{suffix}", f"v_out{suffix}"
