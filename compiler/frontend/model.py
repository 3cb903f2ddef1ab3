"""A model as its file gives it: the network, its identity, and how it was trained where the file says so."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...targets.diagnostic import Diagnostic, refuse
from ..ir.network import Network
from ..ir.operators import BatchNorm, Conv, Dense
from .model_section import ModelSection
from .reading import read_onnx
from .training_record import TrainingRecord, read_training_record

ModelReader = Callable[[Path], bytes]
"""Turns a model file of another kind into the bytes of an ONNX file."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model read from a file: level 1, what was remarked, the identity of the file, how it was trained if known."""

    network: Network
    remarks: tuple[Diagnostic, ...]
    section: ModelSection
    training: TrainingRecord | None = None
    onnx_digest: str = ""
    """SHA-256 of the network as ONNX file, whatever kind of file it was read from."""


def read_model(
    path: str | Path, *, output: str | None = None, readers: Mapping[str, ModelReader] | None = None
) -> Model:
    """Read an ``.onnx`` file, or another kind for which ``readers`` has an entry by suffix."""
    file = Path(path)
    reader = (readers or {}).get(file.suffix.lower())
    if file.is_dir():
        raise refuse("E001", "this is a folder, not a model file", file=path, hint="give the path of the model file")
    if reader is None and file.suffix.lower() != ".onnx":
        known = ", ".join((".onnx", *(readers or {})))
        raise refuse(
            "E632",
            f"a file ending in '{file.suffix}' is not a model that spikec reads",
            file=path,
            hint=f"give one of {known}; torch.onnx.export writes ONNX",
        )
    source = file if reader is None else reader(file)
    network, remarks = read_onnx(source, output=output)
    network = replace(network, name=file.stem)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    onnx_digest = digest if isinstance(source, Path) else hashlib.sha256(source).hexdigest()
    operators = Counter(o.operator for node in network.nodes for o in node.origins)
    section = ModelSection(file.stem, digest, _parameters(network), dict(sorted(operators.items())))
    return Model(network, remarks, section, read_training_record(source), onnx_digest)


def _parameters(network: Network) -> int:
    total = 0
    for node in network.nodes:
        operator = node.operator
        if isinstance(operator, Conv | Dense):
            total += operator.weight.size + operator.bias.size
        elif isinstance(operator, BatchNorm):
            total += 4 * operator.scale.size
    return total
