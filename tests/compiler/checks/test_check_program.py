from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.checks import RULES, check_program
from spikec.compiler.checks.numbers import signed_bits, worst_input
from spikec.compiler.mapping import Placement, place
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    Population,
    Program,
    Projection,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets import Number, Status, Target
from spikec.targets.diagnostic import Diagnostic, Severity
from spikec.targets.schema import Chip, Core

NEAR = pytest.mark.parametrize("beyond", [-1, 0, 1])


def _number(value: int, status: Status = Status.MEASURED) -> Number:
    return Number(value, "units", "a test", status)


@pytest.fixture
def target() -> Target:
    """Loihi's arithmetic without cores, so that a rule can be tried alone."""
    loihi = targets.load("loihi1")
    neuron = replace(loihi.neuron, threshold_configurations=None, input_bits_maximum=None)
    return replace(loihi, neuron=neuron, core=Core(), chip=Chip(), graded_input=_number(8))


def _program(weight: int = 2, **changes: Any) -> Program:
    encoding = InputEncoding((2, 3, 3), (0, 1, 2), (2, 3, 3), 1 / 255, 0, 255)
    hidden = Population("conv", (4, 3, 3), np.array(50), np.array(25), np.array(3), 1)
    readout = Population("out", (5,), None, np.zeros(5, dtype=np.int64), np.zeros(5, dtype=np.int64), 2)
    kernel = np.full((4, 2, 1, 1), 2)
    kernel[1, 1] = weight
    first = Projection("input->conv", INPUT, "conv", ConvSynapses(kernel, ConvGeometry()))
    second = Projection("conv->out", "conv", "out", DenseSynapses(np.full((5, 36), -2)))
    program = Program("net", "loihi1", "pipelined", 4, -131072, 131071, encoding, (hidden, readout), (first, second))
    return replace(program, **changes)


def _with_hidden(program: Program, **changes: Any) -> Program:
    hidden, readout = program.populations
    return replace(program, populations=(replace(hidden, **changes), readout))


def _with_first(program: Program, **changes: Any) -> Program:
    first, second = program.projections
    return replace(program, projections=(replace(first, **changes), second))


def _found(program: Program, target: Target) -> tuple[Diagnostic, ...]:
    return check_program(program, target, place(program, target))


def _only(code: str, found: tuple[Diagnostic, ...], expected: bool) -> Diagnostic | None:
    assert [d.code for d in found] == ([code] if expected else [])
    return found[0] if found else None


def test_a_program_within_all_limits_has_no_diagnostics(target: Target) -> None:
    assert _found(_program(), target) == ()


@pytest.mark.parametrize("sign", [-1, 1])
@NEAR
def test_weight_range(target: Target, beyond: int, sign: int) -> None:
    program = _program(weight=sign * (254 + 2 * beyond))
    found = _only("E308", _found(program, target), beyond > 0)
    if found:
        assert (found.measured, found.limit, found.place.layer) == (256, 254, "conv")
        assert found.message == "projection 'input->conv' has 1 weight beyond the weight range"


@NEAR
def test_weight_step(target: Target, beyond: int) -> None:
    found = _only("E309", _found(_program(weight=100 + beyond), target), beyond != 0)
    if found:
        assert (found.measured, found.limit) == (100 + beyond, 2)


def test_any_weight_fits_a_step_of_one(target: Target) -> None:
    fine = replace(target, weights=replace(target.weights, step=_number(1)))
    assert _found(_program(weight=101), fine) == ()


@pytest.mark.parametrize(("exponent", "wrong"), [(-1, True), (0, False), (6, False), (7, False), (8, True)])
def test_exponent_range(target: Target, exponent: int, wrong: bool) -> None:
    found = _only("E310", _found(_with_first(_program(), exponent=exponent), target), wrong)
    assert found is None or found.measured == exponent


@pytest.mark.parametrize(
    ("threshold", "wrong"), [(-3, True), (0, True), (1, False), (131070, False), (131071, False), (131072, True)]
)
def test_threshold_range(target: Target, threshold: int, wrong: bool) -> None:
    thresholds = np.array([50, threshold, 50, threshold]).reshape(4, 1, 1)
    found = _only("E311", _found(_with_hidden(_program(), threshold=thresholds), target), wrong)
    assert found is None or (found.measured, found.message) == (threshold, "2 thresholds outside 1..131071")


@NEAR
def test_threshold_without_a_limit_of_its_own_stays_within_the_state(target: Target, beyond: int) -> None:
    free = replace(target, neuron=replace(target.neuron, threshold_maximum=None, state_bits=_number(16)))
    program = _program(state_minimum=-512, state_maximum=511)
    found = _found(_with_hidden(program, threshold=np.array(511 + beyond)), free)
    _only("E311", found, beyond > 0)


