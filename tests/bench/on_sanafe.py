"""Energy and time that spikec estimates from counted events, against what SANA-FE simulates of the same program.

Both have the same figures per event, the same cores and the same sample; SANA-FE follows every message through the
mesh, spikec counts. First every spike and read-out is compared. ``--net`` does not choose among these networks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import spikec
from spikec.compiler.analysis.cost import estimate
from spikec.compiler.analysis.traffic import measure_traffic
from spikec.compiler.mapping import place
from spikec.compiler.mapping.cores_of import cores_of
from spikec.compiler.mapping.mesh import cores_on_mesh, mesh_of
from spikec.runtime.lava import supervisor
from spikec.runtime.program import IntArray, Program
from spikec.runtime.samples import Samples
from spikec.runtime.sanafe.files import SCRIPT, sanafe_files
from spikec.runtime.simulator import simulate
from spikec.targets import load

from .nets import CALIBRATION_IMAGES, encoded
from .random_nets import write_random
from .rows import SPIKEC, Equality, Row, compare_integers

SANAFE = "SANA-FE"
ENERGY, TIME = "uJ", "us"
TIMESTEPS = 4
DEADLINE = 900.0


class SanafeError(Exception):
    """SANA-FE did not end well; the message has its last lines."""


def measure_costs(folder: Path, python: Path | None, *, quick: bool) -> Iterator[Row]:
    """Energy and time of one sample for six networks (quick: two) on loihi1; nothing without SANA-FE.

    Two are spread over more cores as well, every synapse unrolled: then messages wait for each other.
    """
    if python is None:
        return
    target = load("loihi1")
    apart = replace(target.synapses, population_axons=None, shared_axons=None)
    for of_net, unrolled in _CASES[: 2 if quick else None]:
        name = f"{of_net}, unrolled" if unrolled else of_net
        program, images = _NETS[of_net](folder)
        samples = encoded(program, images[:1])
        cores = cores_of(place(program, replace(target, synapses=apart) if unrolled else target))
        assert target.cost is not None
        mesh, traffic = mesh_of(target), measure_traffic(program, target, cores, samples)
        assert mesh is not None
        cores = cores_on_mesh(cores, mesh, traffic.place)
        ours = estimate(traffic, target.cost)
        place_of_run = folder / f"sanafe-{of_net}-{unrolled}"
        theirs = run_sanafe(place_of_run, python, sanafe_files(program, target, cores, samples))
        equality = _compared(program, samples, place_of_run)
        used = len({int(core) for each in cores.values() for core in each})
        note = f"{used} cores, {theirs['steps']} steps, {theirs['fired']:,} spikes, {theirs['packets']:,} messages"
        yield Row("cost", name, SPIKEC, ENERGY, (1e6 * ours.joules,), TIMESTEPS, 1, note=note)
        yield Row("cost", name, SANAFE, ENERGY, (1e6 * theirs["energy"]["total"],), TIMESTEPS, 1, equality)
        yield Row("cost", name, SPIKEC, TIME, (1e6 * ours.seconds,), TIMESTEPS, 1)
        yield Row(
            "cost", name, SANAFE, TIME, (1e6 * theirs["seconds"],), TIMESTEPS, 1, equality, note="detailed timing"
        )


def run_sanafe(folder: Path, python: Path, files: dict[str, bytes], deadline: float = DEADLINE) -> dict[str, Any]:
    """What SANA-FE counted, by the script that spikec writes, guarded; raises SanafeError."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = [str(python.absolute()), "-I", str(folder / SCRIPT), str(folder)]
    guard = [sys.executable, "-I", supervisor.__file__, str(os.getpid()), str(deadline), "spikec_none_", str(folder)]
    with open(folder / "log", "wb") as log:
        ended = subprocess.run([*guard, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
    if ended.returncode:
        lines = (folder / "log").read_text(errors="replace").splitlines()[-8:]
        raise SanafeError("SANA-FE failed:\n" + "\n".join(lines))
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return results


def _compared(program: Program, samples: IntArray, folder: Path) -> Equality:
    own = simulate(program, samples, record=True)
    assert own.spike_trains is not None
    expected: list[npt.NDArray[np.int64]] = []
    found: list[npt.NDArray[Any]] = []
    with np.load(folder / "spikes.npz") as recorded:
        for number, population in enumerate(program.populations):
            if population.threshold is None:
                expected.append(own.readouts[population.name])
                found.append(recorded[f"readout{number}"])
                continue
            train = own.spike_trains[population.name].astype(np.int64)
            expected.append(train)
            found.append(np.unpackbits(recorded[f"spikes{number}"])[: train.size].reshape(train.shape))
    return compare_integers(expected, found)


Images = npt.NDArray[np.uint8]


def _compiled(file: Path, shape: tuple[int, int, int], **options: Any) -> tuple[Program, Images]:
    calibration = Samples(_images(shape, CALIBRATION_IMAGES, seed=2), None)
    chosen = spikec.CompileOptions(target="loihi1", timesteps=TIMESTEPS, calibration=calibration, **options)
    return spikec.compile_model(file, chosen).program, _images(shape, 1, seed=1)


def _images(shape: tuple[int, int, int], count: int, seed: int) -> Images:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def _with_random_weights(
    name: str, folder: Path, shape: tuple[int, int, int], build: Callable[[Any], Any], **options: Any
) -> tuple[Program, Images]:
    file = folder / f"cost-{name}.onnx"
    write_random(file, shape, build)
    return _compiled(file, shape, **options)


def _convnet(name: str, folder: Path, **options: Any) -> tuple[Program, Images]:
    from spikec.models.networks.networks import NetworkSpec

    return _with_random_weights(name, folder, (1, 16, 16), NetworkSpec("convnet", 1, 16, 10, 8).build, **options)


def _residual(folder: Path) -> tuple[Program, Images]:
    from spikec.models.networks.networks import NetworkSpec

    return _with_random_weights("residual", folder, (3, 8, 8), NetworkSpec("resnet20", 3, 8, 10, 8).build)


def _strided(folder: Path) -> tuple[Program, Images]:
    from torch import nn

    def build(activation: Any) -> Any:
        def layer(inputs: int, outputs: int, kernel: int, **geometry: Any) -> Any:
            convolution = nn.Conv2d(inputs, outputs, kernel, bias=False, **geometry)
            return nn.Sequential(convolution, nn.BatchNorm2d(outputs), activation())

        return nn.Sequential(
            layer(3, 8, 3, stride=2, padding=1),
            layer(8, 8, 3, padding=1, groups=8),
            layer(8, 16, 1),
            layer(16, 16, 5, stride=2, padding=2, groups=16),
            layer(16, 32, 1),
            layer(32, 32, 3, stride=(2, 1), padding=1),
            nn.Flatten(),
            nn.Linear(256, 10),
        )

    return _with_random_weights("strided", folder, (3, 16, 16), build)


def _dense(folder: Path) -> tuple[Program, Images]:
    from torch import nn

    def build(activation: Any) -> Any:
        hidden = [each for a, b in ((256, 200), (200, 100), (100, 50)) for each in (nn.Linear(a, b), activation())]
        return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(50, 10))

    return _with_random_weights("dense", folder, (1, 16, 16), build)


def _shipped(_: Path) -> tuple[Program, Images]:
    from spikec.models.shipped import shipped_model, shipped_samples

    options = spikec.CompileOptions(target="loihi1", timesteps=TIMESTEPS)
    with np.load(shipped_samples()) as images:
        return spikec.compile_model(shipped_model(), options).program, images["test_inputs"][:1]


_NETS: dict[str, Callable[[Path], tuple[Program, Images]]] = {
    "mid": lambda folder: _convnet("mid", folder),
    "dense": _dense,
    "strided": _strided,
    "residual": _residual,
    "exact": lambda folder: _convnet("exact", folder, schedule="exact"),
    "shipped": _shipped,
}
_CASES = (*((name, False) for name in _NETS), ("mid", True), ("shipped", True))
