"""Networks for images of 224 pixels, random weights: time and memory of compiling, time of simulating."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from .large_nets import LARGE_NETS
from .measure import alternating
from .must_show import COMPILED, IMAGENET, PEAK, RATES, SIMULATED, UNCALIBRATED, calibrated_with
from .nets import Images, Net, compile_net, encoded
from .random_nets import write_random
from .rates import rates_of
from .rows import RANDOM, SPIKEC, Row
from .ways import plain_install

_TIMESTEPS = 4
_SPREAD, _PATCH = 30, 16


def measure_imagenet(folder: Path, images: int, batch: int, rounds: int, threads: tuple[int, ...]) -> Iterator[Row]:
    """Compile ResNet-50 without calibration and with ``images``, once each, and simulate ResNet-18 on a batch."""
    yield from _compiled(folder, None)
    yield from _compiled(folder, images)
    yield from _simulated(folder, batch, rounds, threads)


def _named(net: str) -> str:
    size, _ = LARGE_NETS[net]
    return f"{net} ({size}x{size}, {RANDOM})"


def _written(net: str, folder: Path) -> Path:
    size, build = LARGE_NETS[net]
    file = folder / f"{net}.onnx"
    if not file.exists():
        write_random(file, (3, size, size), build, images=2)
    return file


def _images(net: str, count: int) -> Images:
    """Patches of one colour, under noise: neighbours are alike, as in photographs."""
    size, _ = LARGE_NETS[net]
    random = np.random.default_rng(1)
    patches = random.integers(0, 256, (count, 3, size // _PATCH, size // _PATCH), dtype=np.int16)
    whole = patches.repeat(_PATCH, 2).repeat(_PATCH, 3)
    whole += random.integers(-_SPREAD, _SPREAD + 1, whole.shape, dtype=np.int16)
    return np.clip(whole, 0, 255).astype(np.uint8)


def _compiled(folder: Path, images: int | None) -> Iterator[Row]:
    given, note = [str(_written(COMPILED, folder))], UNCALIBRATED
    if images is not None:
        file, note = folder / "calibration.npz", calibrated_with(images)
        np.savez(file, inputs=_images(COMPILED, images))
        given += ["--calibration", str(file)]
    output = folder / note.replace(" ", "-")
    command = [sys.executable, "-m", "spikec", "compile", *given, "--timesteps", str(_TIMESTEPS), "-o", str(output)]
    wall, cpu, peak = watched(command, folder / "compile.log")
    yield Row(IMAGENET, _named(COMPILED), SPIKEC, "s", (wall,), _TIMESTEPS, note=note, cpu=(cpu,))
    yield Row(IMAGENET, _named(COMPILED), SPIKEC, PEAK, (peak,), _TIMESTEPS, note=note)


def watched(command: list[str], log: Path) -> tuple[float, float, float]:
    """Seconds by the clock and of processor time, and the largest resident set in 10^9 bytes, of a process."""
    worker = [sys.executable, "-I", str(Path(__file__).with_name("watched_worker.py")), str(log)]
    ended = subprocess.run([*worker, *command], stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode != 0:
        raise OSError(f"{' '.join(command)} failed: {log.read_text(errors='replace')[-500:]}")
    wall, cpu, peak = json.loads(ended.stdout)
    return wall, cpu, peak / 1e9


def _simulated(folder: Path, batch: int, rounds: int, threads: tuple[int, ...]) -> Iterator[Row]:
    size, _ = LARGE_NETS[SIMULATED]
    images = _images(SIMULATED, batch)
    net = Net(_named(SIMULATED), _written(SIMULATED, folder), None, (3, size, size), tests=images, calibrations=images)
    program = compile_net(net, _TIMESTEPS, "lava")
    rates = [100 * layer.rate for layer in rates_of(net, program).layers]
    samples = encoded(program, images)
    calls: dict[str, Callable[[], object]] = {
        str(count): partial(plain_install(program, count), samples) for count in threads
    }
    for count, timings in alternating(calls, rounds).items():
        wall, cpu = (tuple(seconds / batch for seconds in values) for values in (timings.wall, timings.cpu))
        note = f"{RATES} of {min(rates):.0f} to {max(rates):.0f} %, for each image"
        yield Row(IMAGENET, net.name, SPIKEC, "s", wall, _TIMESTEPS, batch, note=note, threads=int(count), cpu=cpu)