@pytest.mark.parametrize(
    ("bias", "wrong"),
    [
        (4094, False),
        (4095, False),
        (4096, False),
        (4097, True),
        (8190, False),
        (8191, True),
        (-8190, False),
        (-8192, True),
    ],
)
def test_bias(target: Target, bias: int, wrong: bool) -> None:
    found = _only("E312", _found(_with_hidden(_program(), bias=np.array(bias)), target), wrong)
    assert found is None or found.limit == 8190


@pytest.mark.parametrize("bound", [-131072, 131071])
@NEAR
def test_initial_potential_range(target: Target, bound: int, beyond: int) -> None:
    outward = bound + beyond * (1 if bound > 0 else -1)
    found = _only("E313", _found(_with_hidden(_program(), initial_potential=np.array(outward)), target), beyond > 0)
    assert found is None or (found.measured, found.limit) == (outward, bound)


@NEAR
def test_state_range(target: Target, beyond: int) -> None:
    _only("E315", _found(_program(state_maximum=131071 + beyond), target), beyond > 0)
    _only("E315", _found(_program(state_minimum=-131072 - beyond), target), beyond > 0)


@NEAR
def test_delay_range(target: Target, beyond: int) -> None:
    found = _only("E314", _found(_with_first(_program(), delay=62 + beyond), target), beyond > 0)
    assert found is None or (found.measured, found.limit) == (63, 62)


@pytest.mark.parametrize(
    ("low", "high", "bits"), [(0, 127, 7), (0, 128, 8), (0, 255, 8), (0, 256, 9), (-128, 127, 8), (-129, 0, 9)]
)
def test_graded_input(target: Target, low: int, high: int, bits: int) -> None:
    program = _program()
    program = replace(program, input=replace(program.input, minimum=low, maximum=high))
    found = _only("E317", _found(program, target), bits > 8)
    assert found is None or found.measured == bits


@NEAR
def test_summed_input(target: Target, beyond: int) -> None:
    # The worst neuron of ``conv`` gets 255 * (2 + 126) = 32640; 16 signed bits end at 32767.
    program = _with_hidden(_program(weight=126))
    program = replace(program, input=replace(program.input, maximum=255 + beyond))
    narrow = replace(target, graded_input=None, neuron=replace(target.neuron, input_bits_maximum=_number(16)))
    assert worst_input(program, "conv") == (0, (255 + beyond) * 128)
    found = _only("W316", _found(program, narrow), beyond > 0)
    assert found is None or (found.measured, found.limit, found.severity) == (17, 16, Severity.WARNING)


def test_summed_input_counts_every_projection_and_exponent() -> None:
    program = _program()
    skip = Projection("skip", INPUT, "conv", ConvSynapses(np.full((4, 2, 1, 1), -2), ConvGeometry()), exponent=3)
    program = replace(program, projections=(*program.projections, skip))
    assert worst_input(program, "conv") == (255 * 2 * -2 * 8, 255 * 2 * 2)
    assert worst_input(program, "out") == (-72, 0)


@given(st.integers(-(2**40), 2**40), st.integers(0, 2**40))
def test_signed_bits_is_the_narrowest(low: int, width: int) -> None:
    high = low + width
    bits = signed_bits(low, high)
    assert -(2 ** (bits - 1)) <= low
    assert high <= 2 ** (bits - 1) - 1
    narrower = bits - 1
    assert narrower == 0 or low < -(2 ** (narrower - 1)) or high > 2 ** (narrower - 1) - 1


Limit = Callable[[Target, int], Target]


def _core(name: str) -> Limit:
    return lambda target, value: replace(target, core=replace(target.core, **{name: _number(value)}))


@NEAR
@pytest.mark.parametrize(
    ("code", "name", "need"),
    [
        ("E301", "input_axons", 36),
        ("E302", "output_axons", 5),
        ("E303", "synapse_memory_bits", 145),
        ("E304", "neurons", 2),
    ],
)
def test_single_neuron_resources(target: Target, code: str, name: str, need: int, beyond: int) -> None:
    # An axon for every source neuron, so that what one neuron needs is what is told.
    target = replace(target, synapses=replace(target.synapses, population_axons=None, shared_axons=None))
    if code == "E302":
        target = _core("neurons")(target, 2)
    if code == "E303":
        # One read-out neuron: 36 lists of one weight without index, with a header of 10 bits, in words of 64 bits.
        need = 36 * 64
    limited = _core(name)(target, need - beyond)
    found = _found(_program(), limited)
    expected = beyond > 0
    assert ({d.code for d in found} == {"W304" if code == "E304" else code}) == expected
    if expected:
        worst = found[-1]
        assert (worst.measured, worst.limit) == (need, need - 1)
        assert worst.assumed == (code == "E304")
    else:
        assert found == ()


