"""Pools that were folded into kernels: taken out, put back, and found again in what calibration rounded."""

from __future__ import annotations

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import INPUT, Network
from spikec.compiler.ir.operators import AveragePool, Operator, QuantizeClip, Relu, Reshape
from spikec.compiler.ir.spiking import ConvMap, DenseMap
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context, program_level
from spikec.compiler.passes.unfolded_pools import unfolded
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.samples import Samples
from spikec.runtime.simulator.reduction import reduce_synapses

from .conftest import NetworkBuilder


def test_a_kernel_on_sums_gives_what_the_folded_one_gives() -> None:
    random = np.random.default_rng(0)
    small = random.normal(size=(3, 2, 2, 2))
    linear = ConvMap(np.kron(small, np.ones((3, 2))), ConvGeometry((3, 4), (3, 2, 0, 0)))
    found = unfolded(linear, (2, 6, 8))
    assert (found.pool, found.times) == ((3, 2), 6)
    np.testing.assert_array_equal(found.weight, small)
    np.testing.assert_array_equal(found.folded(small.ravel()).weight, linear.weight)
    messages = random.integers(0, 9, size=(2, 2, 6, 8)).astype(np.float32)
    padded = np.pad(messages, ((0, 0), (0, 0), (3, 0), (2, 0)))
    sums = padded.reshape(2, 2, 3, 3, 5, 2).sum(axis=(3, 5))
    np.testing.assert_array_equal(found.pooled(messages), sums)
    assert found.geometry == ConvGeometry((1, 2))


def test_a_matrix_behind_a_global_pool_reads_channels() -> None:
    small = np.random.default_rng(1).normal(size=(5, 4))
    linear = DenseMap(np.repeat(small, 6, axis=1))
    found = unfolded(linear, (4, 2, 3))
    assert found.pool == (2, 3)
    np.testing.assert_array_equal(found.weight[:, :, 0, 0], small)
    np.testing.assert_array_equal(found.folded(found.weight).weight, linear.weight)
    messages = np.ones((2, 4, 2, 3), dtype=np.float32)
    np.testing.assert_array_equal(found.pooled(messages), np.full((2, 4, 1, 1), 6.0))
    # Neurons that are no map have no pool, however equal their weights are.
    assert unfolded(linear, (24,)).pool == (1, 1)


def _pooling_network(seed: int, activation: Operator) -> tuple[Network, tuple[int, int]]:
    random = np.random.default_rng(seed)
    pool = int(random.integers(1, 4)), int(random.integers(2, 4))
    size = 4 * pool[0], 3 * pool[1]
    net = NetworkBuilder((2, *size), seed)
    net.add("act1", activation, net.conv("conv1", INPUT, 5))
    net.add("pool1", AveragePool(pool, pool), "act1")
    groups = 5 if seed % 3 == 0 else 1
    net.add("act2", activation, net.conv("conv2", "pool1", 10, geometry=ConvGeometry(padding=(1,) * 4, groups=groups)))
    net.add("pool2", AveragePool((4, 3), (4, 3)), "act2")
    net.add("flat", Reshape((10,)), "pool2")
    net.dense("scores", "flat", 3)
    return net.network(), pool


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("activation", [QuantizeClip(1.0, 4, 0.5), Relu()])
@pytest.mark.parametrize("bits", [8, 3])
def test_calibrated_programs_pool_where_the_network_does(seed: int, activation: Operator, bits: int) -> None:
    """Whatever rounding a pool's weights as one costs: few bits and few samples are where it costs most."""
    network, pool = _pooling_network(seed, activation)
    images = np.random.default_rng(seed + 1).random((24, *network.input_shape)).astype(np.float32)
    context = Context(targets.load("lava"), 4, Samples(images, None), weight_bits=bits)
    program = program_level(run_passes(network, context, passes_for(CompileOptions())).state)
    found = {
        p.target: reduce_synapses(p.synapses, program.source_shape(p), program.population(p.target).shape).pool
        for p in program.projections
    }
    assert found == {"conv1": (1, 1), "conv2": pool, "scores": (4, 3)}
