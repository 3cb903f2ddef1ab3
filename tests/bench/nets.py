"""The networks that are measured: source ANN as ONNX and in torch, and the program that spikec makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikec.compiler.compilation import build_program
from spikec.compiler.options import CompileOptions
from spikec.runtime.encoding import encode
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.samples import Samples
from spikec.targets import load

from .rows import RANDOM, SHIPPED
from .trained import PRICED, Training, training_of

NETS = (SHIPPED, "resnet20", "vgg16")
CALIBRATION_IMAGES = 32

_ONE_THRESHOLD = (
    '[neuron]\nthreshold_configurations = { value = 1, unit = "thresholds", '
    'source = "the peers take one threshold per layer", status = "assumed" }\n'
)

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Net:
    """A source network: its ONNX file, the same in torch (evaluation mode, or None), and one sample's shape (C, H, W).

    ``relu`` is the ONNX file of its twin with ReLUs instead of quantise-and-clip activations, where there is one.
    ``tests`` and ``calibrations`` are images (N, C, H, W) of its own data; None for random weights and random images.
    """

    name: str
    onnx: Path
    torch: Any
    shape: tuple[int, int, int]
    relu: Path | None = None
    tests: Images | None = None
    calibrations: Images | None = None

    def images(self, count: int, seed: int = 1) -> Images:
        """``count`` images (count, C, H, W) of its own test data, in turn where these are fewer, or random ones."""
        if self.tests is not None:
            return np.ascontiguousarray(np.resize(self.tests[:count], (count, *self.shape)))
        return np.random.default_rng(seed).integers(0, 256, (count, *self.shape), dtype=np.uint8)

    def calibration(self, count: int = CALIBRATION_IMAGES) -> Samples:
        """Images to compile with: of its own calibration data, or random ones."""
        return Samples(self.images(count, seed=2) if self.calibrations is None else self.calibrations[:count], None)


def build_net(name: str, folder: Path, networks: Path | None = None) -> Net:
    """The network ``name`` as it was trained: the shipped one, or that of a training below ``networks``.

    Without one it is a quantise-and-clip network for 3x32x32 with random weights, and is called so; what it writes goes
    to ``folder``.
    """
    if name == SHIPPED:
        return _shipped()
    training = None if networks is None else training_of(name, networks)
    return _random(name, folder) if training is None else _trained(name, training)


def priced_net(name: str, networks: Path | None) -> Net | None:
    """The network ``name`` as it was trained with a price on spikes; None where ``networks`` has no such."""
    training = None if networks is None else training_of(f"{name}{PRICED}", networks)
    return None if training is None else _trained(f"{name}{PRICED}", training)


def _shipped() -> Net:
    from spikec.models.checkpoint import load_checkpoint
    from spikec.models.shipped import shipped_checkpoint, shipped_model, shipped_samples

    checkpoint = load_checkpoint(shipped_checkpoint())
    spec = checkpoint.network
    with np.load(shipped_samples()) as file:
        tests, calibrations = file["test_inputs"], file["calibration_inputs"]
    shape = (spec.channels, spec.size, spec.size)
    return Net(SHIPPED, shipped_model(), checkpoint.build(), shape, None, tests, calibrations)


def _trained(name: str, training: Training) -> Net:
    from spikec.models.checkpoint import load_checkpoint

    with np.load(training.test) as test, np.load(training.calibration) as calibration:
        tests, calibrations = test["inputs"], calibration["inputs"]
    built = None if training.checkpoint is None else load_checkpoint(training.checkpoint).build()
    channels, height, width = tests.shape[1:]
    return Net(name, training.model, built, (channels, height, width), training.relu, tests, calibrations)


def _random(name: str, folder: Path) -> Net:
    """Batch norms and thresholds come from random images, so that rates are between 15 and 20 %."""
    import torch

    from spikec.models.checkpoint import onnx_bytes
    from spikec.models.networks.activation import Activation
    from spikec.models.networks.networks import NetworkSpec
    from spikec.models.training.thresholds import set_thresholds

    spec = NetworkSpec(name, 3, 32, 10)  # type: ignore[arg-type]
    torch.manual_seed(0)
    relu = spec.build(Activation("relu"))
    seen = torch.rand(16, 3, 32, 32)
    with torch.no_grad():
        relu.train()(seen)
    network = spec.build(Activation("round", 4))
    network.load_state_dict(relu.eval().state_dict(), strict=False)
    set_thresholds(relu, network.eval(), seen, "mmse")
    file, twin = folder / f"{name}.onnx", folder / f"{name}-relu.onnx"
    file.write_bytes(onnx_bytes(network, spec))
    twin.write_bytes(onnx_bytes(relu, spec))
    return Net(f"{name} ({RANDOM})", file, network, (3, 32, 32), twin)


def one_threshold_target(folder: Path) -> Path:
    """Write the chip description ``lava`` with one threshold per layer, which is all that the peers' neurons take."""
    from spikec import targets

    text = (Path(targets.__file__).parent / "lava.toml").read_text(encoding="utf-8")
    file = folder / "one-threshold.toml"
    file.write_text(text.replace("[neuron]\n", _ONE_THRESHOLD), encoding="utf-8")
    return file


