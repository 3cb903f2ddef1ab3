"""The command line of training: ``spikec train``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ...runtime.progress import progress_bar
from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import tell, tell_json
from ...targets.terminal.verbosity import verbosity_options
from ..libraries import require_libraries

NETWORKS = ("convnet", "resnet20", "vgg16", "signalnet", "bagnet")
DATASETS = (
    *("digits", "digits-events", "fashion-mnist", "cifar10", "cifar100", "imagenet"),
    *("activity", "speech-commands", "imdb"),
)
ACTIVATIONS = ("relu", "clip", "ratenorm", "floor", "round")
NOISES = ("none", "gap", "local")
PRECISIONS = ("float32", "bfloat16")
TEACHERS = ("quantised", "relu")
THRESHOLD_RULES = ("mmse", "percentile")
SHORTCUTS = ("projection", "identity")
POOLINGS = ("average", "max")


_NETWORK, _ROUNDS, _SPIKES, _STEPS, _RESULTS = "Network and data", "Rounds", "Noise and spikes", "Optimiser", "Results"


_TRAINED_ROUNDS = (
    ("relu", "ReLU", 20, 0.1),
    ("qc", "quantise-and-clip", 15, 0.01),
    ("noise", "noise", 15, 0.01),
    ("deploy", "deployment", 5, 0.01),
)
"""Key, name, epochs and learning rate of each."""


def _round_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--epochs-ROUND`` and ``--learning-rate-ROUND`` of every round."""
    for key, name, _, rate in reversed(_TRAINED_ROUNDS):
        told = f"Of the first steps of the {name} round."
        command = _round_option(command, f"--learning-rate-{key}", float, rate, told)
    for key, name, epochs, _ in reversed(_TRAINED_ROUNDS):
        command = _round_option(command, f"--epochs-{key}", int, epochs, f"Of the {name} round.")
    return command


def _round_option(command: Callable[..., Any], name: str, kind: type, default: float, told: str) -> Callable[..., Any]:
    decorate = option(name, type=kind, default=default, show_default=True, section=_ROUNDS, help=told)
    return decorate(command)


