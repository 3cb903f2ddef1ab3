"""Programs with several read-outs: the same integers everywhere, and scores of the float network's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import pytest

import spikec
from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import evaluate
from spikec.runtime.agreement import compare
from spikec.runtime.encoding import encode
from spikec.runtime.lava import availability, run_lava
from spikec.runtime.program import Output, Program
from spikec.runtime.program.rules import problems
from spikec.runtime.program.storage import load_program, program_files
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import simulate
from spikec.runtime.simulator.tensors import TensorSimulator
from spikec.targets.diagnostic import UnusableInput

needs_lava = pytest.mark.skipif(not availability().available, reason=availability().detail)

_TEXT = """<ir_version: 8, opset_import: ["" : 17]>
net (float[N,2,6,6] x) => (float[N,5] deep, float[N,3] early, float[N,4,3,3] map, float[N,1] logit) {
  c = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, w1)
  s = Mul (c, four) k = Clip (s, zero, four) r = Floor (k) map = Div (r, four)
  f = Flatten (map)
  e = Gemm <transB = 1> (f, w4) early = Softmax (e)
  h = Gemm <transB = 1> (f, w2) hs = Mul (h, four) hk = Clip (hs, zero, four) hr = Floor (hk) a = Div (hr, four)
  deep = Gemm <transB = 1> (a, w3)
  m = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (map) n = Add (m, map)
  l = Gemm <transB = 1> (a, w5) logit = Sigmoid (l)
}"""
NAMES = ("deep", "early", "map", "logit", "c")
SIZES = {"deep": (5,), "early": (3,), "map": (4, 3, 3), "logit": (1,), "c": (4, 3, 3)}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = onnx.parser.parse_model(_TEXT)
    random = np.random.default_rng(0)
    tensors: dict[str, Any] = {
        "w1": 0.5 * random.normal(size=(4, 2, 3, 3)),
        "w2": 0.4 * random.normal(size=(8, 36)),
        "w3": random.normal(size=(5, 8)),
        "w4": 30 * random.normal(size=(3, 36)),
        "w5": 0.01 * random.normal(size=(1, 8)),
        "zero": 0.0,
        "four": 4.0,
    }
    for name, value in tensors.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, np.float32), name))
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    onnx.save(model, path)
    return path


def compiled(net: Path, names: Sequence[str] = NAMES, **options: Any) -> Program:
    return spikec.compile_model(net, spikec.CompileOptions(output=tuple(names), **options)).program


def images(count: int = 4) -> Any:
    return np.random.default_rng(5).random((count, 2, 6, 6)).astype(np.float32)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"schedule": "exact", "timesteps": 3},
    {"schedule": "mixed", "exact_layers": ("h",), "target": "loihi2"},
    {"target": "loihi1", "timesteps": 1},
    {"neuron": "srp"},
    {"neuron": "cos", "first_pass": 2},
    {"neuron": "msat", "timesteps": 3},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda each: "-".join(map(str, each.values())) or "plain")
def test_every_read_out_is_the_reference_s(net: Path, options: dict[str, Any]) -> None:
    program = compiled(net, **options)
    assert [(o.name, program.population(o.readout).shape) for o in program.outputs] == list(SIZES.items())
    assert len({p.depth for p in program.readouts}) > 1
    encoded, _ = encode(program.input, images())
    executions = [run_reference(program, encoded, record=True), simulate(program, encoded, record=True)]
    agreement = compare(program, executions)
    assert agreement.equal, agreement.first_difference
    assert [name for name, what in agreement.compared.items() if what == "potentials"] == [
        p.name for p in program.readouts
    ]
    assert all(potentials.any() for potentials in executions[0].readouts.values())


def test_every_read_out_is_that_of_torch(net: Path) -> None:
    program = compiled(net)
    encoded, _ = encode(program.input, images())
    result = TensorSimulator(program, "cpu").run_chunk(encoded, record=False)
    np.testing.assert_equal(result.readouts, simulate(program, encoded).readouts)


@needs_lava
@pytest.mark.parametrize("schedule", ["pipelined", "exact"])
def test_every_read_out_is_lava_s(net: Path, schedule: str) -> None:
    program = compiled(net, schedule=schedule)
    encoded, _ = encode(program.input, images())
    assert compare(program, [simulate(program, encoded, record=True), run_lava(program, encoded, record=True)]).equal


def test_a_difference_in_any_read_out_is_found(net: Path) -> None:
    program = compiled(net)
    encoded, _ = encode(program.input, images())
    execution = simulate(program, encoded, record=True)
    for readout in program.readouts:
        wrong = execution.readouts[readout.name].copy()
        wrong[2, -1] += 1
        other = replace(execution, backend="other", readouts={**execution.readouts, readout.name: wrong})
        difference = compare(program, [execution, other]).first_difference
        assert difference is not None
        assert (difference.layer, difference.sample, difference.step) == (readout.name, 2, program.timesteps)


def test_each_output_is_what_it_is_alone(net: Path) -> None:
    """Under the schedule ``exact`` nothing that others are read for changes a count."""
    together = compiled(net, schedule="exact")
    encoded, _ = encode(together.input, images())
    found = simulate(together, encoded)
    for name in ("deep", "logit"):
        alone = compiled(net, (name,), schedule="exact")
        readout = next(o.readout for o in together.outputs if o.name == name)
        np.testing.assert_array_equal(found.readouts[readout], simulate(alone, encoded).readout)


def test_scores_of_every_output_are_near_the_network_s(net: Path) -> None:
    program = compiled(net, schedule="exact", timesteps=4)
    execution = simulate(program, encode(program.input, images())[0])
    network, _ = read_onnx(net, output=NAMES)
    values = evaluate(network, images(), frozenset(network.results))
    for name, value in network.outputs:
        scores = spikec.float_scores(program, execution, name)
        wanted = values[value].reshape(len(scores.values), -1)
        assert scores.bound is not None
        # Beside what spikes cause there is what rounded weights and inputs do.
        assert (np.abs(scores.values - wanted) <= scores.bound + 0.05 * np.abs(wanted).max()).all(), name
    first = spikec.float_scores(program, execution)
    np.testing.assert_array_equal(first.values, spikec.float_scores(program, execution, "deep").values)
    with pytest.raises(UnusableInput, match="E018"):
        spikec.float_scores(program, execution, "dep")


def test_scales_are_each_read_out_s_own(net: Path) -> None:
    """Weights of one head are 3,000 times those of another: neither loses its digits."""
    program = compiled(net)
    largest = {p.target: int(np.abs(p.synapses.weight).max()) for p in program.projections}
    assert min(largest[readout.name] for readout in program.readouts) > 60


def test_outputs_with_equal_scores_share_a_read_out(net: Path) -> None:
    program = compiled(net, ("early", "e", "deep"))
    assert [o.name for o in program.outputs] == ["early", "e", "deep"]
    assert len(program.readouts) == 2
    assert program.outputs[0].readout == program.outputs[1].readout


@pytest.mark.parametrize("output", [5, (5,), {"deep": 1}])
def test_outputs_are_named_by_texts(net: Path, output: Any) -> None:
    with pytest.raises(UnusableInput, match="E630"):
        spikec.compile_model(net, spikec.CompileOptions(output=output))


def test_projections_of_read_outs_have_names_of_their_own(net: Path) -> None:
    """Two projections lead to "readout", one to "readout.2"."""
    program = compiled(net, ("n", "map"))
    assert len(program.projections) == 4
    assert len({p.name for p in program.projections}) == 4


def test_a_value_in_the_middle_of_an_activation_is_no_result(net: Path) -> None:
    with pytest.raises(UnusableInput, match="E112"):
        compiled(net, ("deep", "k"))


def test_labels_refer_to_the_first(net: Path) -> None:
    program = compiled(net, ("early", "deep"))
    execution = simulate(program, encode(program.input, images())[0])
    assert execution.readout.shape == (4, 3)
    np.testing.assert_array_equal(execution.predictions, execution.readouts["e"].argmax(axis=1))


def test_the_first_need_not_be_the_last_to_be_read(net: Path) -> None:
    program = compiled(net, ("early", "deep"))
    first, last = program.readouts
    assert first.depth < last.depth == program.depth
    encoded, _ = encode(program.input, images())
    executions = [run_reference(program, encoded, record=True), simulate(program, encoded, record=True)]
    assert compare(program, executions).equal


def test_artefacts_keep_the_outputs(net: Path, tmp_path: Path) -> None:
    for program in (compiled(net), compiled(net, ("early", "e"))):
        for name, content in program_files(program).items():
            (tmp_path / name).write_bytes(content)
        loaded = load_program(tmp_path)
        assert loaded.outputs == program.outputs
        assert program_files(loaded) == program_files(program)


def test_one_output_is_written_as_before(net: Path) -> None:
    text = program_files(compiled(net, ("deep",)))["program.json"]
    assert b'"outputs"' not in text
    assert b'"score_unit"' in text


def _renamed(program: Program, *names: str) -> Program:
    return replace(program, outputs=tuple(replace(o, name=n) for o, n in zip(program.outputs, names, strict=True)))


def _reads_a_readout(program: Program) -> Program:
    first, second, *_ = program.readouts
    joined = next(p for p in program.projections if p.target == second.name)
    return replace(
        program, projections=tuple(replace(p, source=first.name) if p is joined else p for p in program.projections)
    )


FAULTS: dict[str, tuple[Callable[[Program], Program], str]] = {
    "no outputs": (lambda p: replace(p, outputs=()), "does not say which outputs"),
    "one output": (lambda p: replace(p, outputs=p.outputs[:1]), "where there are several"),
    "two units": (lambda p: replace(p, score_unit=1.0), "where there are several"),
    "another order": (lambda p: replace(p, outputs=p.outputs[::-1]), "in their order"),
    "an unread read-out": (lambda p: replace(p, outputs=p.outputs[1:]), "in their order"),
    "no such read-out": (lambda p: replace(p, outputs=(*p.outputs, Output("z", "ghost", None))), "in their order"),
    "a firing read-out": (lambda p: replace(p, outputs=(*p.outputs, Output("z", "h", None))), "in their order"),
    "one name": (lambda p: _renamed(p, "a", "b", "a"), "two outputs share a name"),
    "an empty name": (lambda p: _renamed(p, "a", "", "c"), "empty or cannot be printed"),
    "a long name": (lambda p: _renamed(p, "a", "b" * 1025, "c"), "longer than 1024"),
    "a name with a line": (lambda p: _renamed(p, "a", "b\n", "c"), "empty or cannot be printed"),
    "read-outs in the middle": (
        lambda p: replace(p, populations=(p.populations[-1], *p.populations[:-1])),
        "the last populations, and no others",
    ),
    "no read-out": (lambda p: replace(p, populations=p.firing), "the last populations, and no others"),
    "a read-out that is read": (_reads_a_readout, "a projection leaves the read-out"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_rules_of_read_outs(net: Path, fault: str) -> None:
    sound = compiled(net, ("deep", "early", "map"))
    assert list(problems(sound)) == []
    broken, message = FAULTS[fault]
    found = [problem.message for problem in problems(broken(sound))]
    assert any(message in each for each in found), found
