"""What a run says of the machine, of the networks and of the ways in which the simulator ran."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikec.runtime.simulator.native import CHOICE, available_instruction_sets, chosen_instruction_set

from .machine import Instant, describe, in_a_line, load_between
from .nets import Net
from .one_layer import CHANNELS, SIZE, firing, one_layer
from .rows import ACTIVE_SYNAPSES, Row, compare_integers, linear_fits
from .trained import training_of
from .ways import other_ways, plain_install

IDLE = Instant(clock=100.0, own=10.0, all=50.0, stolen=1.0, load=0.2)


def test_what_others_use_is_told_from_what_the_run_uses() -> None:
    alone = load_between(IDLE, Instant(110.0, 25.0, 65.5, 1.0, 2.0))
    assert (alone["cores_used_by_others"], alone["busy"]) == (0.05, False)
    assert (alone["load_at_start"], alone["load_at_end"]) == (0.2, 2.0)
    beside = load_between(IDLE, Instant(110.0, 25.0, 75.0, 1.0, 3.0))
    assert (beside["cores_used_by_others"], beside["busy"]) == (1.0, True)
    stolen = load_between(IDLE, Instant(110.0, 25.0, 65.0, 4.0, 2.0))
    assert (stolen["cores_stolen"], stolen["busy"]) == (0.3, True)


def test_a_machine_is_named_with_instruction_set_threads_and_load() -> None:
    machine = describe((1, 2))
    chosen = chosen_instruction_set()
    assert machine["instruction_set"] == ("none" if chosen is None else chosen.name)
    assert machine["instruction_sets"] == [one.name for one in available_instruction_sets()]
    assert machine["cpu"]
    assert "family" in machine["cpu"] or "model" not in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    assert machine["cores"] == len(os.sched_getaffinity(0))
    still, busy = (in_a_line({**machine, "busy": one}) for one in (False, True))
    assert f"kernel {machine['instruction_set']}, threads 1 and 2" in still
    assert "BUSY" not in still
    assert "BUSY MACHINE" in busy


def training(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ("model.onnx", "calibration.npz", "test.npz"):
        (folder / name).touch()


def test_trainings_are_found_by_network_and_as_zoos_write_them(tmp_path: Path) -> None:
    assert training_of("vgg16", tmp_path) is None
    training(tmp_path / "cifar10-vgg16-max" / "seed-0" / "qcfs")
    training(tmp_path / "cifar10-vgg16-max" / "seed-0" / "relu", "model.onnx")
    training(tmp_path / "resnet20", "model.onnx", "calibration.npz", "test.npz", "model.pt")
    training(tmp_path / "resnet18", "model.onnx")
    zoo, single = training_of("vgg16", tmp_path), training_of("resnet20", tmp_path)
    assert zoo is not None
    assert zoo.model == tmp_path / "cifar10-vgg16-max" / "seed-0" / "qcfs" / "model.onnx"
    assert zoo.relu == tmp_path / "cifar10-vgg16-max" / "seed-0" / "relu" / "model.onnx"
    assert zoo.checkpoint is None
    assert single is not None
    assert single.checkpoint == tmp_path / "resnet20" / "model.pt"
    assert single.relu is None
    assert training_of("resnet18", tmp_path) is None
    assert training_of("vgg16-rate-penalty", tmp_path) is None
    training(tmp_path / "cifar10-vgg16-max" / "seed-0" / "qcfs-rate-penalty")
    priced = training_of("vgg16-rate-penalty", tmp_path)
    assert priced is not None
    assert priced.model.parent == tmp_path / "cifar10-vgg16-max" / "seed-0" / "qcfs-rate-penalty"
    assert priced.relu == zoo.relu


def test_images_are_the_networks_own_and_come_again_where_they_are_few() -> None:
    tests = np.arange(3 * 4, dtype=np.uint8).reshape(3, 1, 2, 2)
    net = Net("net", Path("net.onnx"), None, (1, 2, 2), None, tests, tests[1:])
    assert np.array_equal(net.images(2), tests[:2])
    assert np.array_equal(net.images(7)[3:6], tests)
    assert np.array_equal(net.calibration(1).inputs, tests[1:2])
    random = replace(net, tests=None, calibrations=None)
    assert random.images(5).shape == (5, 1, 2, 2)
    assert not np.array_equal(random.images(5), random.calibration(5).inputs)


def test_every_way_gives_the_same_and_leaves_the_choice_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOICE, "none")
    program, samples = one_layer(), firing(0.1)[:1]
    ways = other_ways(program, 1)
    assert {f"spikec, {one.name}" for one in available_instruction_sets()} <= set(ways)
    assert "spikec, numpy" in ways
    expected = plain_install(program, 1)(samples)
    for run in ways.values():
        found = run(samples)
        assert compare_integers([expected.readout], [found.readout]).equal
        assert found.spike_counts == expected.spike_counts
    assert os.environ[CHOICE] == "none"


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_sources_fire_at_the_rate_that_is_asked_for(rate: float) -> None:
    counts = plain_install(one_layer(), 1)(firing(rate)[:8]).spike_counts
    share = counts["sources"] / (8 * 4 * CHANNELS * SIZE**2)
    assert share == pytest.approx(rate, rel=0.02)  # of a million draws
    assert counts["convolved"] == 0


def test_fits_are_made_over_active_synapses() -> None:
    rows = [
        Row(
            "scaling", "net", "spikec", "s", (0.5 + synapses / 8,), 4, 64, note=f"over {ACTIVE_SYNAPSES}", size=synapses
        )
        for synapses in (8, 16, 32)
    ]
    (fit,) = linear_fits(rows)
    assert (fit.axis, fit.points) == (ACTIVE_SYNAPSES, ((8, 1.5), (16, 2.5), (32, 4.5)))
    assert fit.deviation < 1e-9  # least squares in float64
