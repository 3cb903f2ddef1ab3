"""spikec by itself: time over T, batch and active synapses, peak memory, a whole test set, and compiling."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import spikec
from spikec.models.datasets.library import load_dataset
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import UnusableInput

from .measure import alternating
from .nets import Net, build_net, compile_net, encoded
from .one_layer import measure_rates
from .rows import RANDOM, SHIPPED, SPIKEC, Row
from .ways import plain_install

TEST_IMAGES = 10_000


def measure_scaling(
    folder: Path,
    nets: tuple[str, ...],
    timesteps: tuple[int, ...],
    batches: tuple[int, ...],
    rounds: int,
    networks: Path | None,
) -> Iterator[Row]:
    """Rows of part ``scaling``, on one thread: over T at batch 64, over the batch at T = 4, over active synapses."""
    for net in (build_net(name, folder, networks) for name in nets):
        yield from _over(net, "timesteps", {steps: (steps, 64) for steps in timesteps}, rounds)
        yield from _over(net, "batch", {batch: (4, batch) for batch in batches}, rounds)
    yield from measure_rates(rounds)


def _over(net: Net, axis: str, sizes: dict[int, tuple[int, int]], rounds: int) -> Iterator[Row]:
    calls: dict[str, Callable[[], object]] = {}
    programs = {steps: compile_net(net, steps, "lava") for steps in {steps for steps, _ in sizes.values()}}
    for size, (steps, batch) in sizes.items():
        samples = encoded(programs[steps], net.images(batch))
        calls[str(size)] = partial(plain_install(programs[steps], 1), samples)
    for name, timings in alternating(calls, rounds).items():
        steps, batch = sizes[int(name)]
        note = f"over {axis}"
        yield Row("scaling", net.name, SPIKEC, "s", timings.wall, steps, batch, note=note, threads=1, cpu=timings.cpu)


def measure_memory(folder: Path, net_name: str, timesteps: int, batch: int) -> Iterator[Row]:
    """The peak memory of a fresh interpreter that loads the artefact and simulates one batch."""
    net = build_net(net_name, folder)
    options = spikec.CompileOptions(target="lava", timesteps=timesteps, calibration=net.calibration())
    artefact = folder / f"{net_name}-artefact"
    artefact.mkdir(exist_ok=True)
    for name, content in spikec.compile_model(net.onnx, options).files().items():
        (artefact / name).write_bytes(content)
    np.save(folder / "images.npy", net.images(batch))
    worker = Path(__file__).with_name("memory_worker.py")
    command = [sys.executable, "-I", str(worker), str(artefact), str(folder / "images.npy")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
    loaded, peak = (float(number) for number in printed.split())
    note = f"of which {loaded:.0f} MiB once the program is loaded"
    yield Row("memory", net.name, SPIKEC, "MiB", (peak,), timesteps, batch, note=note)


def measure_evaluation(count: int = TEST_IMAGES) -> Iterator[Row]:
    """The shipped network on the Fashion-MNIST test set at T = 4, or on as many random images without the files."""
    from spikec.models.shipped import shipped_model, shipped_samples

    with np.load(shipped_samples()) as file:
        calibration = Samples(file["calibration_inputs"], None)
    program = spikec.compile_model(shipped_model(), spikec.CompileOptions(calibration=calibration)).program
    images, note = _test_images(program.input.sample_shape, count)
    values = []
    for _ in range(3):
        begin = time.perf_counter()
        spikec.simulate(program, images)
        values.append(time.perf_counter() - begin)
    yield Row("evaluation", SHIPPED, SPIKEC, "s", tuple(values), program.timesteps, count, note=note)


def _test_images(shape: tuple[int, ...], count: int) -> tuple[np.ndarray[tuple[int, ...], np.dtype[Any]], str]:
    quick = "" if count == TEST_IMAGES else ", quick"
    try:
        return load_dataset("fashion-mnist").test.images[:count], f"Fashion-MNIST test images{quick}"
    except UnusableInput:
        random = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
        return random, f"random images: Fashion-MNIST was not found{quick}"


def measure_compiling(folder: Path, net_name: str, images: int, rounds: int) -> Iterator[Row]:
    """Seconds to compile a quantise-and-clip network at T = 4, without calibration and with ``images`` random ones."""
    import torch

    from spikec.models.checkpoint import onnx_bytes
    from spikec.models.networks.activation import Activation
    from spikec.models.networks.networks import NetworkSpec

    spec = NetworkSpec(net_name, 3, 32, 10)  # type: ignore[arg-type]
    torch.manual_seed(0)
    network = spec.build(Activation("round", 4))
    with torch.no_grad():
        network.train()(torch.rand(16, 3, 32, 32))
    file = folder / f"{net_name}-quantised.onnx"
    file.write_bytes(onnx_bytes(network.eval(), spec))
    drawn = np.random.default_rng(0).integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    cases = {"": None, " calibrated": Samples(drawn, None)}
    for suffix, calibration in cases.items():
        options = spikec.CompileOptions(timesteps=4, calibration=calibration)
        values = []
        for _ in range(rounds):
            begin = time.perf_counter()
            spikec.compile_model(file, options)
            values.append(time.perf_counter() - begin)
        note = f"{images} calibration images" if calibration else "no calibration"
        yield Row("compile", f"{net_name}{suffix} ({RANDOM})", SPIKEC, "s", tuple(values), 4, note=note)
