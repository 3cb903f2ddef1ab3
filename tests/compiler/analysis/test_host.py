"""What a host sends in a step, counted by hand and by writing out every message."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.analysis.cost import measure_cost
from spikec.compiler.analysis.host import HostMessages, host_messages
from spikec.compiler.checks import check_program
from spikec.compiler.frontend.model_section import ModelSection
from spikec.compiler.mapping import place
from spikec.compiler.report import build_report
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, Population, Program, Projection, Pulse
from spikec.targets import Number, Status, Target
from spikec.targets.schema import Chip, Core


def _target(neurons: int, cores: int | None = None, messages: int | None = None, status: str = "published") -> Target:
    """A chip with ``neurons`` to a core, ``cores`` on it, that takes ``messages`` in a step."""

    def number(value: int | None) -> Number | None:
        return None if value is None else Number(value, "units", "a test", Status(status))

    loihi = targets.load("lava")
    return replace(
        loihi, core=Core(neurons=number(neurons)), chip=Chip(cores=number(cores), host_messages=number(messages))
    )


def _program(*, gated: bool = False) -> Program:
    """Five values, of which the hidden layer's first two neurons read three and the others two; a read-out of three."""
    weight = np.array([[1, 1, 1, 0, 0]] * 2 + [[0, 0, 0, 1, 1]] * 2) * 2
    none = np.zeros(1, dtype=np.int64)
    hidden = Population("hidden", (4,), np.array(8), none, none, 1, gated=gated)
    readout = Population("out", (3,), None, none, none, 2)
    return Program(
        "net",
        "lava",
        "exact" if gated else "pipelined",
        2,
        -(2**20),
        2**20,
        InputEncoding((5,), (0,), (5,), 1.0, 0, 3),
        (hidden, readout),
        (
            Projection("a", INPUT, "hidden", DenseSynapses(weight)),
            Projection("b", "hidden", "out", DenseSynapses(np.ones((3, 4), dtype=np.int64))),
        ),
        pulses=(Pulse("gate", "hidden", 3, np.array(4), axons=7),) if gated else (),
    )


@pytest.mark.parametrize(
    ("neurons", "cores", "sent"),
    [(7, None, 5), (4, None, 5), (2, None, 5), (1, None, 10), (1, 2, 6), (1, 3, 8), (2, 1, 3)],
)
def test_a_value_is_a_message_to_every_core_that_reads_it(neurons: int, cores: int | None, sent: int) -> None:
    """With a neuron to a core and two cores to a chip, the first chip's cores read three values each."""
    target = _target(neurons, cores)
    assert host_messages(_program(), target, place(_program(), target)) == HostMessages(sent, 3)


@pytest.mark.parametrize(("neurons", "sent"), [(7, 7), (2, 14), (1, 28)])
def test_a_pulse_is_sent_to_every_core_of_its_layer_after_the_values(neurons: int, sent: int) -> None:
    """It comes in a step of the window in which the input is silent."""
    program, target = _program(gated=True), _target(neurons)
    assert program.window == 4
    assert host_messages(program, target, place(program, target)).sent == sent


def test_pulses_meet_the_values_of_the_next_sample() -> None:
    program, target = _program(gated=True), _target(7)
    late = replace(program, pulses=(replace(program.pulses[0], step=4),))
    assert host_messages(late, target, place(late, target)).sent == 5 + 7


@pytest.mark.parametrize(
    ("messages", "status", "found"),
    [(None, "published", []), (10, "published", []), (9, "published", [False]), (9, "assumed", [True])],
)
def test_the_limit_of_a_chip(messages: int | None, status: str, found: list[bool]) -> None:
    target = _target(1, messages=messages, status=status)
    warned = check_program(_program(), target, place(_program(), target))
    assert [(d.code, d.measured, d.limit, d.assumed) for d in warned] == [("W324", 10, 9, each) for each in found]


def test_rows_of_the_report() -> None:
    target = _target(1, messages=9)
    placement = place(_program(), target)
    report = build_report(ModelSection("net", "00", 1, {}), target, (), program=_program(), placement=placement)
    rows = {row.name: (row.used, row.limit) for row in report.resources if row.layer is None}
    assert rows["host messages in a step, at most"] == (10, 9)
    assert rows["host reads per sample"] == (3, None)


def test_the_busiest_step_on_data() -> None:
    """A neuron to a core: three values have two readers each, the others as well; one of five values is 0 here."""
    target = _target(1)
    samples = np.array([[0, 1, 2, 0, 0], [3, 0, 3, 1, 1]])
    cost = measure_cost(_program(), target, place(_program(), target), samples, 1)
    assert (cost.host_most, cost.host_messages) == (8, (2 * 4 + 2 * 8) / 2)
