"""Small programs whose every spike a person can work out: the definition that all executions are held against.

Random programs compare executions with each other; here each is compared with numbers written down.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from spikec.runtime.execution import Execution
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    Population,
    Program,
    Projection,
    Pulse,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference, synaptic_input
from spikec.runtime.simulator import loops, simulate
from spikec.runtime.simulator.native import CHOICE

Ints = npt.NDArray[np.int64]
Run = Callable[[Program, Ints], Execution]


@pytest.fixture(params=["reference", "numpy", "compiled", "kernel"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Each execution in turn: the reference, and the simulator's numpy, compiled loops and kernel in C."""
    monkeypatch.setenv(CHOICE, "" if request.param == "kernel" else "none")
    size = 0 if request.param == "compiled" else 1 << 60
    monkeypatch.setattr(loops, "_WORTH_CALLING", size)
    monkeypatch.setattr(loops, "_WORTH_LOADING", size)

    def checked(program: Program, samples: Ints) -> Execution:
        assert not list(problems(program))
        if request.param == "reference":
            return run_reference(program, samples, record=True)
        return simulate(program, samples, record=True, threads=1)

    return checked


def ints(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


def chain(
    *,
    threshold: int = 10,
    initial: int = 0,
    bias: int = 0,
    weight: int = 1,
    exponent: int = 0,
    timesteps: int = 4,
    state: tuple[int, int] = (-1000, 1000),
) -> Program:
    """Input -> neuron -> read-out that counts its spikes."""
    return Program(
        "hand",
        "lava",
        "pipelined",
        timesteps,
        *state,
        InputEncoding((1,), (0,), (1,), 1.0, -500, 500),
        (
            Population("n", (1,), ints(threshold), ints(initial), ints(bias), 1),
            Population("out", (1,), None, ints(0), ints(0), 2),
        ),
        (
            Projection("in", INPUT, "n", DenseSynapses(np.array([[weight]])), exponent),
            Projection("up", "n", "out", DenseSynapses(np.array([[1]]))),
        ),
    )


def trains(execution: Execution, name: str = "n") -> list[list[int]]:
    assert execution.spike_trains is not None
    return [sample[:, 0].tolist() for sample in execution.spike_trains[name]]


@pytest.mark.parametrize(
    ("program", "inputs", "expected"),
    [
        pytest.param(chain(), [10, 9, 5, -3], [[1, 1, 1, 1], [0, 1, 1, 1], [0, 1, 0, 1], [0] * 4], id="u >= theta"),
        pytest.param(chain(), [25], [[1, 1, 1, 1]], id="one spike a step"),
        pytest.param(chain(), [14], [[1, 1, 1, 1]], id="the rest is kept"),
        pytest.param(chain(initial=5), [5, 4], [[1, 0, 1, 0], [0, 1, 0, 1]], id="v0 where every window begins"),
        pytest.param(chain(bias=3), [2, 0], [[0, 1, 0, 1], [0, 0, 0, 1]], id="bias once a step"),
        pytest.param(chain(bias=-3), [8], [[0, 1, 0, 1]], id="negative bias"),
        pytest.param(chain(weight=-2), [-5, 5], [[1, 1, 1, 1], [0, 0, 0, 0]], id="sign of a weight"),
        pytest.param(chain(exponent=2), [2], [[0, 1, 1, 1]], id="weight times 2^exponent"),
        pytest.param(chain(threshold=100, state=(-40, 40)), [30], [[0] * 4], id="saturates below theta"),
        pytest.param(chain(threshold=40, state=(-40, 40)), [30], [[0, 1, 0, 1]], id="saturates at theta"),
        pytest.param(chain(threshold=40, state=(-40, 39)), [30], [[0] * 4], id="saturates one below theta"),
        pytest.param(chain(threshold=20, state=(-40, 50), timesteps=3), [100], [[1, 1, 1]], id="saturates above theta"),
    ],
)  # fmt: skip
def test_spikes_of_one_neuron(run: Run, program: Program, inputs: list[int], expected: list[list[int]]) -> None:
    execution = run(program, np.array(inputs)[:, None])
    assert trains(execution) == expected
    assert execution.readout[:, 0].tolist() == [sum(train) for train in expected]
    assert execution.spike_counts == {"n": sum(map(sum, expected))}
    assert execution.steps == (len(inputs) - 1) * program.timesteps + 2 + program.timesteps


def test_the_readout_adds_its_bias_at_every_step_to_where_it_began(run: Run) -> None:
    program = chain()
    readout = replace(program.populations[1], initial_potential=ints(7), bias=ints(-2))
    wired = replace(program, populations=(program.populations[0], readout))
    assert run(wired, ints(10, 0, 5)[:, None]).readout[:, 0].tolist() == [7 - 4 * 2 + count for count in (4, 0, 2)]


@pytest.mark.parametrize(
    ("state", "sent", "expected"),
    [((-40, 40), 30, 40), ((-41, 41), 30, 41), ((-40, 40), -30, -40), ((-41, 41), -30, -41), ((-200, 200), 30, 120)],
)
def test_the_readout_saturates_where_the_state_ends(run: Run, state: tuple[int, int], sent: int, expected: int) -> None:
    program = chain(state=state)
    direct = Projection("direct", INPUT, "out", DenseSynapses(np.array([[1]])), delay=1)
    silent = replace(program.populations[0], bias=ints(-501))
    wired = replace(program, populations=(silent, program.populations[1]), projections=(*program.projections, direct))
    assert run(wired, ints(sent)[:, None]).readout.tolist() == [[expected]]


@pytest.mark.parametrize(("least", "expected"), [(-40, [0, 0, 1, 1]), (-41, [0, 0, 0, 1])])
def test_a_neuron_that_saturates_below_recovers_from_there(run: Run, least: int, expected: list[int]) -> None:
    program = chain(threshold=20, initial=-100, bias=30, state=(least, 1000))
    assert trains(run(program, ints(0)[:, None])) == [expected]


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_a_delayed_spike_meets_the_same_step_of_the_longer_path(run: Run, delay: int) -> None:
    """The long path has ``delay`` neurons more; each sends a spike on. The read-out gets 1 and 100 at equal steps."""
    base = chain(timesteps=2)
    relays = [Population(f"r{k}", (1,), ints(1), ints(0), ints(0), 2 + k) for k in range(delay)]
    names = ["n", *(relay.name for relay in relays)]
    hops = [Projection(f"{a}-{b}", a, b, DenseSynapses(np.array([[1]]))) for a, b in itertools.pairwise(names)]
    readout = replace(base.populations[1], depth=2 + delay)
    ends = [Projection("long", names[-1], "out", DenseSynapses(np.array([[1]])))]
    if delay:
        ends.append(Projection("short", "n", "out", DenseSynapses(np.array([[100]])), delay=delay))
    program = replace(
        base,
        populations=(base.populations[0], *relays, readout),
        projections=(base.projections[0], *hops, *ends),
    )
    execution = run(program, ints(5, 10, 0)[:, None])
    assert execution.readout[:, 0].tolist() == [count * (101 if delay else 1) for count in (1, 2, 0)]
    for name in names:
        assert trains(execution, name) == [[0, 1], [1, 1], [0, 0]]


def gated(pulse_step: int = 4, start: int = -25) -> Program:
    """T = 3: the neuron integrates up to 3 * 10, opened by a pulse of 25 at step 4, and fires in steps 4 to 6."""
    base = chain(timesteps=3)
    neuron = replace(base.populations[0], initial_potential=ints(start), gated=True)
    readout = replace(base.populations[1], depth=5)
    first = replace(base.input, minimum=0, maximum=10)
    return replace(
        base,
        schedule="exact",
        input=first,
        populations=(neuron, readout),
        pulses=(Pulse("gate", "n", pulse_step, ints(25)),),
    )


@pytest.mark.parametrize(("sent", "count"), [(0, 0), (3, 0), (4, 1), (6, 1), (7, 2), (10, 3)])
def test_a_gated_neuron_fires_its_quotient_in_a_row(run: Run, sent: int, count: int) -> None:
    execution = run(gated(), ints(sent, 10, sent)[:, None])
    row = [1] * count + [0] * (3 - count)
    assert trains(execution) == [row, [1, 1, 1], row]
    assert execution.readout[:, 0].tolist() == [count, 3, count]
    assert execution.steps == 2 * 6 + 5 + 3


def test_a_gate_that_opens_a_step_early_or_too_wide_is_refused() -> None:
    assert not list(problems(gated()))
    assert list(problems(gated(pulse_step=3)))
    # 30 at most after three steps: 30 - 21 = 9 stays below the threshold of 10, 30 - 20 = 10 does not.
    assert not list(problems(gated(start=-21)))
    assert list(problems(gated(start=-20)))


def test_a_gated_neuron_below_zero_does_not_fire(run: Run) -> None:
    program = gated()
    against = Projection("in", INPUT, "n", DenseSynapses(np.array([[-1]])))
    execution = run(replace(program, projections=(against, program.projections[1])), ints(10, 4, 0)[:, None])
    assert trains(execution) == [[0, 0, 0]] * 3
    assert execution.readout.tolist() == [[0]] * 3


def test_counts_end_at_t_however_much_came_in(run: Run) -> None:
    program = replace(gated(), pulses=(Pulse("gate", "n", 4, ints(85)),))
    execution = run(program, ints(0, 10)[:, None])
    assert trains(execution) == [[1, 1, 1], [1, 1, 1]]
    assert execution.readout.tolist() == [[3], [3]]
    assert execution.spike_counts == {"n": 6}


def test_a_pulse_comes_at_its_step_of_every_window(run: Run) -> None:
    program = replace(chain(), pulses=(Pulse("kick", "n", 2, ints(5), exponent=1, axons=1),))
    assert trains(run(program, ints(0, 0)[:, None])) == [[0, 1, 0, 0]] * 2
    many = replace(chain(), pulses=(Pulse("kick", "n", 3, ints(2), exponent=1, axons=5),))
    assert trains(run(many, ints(0)[:, None])) == [[0, 0, 1, 1]]


def convolved(weight: Ints, geometry: ConvGeometry, source: Ints) -> Ints:
    """Cross-correlation as its definition reads, entry by entry."""
    channels, height, width = source.shape
    top, left, bottom, right = geometry.padding
    padded = np.zeros((channels, height + top + bottom, width + left + right), dtype=np.int64)
    padded[:, top : top + height, left : left + width] = source
    rows, columns = geometry.output_size((height, width), (weight.shape[2], weight.shape[3]))
    result = np.zeros((len(weight), rows, columns), dtype=np.int64)
    outputs, inputs = len(weight) // geometry.groups, weight.shape[1]
    for o, y, x, i, ky, kx in np.ndindex(len(weight), rows, columns, *weight.shape[1:]):
        place = (
            o // outputs * inputs + i,
            y * geometry.stride[0] + ky * geometry.dilation[0],
            x * geometry.stride[1] + kx * geometry.dilation[1],
        )
        result[o, y, x] += weight[o, i, ky, kx] * padded[place]
    return result


@pytest.mark.parametrize(
    "geometry",
    [
        ConvGeometry(),
        ConvGeometry(stride=(2, 1)),
        ConvGeometry(dilation=(1, 2)),
        ConvGeometry(stride=(1, 3), dilation=(2, 1)),
        ConvGeometry(padding=(1, 2, 3, 0)),
        ConvGeometry(stride=(2, 3), padding=(0, 1, 2, 3), dilation=(2, 1)),
        ConvGeometry(groups=2),
        ConvGeometry(stride=(2, 1), padding=(2, 0, 1, 1), dilation=(1, 2), groups=2),
    ],
    ids=str,
)
def test_convolutions_are_their_definition(run: Run, geometry: ConvGeometry) -> None:
    random = np.random.default_rng(3)
    weight = random.integers(-9, 10, size=(6, 4 // geometry.groups, 3, 2)).astype(np.int64)
    samples = random.integers(-9, 10, size=(2, 4, 7, 8)).astype(np.int64)
    expected = np.stack([convolved(weight, geometry, sample) for sample in samples])
    shape = expected.shape[1:]
    readout = Population("out", shape, None, ints(0).reshape(1, 1, 1), ints(0).reshape(1, 1, 1), 1)
    projection = Projection("in", INPUT, "out", ConvSynapses(weight, geometry), exponent=3)
    program = replace(
        chain(timesteps=2, state=(-(1 << 20), 1 << 20)),
        input=InputEncoding((4, 7, 8), (0, 1, 2), (4, 7, 8), 1.0, -9, 9),
        populations=(readout,),
        projections=(projection,),
    )
    assert np.array_equal(run(program, samples).readout, (2 * 8 * expected).reshape(2, -1))
    assert np.array_equal(synaptic_input(projection, samples[0], shape), 8 * expected[0])


def test_sums_over_a_pool_that_does_not_divide_the_map(run: Run) -> None:
    """kron(W, ones(2, 2)) with stride 2 on a map of 5 x 5 spikes: the simulator sums first."""
    random = np.random.default_rng(4)
    weight = np.kron(random.integers(-9, 10, size=(3, 2, 1, 1)), np.ones((1, 1, 2, 2))).astype(np.int64)
    geometry = ConvGeometry(stride=(2, 2), padding=(0, 0, 1, 1))
    fires = random.integers(0, 2, size=(2, 5, 5)).astype(np.int64)
    one = ints(1).reshape(1, 1, 1)
    relay = Projection("in", INPUT, "s", ConvSynapses(np.eye(2, dtype=np.int64)[:, :, None, None], ConvGeometry()))
    program = replace(
        chain(timesteps=3, state=(-(1 << 20), 1 << 20)),
        input=InputEncoding((2, 5, 5), (0, 1, 2), (2, 5, 5), 1.0, 0, 1),
        populations=(
            Population("s", (2, 5, 5), one, 0 * one, 0 * one, 1),
            Population("out", (3, 3, 3), None, 0 * one, 0 * one, 2),
        ),
        projections=(relay, Projection("pooled", "s", "out", ConvSynapses(weight, geometry))),
    )
    expected = 3 * convolved(weight, geometry, fires)
    assert np.array_equal(run(program, fires[None]).readout[0], expected.ravel())
