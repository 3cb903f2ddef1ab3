"""A compiled program as one Lava process with ports."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess


class CompiledNetwork(AbstractProcess):  # type: ignore[misc]
    """A program to be wired into a Lava network.

    ``a_in`` (*program.input.shape) takes encoded graded input: sample n at time steps n*T + 1 .. n*T + T.
    ``s_out`` and ``v_out`` (*readout.shape) send the read-out's spikes and its membrane potential; the result
    of sample n is ``v_out`` at time step n*T + depth + T. Run it with ``run_config()`` or any ``fixed_pt`` one.
    ``stock`` keeps it to what Lava's own Conv and Dense models can do.
    """

    def __init__(self, *, program: Any, stock: bool = False, name: str | None = None) -> None:
        super().__init__(program=program, stock=stock, name=name)
        self.a_in = InPort(shape=program.input.shape)
        self.s_out = OutPort(shape=program.readout.shape)
        self.v_out = OutPort(shape=program.readout.shape)
