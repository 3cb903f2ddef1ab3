"""A compiled program as a process in a Lava network of one's own, and what is refused around it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.runtime.lava import (
    Loihi2Probe,
    availability,
    build_process,
    loihi2,
    probe_loihi2,
    require_loihi2,
    run_lava,
)
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Output,
    Population,
    Program,
    Projection,
    Pulse,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.neuron_models import graded
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference
from spikec.targets.diagnostic import UnusableInput

needs_lava = pytest.mark.skipif(not availability().available, reason=availability().detail)

NETWORK = """
import pickle, sys
import numpy as np
import spikec  # before Lava, which newer Pythons do not import otherwise
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from spikec.runtime.lava import build_process, run_config
from spikec.runtime.lava.network.process import readout_ports

if __name__ == "__main__":
    program, samples, own_config = pickle.load(open(sys.argv[1], "rb"))
    steps = program.steps(len(samples))
    sent = np.zeros((*program.input.shape, steps), dtype=np.int64)
    for index, sample in enumerate(samples):
        begin = index * program.window
        sent[..., begin : begin + program.timesteps] = sample[..., None]
    source = Source(data=sent)
    network = build_process(program)
    source.s_out.connect(network.a_in)
    sinks = {}
    for number, readout in enumerate(program.readouts, start=1):
        for port in readout_ports(number):
            sinks[port] = Sink(shape=readout.shape, buffer=steps)
            getattr(network, port).connect(sinks[port].a_in)
    config = Loihi2SimCfg(select_tag="fixed_pt") if own_config else run_config()
    source.run(condition=RunSteps(num_steps=steps), run_cfg=config)
    np.savez(sys.argv[2], **{port: sink.data.get() for port, sink in sinks.items()})
    source.stop()
