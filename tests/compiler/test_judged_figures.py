"""Every code against a chip has hints that were tried: what they print is what the judged figure does when applied."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest

from spikec import CompileOptions, targets
from spikec.compiler import trials
from spikec.compiler.checks import check_program
from spikec.compiler.compilation import build_from
from spikec.compiler.diagnostics.codes import layer_cores, resources
from spikec.compiler.frontend.model import Model, examine_model
from spikec.compiler.judged_figures import FIGURES
from spikec.compiler.mapping import place
from spikec.compiler.trials import Trial, with_tried_hints
from spikec.runtime.program import Program
from spikec.runtime.program.neuron_models import srp
from spikec.runtime.progress import Report as Progress
from spikec.runtime.progress import untold
from spikec.targets import Number, PerCore, Status, Target

NOT_JUDGED = {"318", "328", "329"}
"""A report that cannot be read, and that a chip knows no steps: no figure of a program."""


def test_every_code_against_a_target_has_a_figure() -> None:
    numbers = {code.id[1:] for family in (resources, layer_cores) for code in family.CODES}
    assert numbers - NOT_JUDGED == set(FIGURES)


def _number(value: int, unit: str = "units") -> Number:
    return Number(value, unit, "here", Status.MEASURED)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A convolution with a quantiser, and a read-out."""
    graph = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,4,6,6] x) => (float[N,3] y) '
        "{ c = Conv (x, w) d = Div (c, unit) r = Round (d) k = Clip (r, zero, top) m = Mul (k, unit) "
        "f = Flatten (m) y = Gemm (f, v) }"
    )
    random = np.random.default_rng(0)
    tensors: dict[str, Any] = {
        "w": random.normal(size=(4, 4, 3, 3)) / 3,
        "v": random.normal(size=(64, 3)),
        "unit": 0.25,
        "zero": 0.0,
        "top": 4.0,
    }
    for name, value in tensors.items():
        graph.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    file = tmp_path_factory.mktemp("model") / "net.onnx"
    file.write_bytes(graph.SerializeToString())
    examined = examine_model(file).model
    assert examined is not None
    return examined


Compile = Callable[[Target, CompileOptions, Progress], Trial]


@pytest.fixture(scope="module")
def compiled(model: Model) -> Compile:
    @cache
    def of(target: Target, bits: int | None, schedule: str, timesteps: int, neuron: str) -> Program:
        options = CompileOptions(
            target=target.name, weight_bits=bits, schedule=schedule, timesteps=timesteps, neuron=neuron
        )
        return build_from(model, target, options).program

    def again(target: Target, options: CompileOptions, progress: Progress) -> Trial:
        program = of(target, options.weight_bits, options.schedule, options.timesteps, options.neuron)
        return Trial(program, target, place(program, target))

    return again


Case = Callable[[Program, Target], tuple[Program, Target]]


def _core(**limits: int) -> Case:
    return lambda p, t: (p, replace(t, core=replace(t.core, **{k: _number(v) for k, v in limits.items()})))


def _chip(**limits: int) -> Case:
    return lambda p, t: (p, replace(t, chip=replace(t.chip, **{k: _number(v) for k, v in limits.items()})))


def _neuron(**limits: int) -> Case:
    changes: Any = {key: _number(value) for key, value in limits.items()}
    return lambda p, t: (p, replace(t, neuron=replace(t.neuron, **changes)))


def _weights(**limits: int) -> Case:
    return lambda p, t: (p, replace(t, weights=replace(t.weights, **{k: _number(v) for k, v in limits.items()})))


def _layer_cores(**limits: Any) -> Case:
    def changed(program: Program, target: Target) -> tuple[Program, Target]:
        assert target.layer_cores is not None
        return program, replace(target, layer_cores=replace(target.layer_cores, **limits))

    return changed


def _both(*cases: Case) -> Case:
    def changed(program: Program, target: Target) -> tuple[Program, Target]:
        for case in cases:
            program, target = case(program, target)
        return program, target

    return changed


def _projections(**changes: Any) -> Case:
    return lambda p, t: (replace(p, projections=tuple(replace(each, **changes) for each in p.projections)), t)


def _hidden(**changes: Any) -> Case:
    return lambda p, t: (replace(p, populations=(replace(p.populations[0], **changes), *p.populations[1:])), t)


def _kernels(*values: int) -> PerCore:
    return PerCore(values, "weights", "here", Status.MEASURED)