def compile_net(net: Net, timesteps: int, target: str) -> Program:
    """Compile for T steps with few calibration images, and without a report, which takes as long again."""
    options = CompileOptions(target=target, timesteps=timesteps, calibration=net.calibration())
    return build_program(net.onnx, options).program


def encoded(program: Program, images: Images) -> IntArray:
    """The integers that the program's first layer receives, (N, *shape)."""
    return encode(program.input, images)[0]


CHAIN_CHANNELS, CHAIN_SIZE, CHAIN_DEPTH, CHAIN_THRESHOLD = 8, 8, 20, 64


def chain(timesteps: int) -> Program:
    """Twenty 3x3 convolutions of 8 channels on 8x8 maps and a read-out of 10.

    Every output channel listens to one neuron of the source, with the whole threshold or with half of it, so that a
    potential meets the threshold exactly and never passes it: reset by subtraction and reset to zero are the same,
    and so are the spikes of simulators that have the one or the other.
    """
    random = np.random.default_rng(0)
    shape = (CHAIN_CHANNELS, CHAIN_SIZE, CHAIN_SIZE)
    zero = np.zeros((1, 1, 1), dtype=np.int64)
    threshold = np.full((1, 1, 1), CHAIN_THRESHOLD, dtype=np.int64)
    populations, projections, source = [], [], INPUT
    for depth in range(1, CHAIN_DEPTH + 1):
        weight = np.zeros((CHAIN_CHANNELS, CHAIN_CHANNELS, 3, 3), dtype=np.int64)
        rows, columns = random.integers(0, 3, (2, CHAIN_CHANNELS))
        weight[np.arange(CHAIN_CHANNELS), random.permutation(CHAIN_CHANNELS), rows, columns] = CHAIN_THRESHOLD
        if depth in (4, 12):
            weight[: CHAIN_CHANNELS // 2] //= 2
        name = f"layer{depth}"
        synapses = ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1)))
        populations.append(Population(name, shape, threshold, zero, zero, depth))
        projections.append(Projection(f"{source}-to-{name}", source, name, synapses))
        source = name
    readout = DenseSynapses(random.integers(-127, 128, (10, int(np.prod(shape)))))
    nothing = np.zeros(1, dtype=np.int64)
    populations.append(Population("scores", (10,), None, nothing, nothing, CHAIN_DEPTH + 1))
    projections.append(Projection(f"{source}-to-scores", source, "scores", readout))
    target = load("lava")
    return Program(
        name="chain20",
        target=target.name,
        schedule="pipelined",
        timesteps=timesteps,
        state_minimum=target.state_minimum,
        state_maximum=target.state_maximum,
        input=InputEncoding(shape, (0, 1, 2), shape, step=1.0, minimum=0, maximum=1),
        populations=tuple(populations),
        projections=tuple(projections),
    )
