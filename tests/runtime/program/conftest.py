"""A small program with every kind of part, as an artefact on disk, and what is refused about it once it was edited."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
from spikec.runtime.program.artefact import write_artefact
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.storage import load_program, program_files
from spikec.targets.diagnostic import Diagnostic, UnusableInput

Problems = Callable[[Path], list[Diagnostic]]
GEOMETRY = ConvGeometry((2, 1), (1, 0, 1, 2), (1, 2), 2)


def make_program() -> Program:
    random = np.random.default_rng(0)

    def integers(low: int, high: int, *shape: int) -> Any:
        return random.integers(low, high, size=shape)

    return Program(
        name="small",
        target="lava",
        schedule="pipelined",
        timesteps=4,
        state_minimum=-(1 << 31),
        state_maximum=(1 << 31) - 1,
        input=InputEncoding((6, 4, 2), (2, 0, 1), (2, 6, 4), 1 / 255, 0, 255),
        populations=(
            Population(
                "conv", (4, 3, 4), integers(300, 900, 4, 1, 1), integers(0, 300, 4, 3, 4), integers(-9, 9, 1), 1
            ),
            Population("hidden", (7,), integers(100, 90000, 7), np.zeros(1, np.int64), integers(-9, 9, 7), 2),
            Population("scores", (3,), None, np.zeros(1, np.int64), integers(-9, 9, 3), 3),
        ),
        projections=(
            Projection("input-conv", INPUT, "conv", ConvSynapses(integers(-127, 128, 4, 1, 3, 2), GEOMETRY)),
            Projection("conv-hidden", "conv", "hidden", DenseSynapses(integers(-127, 128, 7, 48)), exponent=3),
            Projection("hidden-scores", "hidden", "scores", DenseSynapses(integers(-127, 128, 3, 7))),
            Projection("conv-scores", "conv", "scores", DenseSynapses(integers(-127, 128, 3, 48)), delay=1),
        ),
        pulses=(Pulse("kick", "hidden", 2, integers(1, 100, 7), exponent=4, axons=3),),
    )


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def folder(tmp_path: Path, program: Program) -> Path:
    write_artefact(tmp_path / "out", program_files(program))
    return tmp_path / "out"


@pytest.fixture
def problems() -> Problems:
    def load(folder: Path) -> list[Diagnostic]:
        started = time.perf_counter()
        with pytest.raises(UnusableInput) as caught:
            load_program(folder)
        assert time.perf_counter() - started < 5  # seconds; nothing large may be built before it is refused
        found = list(caught.value.diagnostics)
        assert all(each.hint and str(folder) in (each.place.file or "") for each in found)
        return found

    return load


@pytest.fixture
def edit(folder: Path) -> Callable[[dict[str, Any]], None]:
    """Put a description into the artefact, with the digest of the tensors that lie there."""

    def write(document: dict[str, Any]) -> None:
        digest = hashlib.sha256((folder / "tensors.npz").read_bytes()).hexdigest()
        tied = {**document, "digests": {"tensors.npz": digest}}
        (folder / "program.json").write_text(json.dumps(tied))

    return write
