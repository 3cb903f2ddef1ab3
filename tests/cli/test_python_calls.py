"""The same from Python: results as objects, refusals as one exception."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import spikec
from spikec.compiler.pipeline import STAGES

IMAGES = np.random.default_rng(1).integers(0, 256, size=(5, 1, 8, 8)).astype(np.uint8)


def test_compile_simulate_and_load(bench: Path) -> None:
    seen: list[str] = []
    options = spikec.CompileOptions(timesteps=3, calibration=spikec.Samples(IMAGES, np.arange(5) % 3))
    compiled = spikec.compile_model(bench / "net.onnx", options, report=seen.append)
    of_large_networks = {stage for stage in STAGES if stage.startswith("ledger after")}
    assert seen == [stage for stage in STAGES[:-1] if stage not in of_large_networks]
    assert compiled.report.verdict == "fits"
    assert spikec.check_model(str(bench / "net.onnx"), options).verdict == "fits"
    recorded = spikec.simulate(compiled.program, IMAGES, record=True)
    assert recorded.predictions.shape == (5,)
    assert recorded.spike_trains is not None
    assert {name: int(train.sum()) for name, train in recorded.spike_trains.items()} == recorded.spike_counts
    assert spikec.simulate(compiled.program, IMAGES).spike_trains is None
    assert spikec.load_program(bench / "artefact").timesteps == 4


def test_one_sample_alone_gives_what_it_gives_in_a_batch(bench: Path) -> None:
    program = spikec.load_program(bench / "artefact")
    together = spikec.simulate(program, IMAGES).readout
    for image, expected in zip(IMAGES, together, strict=True):
        np.testing.assert_array_equal(spikec.simulate(program, image[None]).readout[0], expected)


def refusal(call: Callable[[], object]) -> list[str]:
    with pytest.raises(spikec.UnusableInput) as caught:
        call()
    assert all(isinstance(each, spikec.Diagnostic) for each in caught.value.diagnostics)
    return [each.code for each in caught.value.diagnostics]


def test_refusals(bench: Path) -> None:
    program = spikec.load_program(bench / "artefact")
    for wrong in (IMAGES[0], IMAGES[:, :, :7], IMAGES[:0], IMAGES * np.float32(np.nan), IMAGES.astype(np.int64)):
        assert refusal(lambda wrong=wrong: spikec.simulate(program, wrong)) == ["E603"]  # type: ignore[misc]
    bad = spikec.Samples(IMAGES[:, :, :7], np.arange(4))
    options = spikec.CompileOptions(calibration=bad)
    assert refusal(lambda: spikec.compile_model(bench / "net.onnx", options)) == ["E603", "E604"]
    assert refusal(lambda: spikec.check_model(bench / "none.onnx")) == ["E001"]
    several = spikec.CompileOptions(target="loihi9", timesteps=0, weight_bits=99)
    assert refusal(lambda: spikec.compile_model(bench / "net.onnx", several)) == ["E630", "E630", "E801"]
