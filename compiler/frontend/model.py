"""A model as its file gives it: the network, its identity, and how it was trained where the file says so."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from ...runtime.progress import Report as Progress
from ...runtime.progress import untold
from ...targets.diagnostic import Diagnostic, UnusableInput, refuse
from ...targets.records import dataclass
from ...targets.terminal.printable import printable
from ..ir.network import Network
from ..ir.operators import BatchNorm, Conv, Dense, Shape
from .chosen_outputs import Choice
from .model_file import read_content
from .model_section import ModelSection
from .reading import examine_onnx
from .training_record import TrainingRecord, read_training_record

ModelReader = Callable[[Path], bytes]
"""Turns a model file of another kind into the bytes of an ONNX file."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelBytes:
    """An ONNX model in memory: the ``content`` of its file, and the ``name`` that is told where a file would be."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name


ModelSource = str | Path | ModelBytes


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model read from a file: level 1, what was remarked, the identity of the file, how it was trained if known."""

    network: Network
    remarks: tuple[Diagnostic, ...]
    section: ModelSection
    training: TrainingRecord | None = None
    onnx_digest: str = ""
    """SHA-256 of the network as ONNX file, whatever kind of file it was read from."""


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """What one look at a model file finds: ``model`` where it can be compiled; where not, all that could be read.

    ``partial`` holds the layers that were understood, with a node for each that was not, see ``reading.Reading``.
    """

    model: Model | None
    section: ModelSection
    found: tuple[Diagnostic, ...]
    partial: Network | None


def read_model(
    path: ModelSource,
    *,
    output: Choice = None,
    input_shape: Shape | None = None,
    readers: Mapping[str, ModelReader] | None = None,
) -> Model:
    """Read a model in memory, an ``.onnx`` file, or another kind for which ``readers`` has an entry by suffix."""
    examined = examine_model(path, output=output, input_shape=input_shape, readers=readers)
    if examined.model is None:
        raise UnusableInput(examined.found)
    return examined.model


def examine_model(
    path: ModelSource,
    *,
    output: Choice = None,
    input_shape: Shape | None = None,
    readers: Mapping[str, ModelReader] | None = None,
    progress: Progress = untold,
) -> Examined:
    """Look at a model as ``read_model`` does, and tell what is in one that cannot be compiled.

    ``progress(done, total)`` counts nodes that were read. Raises UnusableInput for a path that leads to no model file,
    and for an unusable checkpoint.
    """
    name, source, content, stored = _identified(path, readers or {})
    digest = hashlib.sha256(stored).hexdigest()
    try:
        reading = examine_onnx(source, output=output, input_shape=input_shape, progress=progress)
    except UnusableInput as refusal:
        return Examined(None, ModelSection(name, digest, 0, {}), refusal.diagnostics, None)
    if reading.network is None:
        partial = None if reading.partial is None else replace(reading.partial, name=name)
        parameters = reading.parameters if partial is None else _parameters(partial)
        section = ModelSection(name, digest, parameters, reading.operators)
        return Examined(None, section, reading.found, partial)
    network = replace(reading.network, name=name)
    operators = Counter(o.operator for node in network.nodes for o in node.origins)
    section = ModelSection(name, digest, _parameters(network), dict(sorted(operators.items())))
    onnx_digest = hashlib.sha256(content).hexdigest()
    model = Model(network, reading.found, section, read_training_record(source), onnx_digest)
    return Examined(model, section, reading.found, network)


def _identified(given: ModelSource, readers: Mapping[str, ModelReader]) -> tuple[str, Path | bytes, bytes, bytes]:
    """Name of a model, what is read, the bytes of it as an ONNX file, and those of the file that was given."""
    if isinstance(given, ModelBytes):
        return printable(given.name), given.content, given.content, given.content
    file = Path(given)
    source = _source(file, readers)
    content = source if isinstance(source, bytes) else read_content(file)
    return printable(file.stem), source, content, content if isinstance(source, Path) else file.read_bytes()


def _source(file: Path, readers: Mapping[str, ModelReader]) -> Path | bytes:
    reader = readers.get(file.suffix.lower())
    if file.is_dir():
        raise refuse("E001", "this is a folder, not a model file", file=file, hint="give the path of the model file")
    if reader is not None:
        return reader(file)
    if file.suffix.lower() == ".onnx":
        return file
    known = " or ".join((".onnx", *readers))
    writer = _WRITERS.get(file.suffix.lower())
    raise refuse(
        "E632",
        f"a file ending in '{file.suffix}' is not a model that spikec reads",
        file=file,
        hint=f"give a file ending in {known}"
        if writer is None
        else f"have {writer} write it as a file ending in .onnx",
    )


_WRITERS = {
    **dict.fromkeys((".h5", ".keras", ".pb", ".tflite"), "tf2onnx"),
    **dict.fromkeys((".pth", ".ckpt", ".safetensors"), "torch.onnx.export"),
}


def _parameters(network: Network) -> int:
    total = 0
    for node in network.nodes:
        operator = node.operator
        if isinstance(operator, Conv | Dense):
            total += operator.weight.size + operator.bias.size
        elif isinstance(operator, BatchNorm):
            total += 4 * operator.scale.size
    return total
