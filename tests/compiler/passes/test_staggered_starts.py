"""Starts that differ between neighbours: where, by how much, and that a fit takes them over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import INPUT, Network
from spikec.compiler.ir.operators import AveragePool, Relu, Reshape
from spikec.compiler.ir.spiking import SpikingNetwork
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context, spiking_level
from spikec.compiler.passes.staggered_starts import staggered_starts
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.runtime.agreement import compare
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate


@pytest.fixture
def smooth_network(builder: Callable[..., Any]) -> Network:
    net = builder((1, 14, 13))
    net.add("act1", Relu(), net.conv("conv1", INPUT, 3))
    net.add("act2", Relu(), net.conv("conv2", "act1", 4))
    net.add("act3", Relu(), net.conv("narrow", "act2", 4, kernel=1, geometry=ConvGeometry()))
    net.add("mean", AveragePool((14, 13), (14, 13)), "act3")
    net.add("flat", Reshape((4,)), "mean")
    net.dense("scores", "flat", 3)
    network: Network = net.network()
    return network


def fitted(network: Network, schedule: str = "pipelined") -> Pipeline:
    coarse = np.random.default_rng(2).random((64, 1, 4, 4)).astype(np.float32)
    smooth = coarse.repeat(4, axis=2).repeat(4, axis=3)[:, :, 1:15, 1:14]
    context = Context(targets.load("lava"), 8, Samples(smooth, None), schedule=schedule)
    return run_passes(network, context, passes_for(CompileOptions()))


def spiking_of(network: Network, schedule: str = "pipelined") -> SpikingNetwork:
    return spiking_level(fitted(network, schedule).stages["fit-counts"])


def test_neighbours_that_a_kernel_reads_start_apart(smooth_network: Network) -> None:
    spiking = spiking_of(smooth_network)
    first, second, narrow = (spiking.population(name) for name in ("conv1", "conv2", "narrow"))
    starts = staggered_starts(spiking, first)
    assert starts.shape == (1, 14, 13)
    squares = starts[0, :14, :12].reshape(7, 2, 6, 2)
    assert not squares.sum(axis=(1, 3)).any()
    assert all(len(np.unique(squares[row, :, column])) == 4 for row in range(7) for column in range(6))
    for other in (second, narrow, spiking.readout):  # read at one position each, or by a read-out
        assert not staggered_starts(spiking, other).any()


def test_what_no_time_changes_starts_together(smooth_network: Network) -> None:
    spiking = spiking_of(smooth_network)
    first, second = spiking.population("conv1"), spiking.population("conv2")
    assert not staggered_starts(spiking, replace(first, hold=8)).any()
    assert not staggered_starts(spiking.with_parts((replace(second, hold=8),)), first).any()
    assert not staggered_starts(spiking.with_parts((replace(second, takes_largest=True),)), first).any()
    assert not staggered_starts(spiking, replace(first, shape=(3, 11, 14))).any()


def test_a_fit_staggers_and_its_program_agrees(smooth_network: Network) -> None:
    pipeline = fitted(smooth_network)
    (effect,) = [record.effect for record in pipeline.records if record.name == "fit-counts"]
    assert effect["kept"]
    program = pipeline.state.program
    assert program is not None
    starts = program.population("conv1").initial_potential
    assert starts.shape[-2:] == (14, 13)
    assert len(np.unique(starts[0])) >= 4
    samples = np.random.default_rng(5).integers(0, program.input.maximum, size=(2, 1, 14, 13))
    slow, fast = run_reference(program, samples, record=True), simulate(program, samples, record=True)
    assert compare(program, [slow, fast]).first_difference is None


def test_the_exact_schedule_staggers_nothing(smooth_network: Network) -> None:
    spiking = spiking_of(smooth_network, "exact")
    assert all(np.ndim(p.initial_potential) == 0 or p.initial_potential.size <= p.shape[0] for p in spiking.firing)