"""


def small(spatial_readout: bool) -> Program:
    rng = np.random.default_rng(8)
    encoding = InputEncoding((2, 6, 5), (0, 1, 2), (2, 6, 5), 1 / 255, -20, 255)
    conv = ConvSynapses(rng.integers(-9, 10, (3, 2, 3, 2)), ConvGeometry((1, 1), (1, 0, 0, 1)))
    last = ConvSynapses(rng.integers(-9, 10, (2, 3, 3, 3)), ConvGeometry((2, 2)))
    flat = DenseSynapses(rng.integers(-99, 99, (7, 75)))
    shape = (2, 2, 2) if spatial_readout else (7,)
    return Program(
        name="small",
        target="free",
        schedule="pipelined",
        timesteps=3,
        state_minimum=-(1 << 17),
        state_maximum=(1 << 17) - 1,
        input=encoding,
        populations=(
            Population("hidden", (3, 5, 5), np.array(900), np.array(300), rng.integers(-50, 50, (3, 1, 1)), 1),
            Population("out", shape, None, np.array(2), np.array(1), 2),
        ),
        projections=(
            Projection("first", INPUT, "hidden", conv),
            Projection("second", "hidden", "out", last if spatial_readout else flat),
        ),
    )


def run_in_a_network(program: Program, samples: IntArray, own_config: bool, folder: Path) -> Any:
    (folder / "network.py").write_text(NETWORK)
    (folder / "arguments.pickle").write_bytes(pickle.dumps((program, samples, own_config)))
    command = [sys.executable, "network.py", "arguments.pickle", "result.npz"]
    child = subprocess.Popen(command, cwd=folder, start_new_session=True)
    try:
        assert child.wait(60) == 0
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return np.load(folder / "result.npz")


def of_graded_neurons(program: Program) -> Program:
    hidden, readout = program.populations
    populations = replace(hidden, payloads=(-3, 200), threshold=np.array(20)), readout
    return replace(program, timesteps=1, populations=populations, neuron=graded())


@needs_lava
@pytest.mark.parametrize("is_graded", [False, True])
@pytest.mark.parametrize(("spatial_readout", "own_config"), [(False, False), (True, True)])
def test_wired_into_a_network(spatial_readout: bool, own_config: bool, is_graded: bool, tmp_path: Path) -> None:
    program = of_graded_neurons(small(spatial_readout)) if is_graded else small(spatial_readout)
    samples = np.random.default_rng(1).integers(-20, 256, (4, *program.input.shape))
    result = run_in_a_network(program, samples, own_config, tmp_path)
    expected = run_lava(program, samples, record=True)
    assert expected.readout.any()
    np.testing.assert_array_equal(at_window_ends(program, program.readout, result["v_out"], 4), expected.readout)
    assert not result["s_out"].any()


def at_window_ends(program: Program, readout: Population, potentials: Any, samples: int) -> Any:
    ends = readout.depth + program.timesteps + program.window * np.arange(samples) - 1
    return np.moveaxis(potentials[..., ends], -1, 0).reshape(samples, -1)


def three_headed() -> Program:
    """Read-outs of another shape and at another depth beside the first, one of the input itself."""
    program = small(False)
    rng = np.random.default_rng(9)
    shapes = {"early": (2, 6, 5), "map": (2, 2, 2)}
    heads = tuple(
        Population(name, shape, None, np.array(3), rng.integers(-9, 10, shape), depth)
        for depth, (name, shape) in enumerate(shapes.items(), start=1)
    )
    one = ConvSynapses(rng.integers(-9, 10, (2, 2, 1, 1)), ConvGeometry())
    strided = ConvSynapses(rng.integers(-9, 10, (2, 3, 3, 3)), ConvGeometry((2, 2)))
    return replace(
        program,
        populations=(*program.populations, *heads),
        projections=(
            *program.projections,
            Projection("third", INPUT, "early", one),
            Projection("fourth", "hidden", "map", strided),
        ),
        outputs=tuple(Output(f"y.{name}", name, None) for name in ("out", *shapes)),
    )


@needs_lava
@pytest.mark.parametrize("own_config", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_read_out_has_ports_of_its_own(own_config: bool, tmp_path: Path) -> None:
    program = three_headed()
    assert list(problems(program)) == []
    samples = np.random.default_rng(1).integers(-20, 256, (3, *program.input.shape))
    result = run_in_a_network(program, samples, own_config, tmp_path)
    expected = run_reference(program, samples)
    for port, readout in zip(("v_out", "v_out_2", "v_out_3"), program.readouts, strict=True):
        assert expected.readouts[readout.name].any()
        found = at_window_ends(program, readout, result[port], 3)
        np.testing.assert_array_equal(found, expected.readouts[readout.name])
    lava = run_lava(program, samples, record=True)
    np.testing.assert_equal(lava.readouts, expected.readouts)


def gated(program: Program) -> Program:
    """The same with its hidden population held below threshold for T steps."""
    hidden, readout = program.populations
    bias = np.zeros(1, dtype=np.int64)
    pulse = Pulse("gate", "hidden", program.timesteps + 1, np.array(20_000), 1)
    held = replace(hidden, gated=True, bias=bias, initial_potential=np.array(450 - 40_000))
    later = replace(readout, depth=hidden.depth + program.timesteps + 1)
    return replace(program, schedule="exact", populations=(held, later), pulses=(pulse,))


@needs_lava
@pytest.mark.parametrize("own_config", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_gated_network_gives_its_result_at_step_t_of_the_readouts_window(own_config: bool, tmp_path: Path) -> None:
    program = gated(small(False))
    assert list(problems(program)) == []
    samples = np.random.default_rng(1).integers(-20, 256, (3, *program.input.shape))
    result = run_in_a_network(program, samples, own_config, tmp_path)
    expected = run_reference(program, samples)
    ends = program.depth + program.timesteps + program.window * np.arange(3) - 1
    np.testing.assert_array_equal(result["v_out"][..., ends].T, expected.readout)
    assert sum(expected.spike_counts.values())


@needs_lava
def test_a_process_that_would_be_wrong_is_refused() -> None:
    program = gated(small(False))
    wide = replace(program.pulses[0], weight=np.array(1 << 30), exponent=4)
    with pytest.raises(UnusableInput) as caught:
        build_process(replace(program, pulses=(wide,)))
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E504", "E504"]


@needs_lava
def test_groups_that_wrap_are_refused_with_stock_models() -> None:
    program = small(False)
    synapses = ConvSynapses(np.ones((128, 1, 1, 1), dtype=np.int64), ConvGeometry(groups=128))
    encoding = replace(program.input, shape=(128, 1, 1))
    population = replace(program.populations[0], shape=(128, 1, 1), bias=np.array(0))
    second = replace(program.projections[1], synapses=DenseSynapses(np.ones((7, 128), dtype=np.int64)))
    program = replace(
        program,
        input=encoding,
        populations=(population, program.readout),
        projections=(replace(program.projections[0], synapses=synapses), second),
    )
    build_process(program)
    with pytest.raises(UnusableInput) as caught:
        build_process(program, stock=True)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E505"]
    assert caught.value.diagnostics[0].measured == 128


def test_missing_lava_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[availability.__module__], "_is_missing", lambda name: name == "lava")
    assert not availability().available
    assert "not available" in f"{availability()} {probe_loihi2()}"
    assert probe_loihi2() == Loihi2Probe(loihi2.EXTENSION, False, None)
    with pytest.raises(UnusableInput, match=r"lava-nc is not installed") as caught:
        run_lava(small(False), np.zeros((1, 2, 6, 5), dtype=np.int64), record=False)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E501"]


def test_the_package_imports_without_lava() -> None:
    code = "import sys; sys.modules['lava'] = None; import spikec.runtime.lava as l; print(l.availability())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.startswith("not available: ")


@needs_lava
def test_without_the_extension_there_is_no_loihi2() -> None:
    probe = probe_loihi2()
    assert probe.looked_for == "lava.utils.loihi2_profiler"
    if probe.installed:
        pytest.skip("lava-loihi is installed here")
    with pytest.raises(UnusableInput, match=r"loihi2_profiler .* is not installed") as caught:
        require_loihi2(small(False))
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E508"]


class PreferringTheChip:
    """As Lava's Loihi2HwCfg, which cannot choose without the closed extension."""

    def select(self, process: Any, models: list[type]) -> type:
        if not models:
            raise AssertionError(f"No ProcessModels exist for {process.name}")
        return next((model for model in models if model.__name__.startswith("OnChip")), models[0])