@command()
@option(
    "--network",
    type=click.Choice(NETWORKS),
    default="convnet",
    show_default=True,
    section=_NETWORK,
    help="What is trained.",
)
@option(
    "--width",
    type=int,
    default=0,
    section=_NETWORK,
    help="Channels of the first convolution; 0 takes the usual number.",
)
@option(
    "--shortcut",
    type=click.Choice(SHORTCUTS),
    default="projection",
    show_default=True,
    section=_NETWORK,
    help="How resnet20 leads past a block that halves its maps.",
)
@option(
    "--pooling",
    type=click.Choice(POOLINGS),
    default="average",
    show_default=True,
    section=_NETWORK,
    help="What halves the maps of convnet, signalnet and vgg16.",
)
@option(
    "--dataset",
    type=click.Choice(DATASETS),
    required=True,
    metavar="NAME",
    section=_NETWORK,
    help=f"What it is trained on: {', '.join(DATASETS)}.",
)
@option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    section=_NETWORK,
    help="Folder of the data set's files; of imagenet, with train/CLASS and val/CLASS.",
)
@option(
    "--download",
    is_flag=True,
    section=_NETWORK,
    help="Let torchvision fetch the data set, into --data or the cache folder.",
)
@option(
    "--held-out",
    type=float,
    default=0.1,
    show_default=True,
    section=_NETWORK,
    help="Share of the training data that chooses the best epoch.",
)
@option(
    "--activation",
    type=click.Choice(ACTIVATIONS),
    default="round",
    show_default=True,
    section=_ROUNDS,
    help="relu: one round. A second round trains quantise-and-clip, floor (eq. 8) or round (QCFS), or a clipped ReLU: "
    "clip (TCL), or with ratenorm its thresholds alone.",
)
@option("--levels", type=int, default=4, show_default=True, section=_ROUNDS, help="Levels L of quantise-and-clip.")
@option(
    "--threshold-rule",
    type=click.Choice(THRESHOLD_RULES),
    default="mmse",
    show_default=True,
    section=_ROUNDS,
    help="What the thresholds of the second round start from: the least square error, or a percentile.",
)
@_round_options
@option(
    "--noise",
    type=click.Choice(NOISES),
    default="none",
    show_default=True,
    section=_SPIKES,
    help="A round with the conversion's residual errors in the activations: gap (Huang et al.) or local (as measured "
    "per level, on the same input).",
)
@option(
    "--noise-timesteps",
    type=int,
    default=4,
    show_default=True,
    section=_SPIKES,
    help="T at which the errors are measured.",
)
@option(
    "--deploy-timesteps",
    type=int,
    default=0,
    show_default=True,
    section=_SPIKES,
    help="T of a last round, which trains the spikes; 0: none.",
)
@option(
    "--weight-bits",
    type=int,
    default=8,
    show_default=True,
    section=_SPIKES,
    help="Width of the weights in the last round.",
)
@option(
    "--distillation",
    type=float,
    default=1.0,
    show_default=True,
    section=_SPIKES,
    help="Share of the loss for which the ANN is the teacher.",
)
@option(
    "--temperature",
    type=float,
    default=2.0,
    show_default=True,
    section=_SPIKES,
    help="By what the logits are divided before they are compared.",
)
@option(
    "--teacher",
    type=click.Choice(TEACHERS),
    default="quantised",
    show_default=True,
    section=_SPIKES,
    help="Which ANN that is: the most accurate quantised one, or that of the ReLU round.",
)
@option(
    "--rate-penalty",
    type=float,
    default=0.0,
    show_default=True,
    section=_SPIKES,
    help="Price of firing: times the mean rate of the layers, it is added to the loss.",
)
@option("--batch-size", type=int, default=128, show_default=True, section=_STEPS, help="Samples in one step.")
@option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    section=_STEPS,
    help="Type of the convolutions while training; bfloat16 is faster on many machines.",
)
@option(
    "--gradient-norm",
    type=float,
    default=0.0,
    show_default=True,
    section=_STEPS,
    help="Longest gradient of a batch, longer ones are shortened; 0: any length.",
)
@option(
    "--weight-decay",
    type=float,
    default=5e-4,
    show_default=True,
    section=_STEPS,
    help="Weight decay of the weights.",
)
@option(
    "--threshold-decay",
    type=float,
    default=0.0,
    show_default=True,
    section=_STEPS,
    help="Weight decay of the thresholds.",
)
@option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    section=_STEPS,
    help="Of the first weights, the order of samples and the held-out share.",
)
@option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda")),
    default="auto",
    show_default=True,
    section=_STEPS,
    help="auto takes a GPU where there is one.",
)
@option(
    "--start",
    type=click.Path(path_type=Path),
    section=_RESULTS,
    help="Checkpoint whose rounds are not repeated; same data and seed.",
)
@option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, section=_RESULTS, help="Folder of the results."
)
@option("--resume", is_flag=True, section=_RESULTS, help="Continue the unfinished training in the folder.")
@json_option
@verbosity_options
def train(
    dataset: str,
    folder: Path | None,
    download: bool,
    device: str,
    start: Path | None,
    output: Path,
    resume: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Train a quantise-and-clip network: a ReLU round, a quantise-and-clip round, and those that the options add.

    Writes model.pt, model.onnx, train.json, test.npz and calibration.npz, ready for compile and evaluate.
    """
    require_libraries("torch", "onnx")
    from ..checkpoint import load_checkpoint
    from ..datasets.library import load_dataset
    from ..training.options import TrainingOptions
    from ..training.training import train as run_training

    options = TrainingOptions(**given)
    with progress_bar("training"):
        record = run_training(
            options,
            load_dataset(dataset, folder, download=download),
            output,
            start=None if start is None else load_checkpoint(start),
            resume=resume,
            device=device,
        )
    tell_json(record) if as_json else tell(*_summary(record, output))


def _summary(record: dict[str, Any], output: Path) -> list[str]:
    lines = [
        f"{done['round']:>8}: best epoch {done['best_epoch']} of {done['epochs']}, "
        f"validation {done['validation_accuracy']:.2%}, test {done['test_accuracy']:.2%}"
        + (f" at T = {done['timesteps']}" if "timesteps" in done else "")
        for done in record["rounds"]
    ]
    return [*lines, f"written to {output}"]