@NEAR
@pytest.mark.parametrize(
    ("code", "need", "limited"),
    [
        ("E321", 1, lambda t, n: replace(t, neuron=replace(t.neuron, threshold_configurations=n))),
        ("E322", 2, lambda t, n: replace(t, core=replace(t.core, synapse_formats=n))),
        ("E323", 2, lambda t, n: replace(t, core=replace(t.core, compartment_configurations=n))),
    ],
)
def test_configurations_of_a_single_neuron(
    target: Target, code: str, need: int, limited: Callable[[Target, Number], Target], beyond: int
) -> None:
    first = _program()
    twice = replace(first.projections[0], name="again", exponent=1)
    program = replace(first, projections=(*first.projections, twice))
    found = check_program(program, *_placed_on(limited(target, _number(need - beyond)), program))
    assert (code in {d.code for d in found}) == (beyond > 0)


def _placed_on(target: Target, program: Program) -> tuple[Target, Placement]:
    return target, place(program, target)


@NEAR
def test_chip_cores(target: Target, beyond: int) -> None:
    small = _core("neurons")(target, 8)
    placement = place(_program(), small)
    assert placement.cores == 11
    chip = replace(small, chip=Chip(cores=_number(11 - beyond)))
    found = _only("E305", check_program(_program(), chip, placement), beyond > 0)
    assert found is None or (found.measured, found.limit, found.severity) == (11, 10, Severity.ERROR)


def _placed(placement: Placement, cores: int) -> Placement:
    first, second = placement.layers
    spread = np.arange(cores - 1).reshape(-1, 1, 1)
    return replace(placement, layers=(replace(first, core=spread), replace(second, core=np.full((1, 1, 1), cores - 1))))


# 72 + 180 synapses, of which the kernel's stand for 9 each.
@pytest.mark.parametrize(
    ("limit", "most", "status", "code"),
    [
        (252, None, Status.PUBLISHED, None),
        (251, None, Status.PUBLISHED, "W320"),
        (188, None, Status.PUBLISHED, "W320"),
        (187, None, Status.PUBLISHED, "E320"),
        (187, None, Status.ASSUMED, "W320"),
        (180, 188, Status.PUBLISHED, "W320"),
        (180, 187, Status.PUBLISHED, "E320"),
        (180, 187, Status.ASSUMED, "E320"),
    ],
)
def test_chip_synapses(target: Target, limit: int, most: int | None, status: Status, code: str | None) -> None:
    chip = replace(target, chip=Chip(synapses=replace(_number(limit, status), most=most)))
    found = _found(_program(), chip)
    assert [d.code for d in found] == ([code] if code else [])
    assert all(d.assumed == (d.code == "W320") for d in found)
    assert all((d.measured, d.limit) == (252, limit) for d in found)


@pytest.mark.parametrize(("cores", "code"), [(10, None), (11, "W305"), (12, "W305"), (13, "E305")])
def test_what_disputed_limits_leave_open_is_no_error(target: Target, cores: int, code: str | None) -> None:
    chip = replace(target, chip=Chip(cores=replace(_number(10), most=12)))
    found = check_program(_program(), chip, _placed(place(_program(), target), cores))
    assert [d.code for d in found] == ([code] if code else [])


def test_cores_are_not_judged_where_a_neuron_does_not_fit(target: Target) -> None:
    chip = replace(_core("input_axons")(target, 1), chip=Chip(cores=_number(1)))
    assert {d.code for d in _found(_program(), chip)} == {"E301"}


@NEAR
def test_threshold_configurations(target: Target, beyond: int) -> None:
    program = _with_hidden(_program(), threshold=np.array([50, 51, 52, 53]).reshape(4, 1, 1))
    few = replace(target, neuron=replace(target.neuron, threshold_configurations=_number(4 - beyond)))
    found = _only("W307", _found(program, few), beyond > 0)
    if found:
        assert (found.measured, found.limit) == (4, 3)
        assert found.message == "distinct thresholds spread the layer over 2 cores instead of 1"


def test_breaking_an_assumed_limit_is_a_warning(target: Target) -> None:
    assumed = replace(target, weights=replace(target.weights, maximum=_number(10, Status.ASSUMED)))
    (found,) = _found(_program(weight=20), assumed)
    assert (found.code, found.severity, found.assumed) == ("W308", Severity.WARNING, True)


def test_all_problems_are_found_at_once_and_name_their_onnx_nodes(target: Target) -> None:
    program = _with_hidden(_program(weight=301), threshold=np.array(0), bias=np.array(9001))
    found = check_program(program, target, place(program, target), origins={"conv": ("/Conv_0",)})
    assert [d.code for d in found] == ["E308", "E309", "E311", "E312"]
    assert all(d.place.nodes == ("/Conv_0",) for d in found)
    assert all(d.hint and d.source and d.unit for d in found)


def test_every_rule_is_documented_by_its_codes() -> None:
    assert len(set(RULES)) == len(RULES)
    assert all(rule.__doc__ and rule.__doc__[0] in "EW" for rule in RULES)
