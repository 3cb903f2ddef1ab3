"""Checkpoints: one ``.pt`` file with everything that rebuilds a trained network, and its export to ONNX."""

from __future__ import annotations

import io
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..compiler.frontend.training_record import with_training_record
from ..runtime.program.artefact import write_file
from ..targets.diagnostic import UnusableInput, refuse
from ..targets.records import dataclass
from .networks.activation import Activation, threshold_layers
from .networks.networks import NetworkSpec
from .networks.signal_network import SignedBytes
from .onnx_export import traced_onnx
from .training.kind import training_kind

FORMAT = "spikec-checkpoint"
VERSION = 1
COPY_AGAIN = "copy the file again from where it was written, or train again"
OWN_MODEL = "have torch.onnx.export write the network as an .onnx file, and give that"
TRAINED_HERE = "give a checkpoint that 'spikec train' wrote; other networks are compiled from .onnx files as they are"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A trained network: how to build it, its weights (state dict), and the record of its training."""

    network: NetworkSpec
    activation: Activation
    weights: dict[str, Tensor]
    training: dict[str, Any]
    """Options, seed and accuracies; plain values only."""

    def build(self) -> nn.Module:
        """Return the network with its weights, in evaluation mode."""
        with torch.random.fork_rng(devices=[]):
            network = self.network.build(self.activation)
        network.load_state_dict(self.weights)
        return network.eval()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically; E615 when the place cannot be written."""
    write_file(
        path,
        to_bytes(
            {
                "format": FORMAT,
                "version": VERSION,
                "network": asdict(checkpoint.network),
                "activation": {**asdict(checkpoint.activation), "shift": checkpoint.activation.shift},
                "weights": checkpoint.weights,
                "training": checkpoint.training,
            }
        ),
    )


def to_bytes(content: dict[str, Any]) -> bytes:
    """Serialise tensors and plain values as torch does."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def read_dictionary(path: Path, expected: str, version: int, hint: str = TRAINED_HERE) -> dict[str, Any]:
    """Return the dictionary of a file written by spikec in format ``expected``; nothing in it is executed.

    ``hint`` says what to do about a file of another origin. Errors: E701 no such file, E703 unreadable or foreign,
    E704 of another version.
    """
    if not path.is_file():
        raise refuse("E701", "the checkpoint does not exist", file=path, hint="check the path")
    _require_archive(path, hint)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler fails on foreign bytes in any way it likes
        message = "the file holds Python objects besides weights and plain values, and those are never loaded"
        raise refuse("E703", message, file=path, hint=hint) from error
    if not isinstance(content, dict) or content.get("format") != expected:
        raise refuse("E703", f"the file is not a {expected} written by 'spikec train'", file=path, hint=hint)
    if content.get("version") != version:
        message = f"the checkpoint has format version {content.get('version')}, this spikec reads version {version}"
        raise refuse("E704", message, file=path, hint="use the spikec that wrote it, or train again")
    return content


def _require_archive(path: Path, hint: str) -> None:
    """E703 with what ``path`` is, unless it is a whole archive as torch writes them."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            names = archive.namelist()
    except Exception as error:  # zipfile too raises what it likes on foreign bytes
        is_cut = path.read_bytes()[:4] == b"PK\x03\x04"
        is_onnx = path.suffix.lower() == ".onnx"
        other = "it is an ONNX model" if is_onnx else "it is no archive as torch writes them"
        what = "it is cut short or damaged" if is_cut else other
        message = f"the file is not a checkpoint: {what}"
        raise refuse("E703", message, file=path, hint=COPY_AGAIN if is_cut else hint) from error
    if damaged is not None:
        raise refuse("E703", f"the checkpoint is damaged in {damaged}", file=path, hint=COPY_AGAIN)
    if any(name.endswith("/constants.pkl") for name in names):
        raise refuse("E703", "the file is a TorchScript program, not a checkpoint", file=path, hint=hint)
    if not any(name.endswith("data.pkl") for name in names):
        raise refuse("E703", "the file is an archive, but holds no checkpoint", file=path, hint=hint)


def load_checkpoint(path: Path, hint: str = TRAINED_HERE) -> Checkpoint:
    """Return the checkpoint in a ``.pt`` file, checked by building its network.

    ``hint`` as for `read_dictionary`. Errors: E701 no such file, E703 truncated, foreign or inconsistent, E704 of
    another version.
    """
    content = read_dictionary(path, FORMAT, VERSION, hint)
    try:
        activation = content["activation"]
        checkpoint = Checkpoint(
            NetworkSpec(**content["network"]),
            Activation(activation["kind"], activation["levels"]),
            content["weights"],
            content["training"],
        )
        if checkpoint.network.problems() or activation["shift"] != checkpoint.activation.shift:
            raise _inconsistent(path, "network or activation are unknown")
        checkpoint.build()
    except KeyError as error:
        raise _inconsistent(path, f"it lacks {error}") from error
    except RuntimeError as error:
        raise _inconsistent(path, "its weights are not those of the network that it names") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise _inconsistent(path, "what it says of network or activation is of the wrong kind") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in checkpoint.weights.values()):
        raise _inconsistent(path, "weights are not finite")
    return checkpoint


def _inconsistent(path: Path, reason: str) -> UnusableInput:
    hint = "the file was altered or comes from a training that failed: train again"
    return refuse("E703", f"the checkpoint does not describe a network: {reason}", file=path, hint=hint)


def export_onnx(path: Path) -> bytes:
    """Return the network of a checkpoint as the bytes of an ONNX model, see `onnx_of`.

    Errors: those of `load_checkpoint`.
    """
    return onnx_of(load_checkpoint(path, OWN_MODEL))


def onnx_of(checkpoint: Checkpoint) -> bytes:
    """Return a checkpoint as the bytes of an ONNX model whose metadata tell how it was trained.

    ``input`` (batch, C, H, W) float32 in 0..1, or int8 where data are signed bytes, to ``logits`` (batch, classes),
    batch symbolic, batch norm kept as it is.
    """
    record = training_kind(checkpoint.activation.kind, checkpoint.training)
    return with_training_record(onnx_bytes(checkpoint.build(), checkpoint.network), record)


def onnx_bytes(network: nn.Module, spec: NetworkSpec) -> bytes:
    """Return a network in evaluation mode as the bytes of an ONNX model; see `onnx_of`."""
    taken = nn.Sequential(SignedBytes(), network) if spec.signed else network
    example = torch.zeros(1, *spec.shape, dtype=torch.int8 if spec.signed else torch.float32)
    return traced_onnx(taken, example, ("logits",))


def thresholds(network: nn.Module) -> dict[str, float]:
    """Return the threshold of every layer that has one by module name."""
    return {name: float(layer.threshold.detach()) for name, layer in threshold_layers(network).items()}
