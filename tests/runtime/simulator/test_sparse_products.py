"""Products with coordinates: the same sums as those of the matrix, with numba, in numpy alone, on torch tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.program import SparseSynapses
from spikec.runtime.simulator import sparse
from spikec.runtime.simulator.convolution import SparseKernel, choose_kernel, largest_sum
from spikec.runtime.simulator.native import CHOICE
from spikec.runtime.simulator.reduction import Entries, Matrix, reduce_synapses
from spikec.runtime.simulator.sparse import SparseMatrix
from spikec.runtime.simulator.tensors import TensorEntries

Ints = npt.NDArray[np.int64]
SEEDS = st.integers(0, 2**32 - 1)


def ragged(random: np.random.Generator, targets: int, sources: int, largest: int = 99) -> Ints:
    """Rows of every length from none to all."""
    weight = random.integers(-largest, largest + 1, (targets, sources))
    return weight * (random.random((targets, sources)) < random.random((targets, 1)) ** 4)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 90), st.integers(1, 40), st.integers(0, 5), st.sampled_from([1, 7, 1 << 19]))
def test_numpy_product(seed: int, targets: int, sources: int, messages: int, at_once: int) -> None:
    random = np.random.default_rng(seed)
    weight, sent = ragged(random, targets, sources), random.integers(-9, 10, (messages, sources))
    entries = SparseSynapses.of_matrix(weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "_VALUES_AT_ONCE", at_once)
        patch.setattr(sparse, "_FEWEST_MESSAGES", 1)
        matrix = SparseMatrix(entries.weight.astype(np.float64), entries.source, entries.target, targets)
        assert np.array_equal(matrix.multiply(sent), sent @ weight.T)


def kernel_of(weight: Ints, source: tuple[int, ...], target: tuple[int, ...]) -> SparseKernel:
    reduced = reduce_synapses(SparseSynapses.of_matrix(weight), source, target)
    assert isinstance(reduced.form, Entries)
    kernel = choose_kernel(reduced.form, 3, 1)
    assert isinstance(kernel, SparseKernel)
    return kernel


@pytest.mark.parametrize(("largest", "kind"), [(99, np.float32), (1 << 25, np.float64)])
def test_kernel_between_maps(largest: int, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neurons are in the order of maps, channels last, and messages bytes."""
    monkeypatch.setenv(CHOICE, "none")
    random = np.random.default_rng(0)
    source, target = (3, 8, 9), (2, 10, 7)
    weight = random.integers(-largest, largest + 1, (140, 216)) * (random.random((140, 216)) < 0.03)
    maps = random.integers(0, 2, (5, *source)).astype(np.uint8)
    received = kernel_of(weight, source, target)(np.ascontiguousarray(maps.transpose(0, 2, 3, 1)))
    assert received.dtype == kind
    expected = 8 * (maps.reshape(5, -1).astype(np.int64) @ weight.T)
    assert np.array_equal(received.reshape(5, 10, 7, 2).transpose(0, 3, 1, 2).reshape(5, -1), expected)


def test_a_filled_matrix_is_multiplied_as_one() -> None:
    random = np.random.default_rng(0)
    weight = random.integers(1, 9, (12, 18))
    form = reduce_synapses(SparseSynapses.of_matrix(weight), (2, 3, 3), (3, 2, 2)).form
    assert isinstance(form, Matrix)
    by_place = weight.reshape(3, 2, 2, 2, 3, 3).transpose(1, 2, 0, 4, 5, 3).reshape(12, 18)
    assert np.array_equal(form.weight, by_place)


def test_sums_are_bounded_by_the_largest_row() -> None:
    form = Entries(np.array([3, -4, 5]), np.array([0, 1, 0]), np.array([0, 0, 2]), 3)
    assert largest_sum(form, 2, 10) == 7 * 10 * 4
    with pytest.raises(OverflowError):
        choose_kernel(form, 0, 1 << 51)
    nothing = np.zeros(0, dtype=np.int64)
    none = Entries(nothing, nothing, nothing, 4)
    assert choose_kernel(none, 0, 1)(np.ones((2, 1, 1, 5), dtype=np.uint8)).tolist() == np.zeros((2, 1, 1, 4)).tolist()


@pytest.mark.parametrize("at_once", [1, 1 << 26])
def test_tensors(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikec.runtime.simulator.tensors._PRODUCTS_AT_ONCE", at_once)
    random = np.random.default_rng(1)
    weight, sent = ragged(random, 11, 12), random.integers(0, 9, (4, 2, 3, 2))
    entries = SparseSynapses.of_matrix(weight)

    def tensor(values: npt.NDArray[Any]) -> Any:
        return torch.tensor(values)

    kernel = TensorEntries(
        torch, tensor(entries.weight.astype(np.float32)), tensor(entries.source), tensor(entries.target), 11
    )
    found = kernel(tensor(sent))
    assert tuple(found.shape) == (4, 1, 1, 11)
    assert np.array_equal(found.numpy().reshape(4, 11), sent.reshape(4, 12) @ weight.T)