CASES: dict[str, tuple[str, Case]] = {
    "301": ("loihi1", _core(input_axons=8)),
    "302": ("loihi1", _core(neurons=2, output_axons=1)),
    "303": ("loihi1", _core(synapse_memory_bits=900)),
    "304": ("loihi1", _core(neurons=1)),
    "305": ("loihi1", _both(_core(synapse_memory_bits=4500), _chip(cores=1))),
    "307": (
        "loihi1",
        _both(_neuron(threshold_configurations=1), _hidden(threshold=np.arange(4).reshape(4, 1, 1) + 90)),
    ),
    "308": ("loihi1", _weights(maximum=50)),
    "309": ("loihi1", _weights(step=4)),
    "310": ("loihi1", _projections(exponent=9)),
    "311": ("loihi1", _neuron(threshold_maximum=20)),
    "312": ("loihi1", _hidden(bias=np.array(4097))),
    "313": ("loihi1", _hidden(initial_potential=np.array(200_000))),
    "314": ("loihi1", _projections(delay=70)),
    "315": ("loihi1", _neuron(state_bits=20)),
    "316": ("loihi1", _neuron(input_bits_maximum=8)),
    "317": ("loihi1", lambda p, t: (p, t)),
    "319": ("loihi1", lambda p, t: (replace(p, neuron=srp(4)), t)),
    "320": ("loihi1", _chip(synapses=1000)),
    "321": ("loihi1", _neuron(threshold_configurations=0)),
    "322": ("loihi1", _core(synapse_formats=0)),
    "323": ("loihi1", _core(compartment_configurations=1)),
    "324": ("loihi1", _chip(host_messages=100)),
    "325": ("speck2f", _layer_cores(kernel_maximum=_number(2))),
    "326": ("speck2f", _layer_cores(kernel_memory=_kernels(*[1] * 9))),
    "327": ("speck2f", _layer_cores(kernel_memory=_kernels(4096, *[1] * 8))),
}
"""For each number, a chip that lacks something, or a program that no compilation for it would give."""

NOTHING_HELPS = {"310", "314"}
"""Numbers out of range by hand, which other chips have no more room for."""


def test_there_is_a_case_for_every_figure() -> None:
    assert set(CASES) == set(FIGURES)


@pytest.mark.parametrize("number", sorted(CASES))
def test_a_tried_hint_does_what_it_says(number: str, compiled: Compile) -> None:
    name, changed = CASES[number]
    options = CompileOptions(target=name)
    program, target = changed(compiled(targets.load(name), options, untold).program, targets.load(name))
    present = Trial(program, target, place(program, target))
    found = check_program(program, target, present.placement)
    hints = [d.hint or "" for d in with_tried_hints(found, present, options, compiled) if d.code[1:] == number]
    assert hints, f"the case gives {sorted({d.code for d in found})}"
    applied = re.findall(r"tried: --(\S+) (\S+) makes ([\d,]+) to ([\d,]+) (\S+)", hints[0])
    assert bool(applied) == (number not in NOTHING_HELPS), hints[0]
    assert applied or re.match(r"tried without effect: .*loihi2", hints[0])
    for option, value, before, after, _ in applied:
        other = targets.load(value) if option == "target" else target
        given: Any = value if option in ("target", "schedule", "neuron") else int(value)
        changes: Any = {option.replace("-", "_"): given}
        trial = compiled(other, replace(options, **changes), untold)
        figures = present.judged(number), trial.judged(number)
        assert figures == tuple(int(text.replace(",", "")) for text in (before, after))
        left = {d.code[1:] for d in check_program(trial.program, other, trial.placement)}
        assert figures[1] < figures[0] or number not in left


def test_the_chip_itself_is_not_proposed(compiled: Compile) -> None:
    loihi = targets.load("loihi1")
    options = CompileOptions(target="loihi1")
    present = compiled(loihi, options, untold)
    found = check_program(present.program, loihi, present.placement)
    assert all("--target loihi1" not in (d.hint or "") for d in with_tried_hints(found, present, options, compiled))


def test_no_more_than_four_trials_are_compiled_and_each_once(compiled: Compile) -> None:
    loihi = targets.load("loihi1")
    _, starved = _both(
        _core(synapse_memory_bits=900), _chip(cores=1, synapses=1000, host_messages=1), _neuron(input_bits_maximum=9)
    )(compiled(loihi, CompileOptions(target="loihi1"), untold).program, loihi)
    options = CompileOptions(target="loihi1")
    present = compiled(starved, options, untold)
    asked = list[tuple[str, int | None]]()

    def counting(target: Target, again: CompileOptions, progress: Progress) -> Trial:
        asked.append((target.name, again.weight_bits))
        return compiled(target, again, progress)

    found = check_program(present.program, starved, present.placement)
    hints = with_tried_hints(found, present, options, counting)
    assert len({d.code for d in found}) >= 4
    assert 2 <= len(asked) == len(set(asked)) <= 4
    assert all(re.search("tried|not tried", d.hint or "") for d in hints)


def test_what_takes_too_long_to_try_is_said(compiled: Compile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "_MOST_WITHOUT_PATTERN", -1)
    options = CompileOptions(target="loihi1")
    present = compiled(targets.load("loihi1"), options, untold)
    found = check_program(present.program, present.target, present.placement)
    told = with_tried_hints(found, present, options, lambda *_: pytest.fail("a trial was compiled"))
    assert [d.code for d in told] == ["W317", "W324"]
    assert all((d.hint or "").startswith("nothing was tried") for d in told)
