"""A small data set, and torch on one thread: small networks gain nothing from more, and suites may share the cores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from spikec.models.datasets.images import DataSet
from spikec.models.datasets.library import load_dataset


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def digits() -> DataSet:
    return load_dataset("digits")