@needs_lava
def test_neurons_without_a_neurocore_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loihi2, "probe_loihi2", lambda: Loihi2Probe("extension", True, "SLURM"))
    monkeypatch.setattr("lava.magma.core.run_configs.Loihi2HwCfg", PreferringTheChip)
    with pytest.raises(UnusableInput) as caught:
        require_loihi2(small(False))
    diagnostics = caught.value.diagnostics
    assert {diagnostic.code for diagnostic in diagnostics} == {"E509"}
    assert {diagnostic.place.layer for diagnostic in diagnostics} == {"hidden", "out", "first", "second"}


@needs_lava
@pytest.mark.parametrize(("timesteps", "kinds"), [(1, {"LIF"}), (3, {"ATRLIF", "LIFReset", "Reset"})])
def test_lavas_own_processes_are_asked_where_they_would_run(
    timesteps: int, kinds: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a program needs no process of spikec's, those of Lava's are what has to have a model for the chip."""
    monkeypatch.setattr(loihi2, "probe_loihi2", lambda: Loihi2Probe("extension", True, "SLURM"))
    monkeypatch.setattr("lava.magma.core.run_configs.Loihi2HwCfg", PreferringTheChip)
    first, second = small(False).projections
    assert isinstance(first.synapses, ConvSynapses)
    even = replace(first, synapses=replace(first.synapses, weight=2 * (first.synapses.weight // 5)))
    program = replace(small(False), timesteps=timesteps, projections=(even, second))
    with pytest.raises(UnusableInput) as caught:
        require_loihi2(program)
    diagnostics = caught.value.diagnostics
    assert {diagnostic.code for diagnostic in diagnostics} == {"E509"}
    assert {d.message.split()[0] for d in diagnostics} - {"RingBuffer"} == kinds | {"Conv", "Dense"}


@needs_lava
def test_a_host_must_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loihi2, "probe_loihi2", lambda: Loihi2Probe("extension", True, None))
    with pytest.raises(UnusableInput, match=r"E508 .* no host was chosen"):
        require_loihi2(small(False))


@needs_lava
def test_only_host_models_count_as_fallback() -> None:
    from lava.magma.core.model.model import AbstractProcessModel
    from lava.magma.core.model.py.model import PyLoihiProcessModel

    class OnChip(AbstractProcessModel):  # type: ignore[misc]
        pass

    class OnHost(PyLoihiProcessModel):  # type: ignore[misc]
        pass

    class Process:
        def __init__(self, name: str, models: list[type]) -> None:
            self.name = name
            self.models = models

    processes = [
        Process("both", [OnHost, OnChip]),
        Process("host", [OnHost]),
        Process("chip", [OnChip]),
        Process("none", []),
    ]
    problems = loihi2.find_host_fallbacks(processes, PreferringTheChip(), lambda process: list(process.models))
    assert [problem.place.layer for problem in problems] == ["host", "none"]
    assert problems[0].source == "PreferringTheChip selects OnHost"


def test_built_after_the_simulator_has_used_its_compiled_loops() -> None:
    script = (
        "import numpy as np, spikec\n"
        "from spikec.models.shipped import shipped_model\n"
        "program = spikec.compile_model(shipped_model()).program\n"
        "spikec.simulate(program, np.zeros((64, 1, 28, 28), dtype=np.uint8))\n"
        "print(type(spikec.build_process(program)).__name__)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == ["CompiledNetwork"], run.stderr
