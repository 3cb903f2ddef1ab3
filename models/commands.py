"""The command line of training: ``spikec train``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .demo import demo
from .libraries import require_libraries

NETWORKS = ("convnet", "resnet20", "vgg16")
DATASETS = ("digits", "fashion-mnist", "cifar10")
ACTIVATIONS = ("relu", "floor", "round")
THRESHOLD_RULES = ("mmse", "percentile")
SHORTCUTS = ("projection", "identity")


@click.command()
@click.option("--network", type=click.Choice(NETWORKS), default="convnet", show_default=True)
@click.option("--width", type=int, default=0, help="Channels of the first convolution; 0 takes the usual number.")
@click.option("--shortcut", type=click.Choice(SHORTCUTS), default="projection", show_default=True, help="Of resnet20.")
@click.option("--dataset", type=click.Choice(DATASETS), required=True)
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Folder of the data set's files.")
@click.option("--download", is_flag=True, help="Let torchvision fetch the data set, into --data or the cache folder.")
@click.option(
    "--activation",
    type=click.Choice(ACTIVATIONS),
    default="round",
    show_default=True,
    help="relu: one round; floor (eq. 8) or round (QCFS): a second round of quantise-and-clip.",
)
@click.option("--levels", type=int, default=4, show_default=True, help="Levels of quantise-and-clip.")
@click.option("--epochs-relu", type=int, default=20, show_default=True)
@click.option("--epochs-qc", type=int, default=15, show_default=True)
@click.option("--learning-rate-relu", type=float, default=0.1, show_default=True)
@click.option("--learning-rate-qc", type=float, default=0.01, show_default=True)
@click.option("--batch-size", type=int, default=128, show_default=True)
@click.option("--weight-decay", type=float, default=5e-4, show_default=True)
@click.option("--threshold-decay", type=float, default=0.0, show_default=True, help="Weight decay of the thresholds.")
@click.option("--threshold-rule", type=click.Choice(THRESHOLD_RULES), default="mmse", show_default=True)
@click.option("--held-out", type=float, default=0.1, show_default=True, help="Share that chooses the best epoch.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the results.")
@click.option("--resume", is_flag=True, help="Continue the unfinished training in the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def train(
    dataset: str,
    folder: Path | None,
    download: bool,
    device: str,
    output: Path,
    resume: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Train a quantise-and-clip network: a ReLU round, then a quantise-and-clip round.

    Writes model.pt, model.onnx, train.json, test.npz and calibration.npz, ready for compile and evaluate.
    """
    require_libraries("torch", "onnx")
    from .datasets.library import load_dataset
    from .options import TrainingOptions
    from .training import train as run_training

    options = TrainingOptions(**given)
    record = run_training(
        options, load_dataset(dataset, folder, download=download), output, resume=resume, device=device
    )
    click.echo(json.dumps(record, sort_keys=True) if as_json else _summary(record, output))


def _summary(record: dict[str, Any], output: Path) -> str:
    lines = [
        f"{done['round']:>4}: best epoch {done['best_epoch']} of {done['epochs']}, "
        f"validation {done['validation_accuracy']:.2%}, test {done['test_accuracy']:.2%}"
        for done in record["rounds"]
    ]
    return "\n".join([*lines, f"written to {output}"])


COMMANDS: tuple[click.Command, ...] = (demo, train)
"""What ``spikec`` offers from this folder."""
