"""The options of a compilation, which ``spikec compile`` and ``check`` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ...targets import names as target_names
from ...targets.facts import NEURON_MODELS
from ...targets.terminal.completion import name_or_file, one_of
from ...targets.terminal.help_page import option

# The names again, so that neither help nor completion imports the compiler; a test compares.
SCHEDULE_NAMES = ("pipelined", "exact", "mixed")
INPUT_NAMES = ("constant", "frames")
MAXIMA_NAMES = ("exact", "average", "measured")
THRESHOLD_METHODS = ("mse", "percentile")
GRANULARITIES = ("neuron", "channel", "layer")

_TIME, _CALIBRATION, _MODEL, _CHIP = "Time", "Calibration", "Model and neurons", "Chip"


def _names(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def input_shape(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Value of ``--input-shape``."""
    if text is None:
        return None
    from ..options import parse_input_shape

    return parse_input_shape(text)


INPUT_HELP = "Samples are constant over the window, or frames for each step; by default as the data are."
INPUT_SHAPE = option(
    "--input-shape",
    metavar="CxHxW",
    callback=input_shape,
    section=_MODEL,
    help="Sizes of one sample, without the batch, for those that the model file leaves open.",
)


def _outputs(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
    return given or None


OUTPUT = option(
    "--output-name",
    "--output",
    "output",
    metavar="NAME",
    multiple=True,
    callback=_outputs,
    section=_MODEL,
    help="Outputs of MODEL, or other values of its graph; several by commas, or by giving the option again. Labels are "
    "those of the first.",
)


def compile_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of ``CompileOptions``, by the names of its fields."""
    options = (
        option(
            "--target",
            default="lava",
            show_default=True,
            metavar="NAME|FILE.toml",
            shell_complete=name_or_file(target_names),
            section=_CHIP,
            help="Name of a chip ('spikec targets' lists them), or path of a description of your own; for check also "
            "several between commas, all, or smallest.",
        ),
        option("--weight-bits", type=int, section=_CHIP, help="Lower the chip's weight width, sign included."),
        option("--strict", is_flag=True, section=_CHIP, help="Count warnings as errors."),
        option("--timesteps", type=int, default=4, show_default=True, section=_TIME, help="Time steps T per sample."),
        option("--input", type=click.Choice(INPUT_NAMES), metavar="NAME", section=_TIME, help=INPUT_HELP),
        option(
            "--schedule",
            default="pipelined",
            show_default=True,
            metavar="NAME",
            shell_complete=one_of(lambda: SCHEDULE_NAMES),
            section=_TIME,
            help=f"One of {', '.join(SCHEDULE_NAMES)}.",
        ),
        option(
            "--exact-layers",
            metavar="NAME,NAME",
            callback=_names,
            section=_TIME,
            help="Layers to gate (schedule mixed).",
        ),
        option(
            "--latency-budget",
            type=int,
            section=_TIME,
            help="Steps that gates may fill, chosen by need (schedule mixed).",
        ),
        option(
            "--calibration",
            metavar="FILE.npz",
            type=click.Path(),
            section=_CALIBRATION,
            help="Training inputs, labels optional.",
        ),
        option(
            "--threshold-method",
            type=click.Choice(THRESHOLD_METHODS),
            default="mse",
            show_default=True,
            section=_CALIBRATION,
            help="How a ReLU gets its threshold.",
        ),
        option(
            "--percentile",
            type=float,
            default=99.9,
            show_default=True,
            section=_CALIBRATION,
            help="Of the activations, for the threshold method percentile.",
        ),
        option(
            "--calibrate/--no-calibrate",
            default=True,
            section=_CALIBRATION,
            help="Fit ReLU layers to spike counts, and calibrate initial potentials, on the calibration data.",
        ),
        option(
            "--max-loss",
            type=float,
            default=1.0,
            show_default=True,
            metavar="POINTS",
            section=_CALIBRATION,
            help="Accuracy that may be lost on labelled data without a warning.",
        ),
        option(
            "--aim",
            metavar="MODEL",
            type=click.Path(),
            section=_CALIBRATION,
            help="Network whose activations the calibration aims at, if not MODEL's own: the one that weights were "
            "calibrated from.",
        ),
        option(
            "--granularity",
            type=click.Choice(GRANULARITIES),
            default="channel",
            show_default=True,
            section=_CALIBRATION,
            help="What shares an initial potential.",
        ),
        option(
            "--iterations", type=int, default=3, show_default=True, section=_CALIBRATION, help="Of the calibration."
        ),
        option(
            "--pieces",
            type=int,
            default=4,
            show_default=True,
            section=_MODEL,
            help="Populations that a sigmoid, GELU or other function is fitted by, at most.",
        ),
        option(
            "--neuron",
            default="if",
            show_default=True,
            metavar="NAME",
            shell_complete=one_of(lambda: NEURON_MODELS),
            section=_MODEL,
            help=f"Neuron model, one of {', '.join(NEURON_MODELS)}.",
        ),
        option(
            "--first-pass",
            type=int,
            default=4,
            show_default=True,
            section=_MODEL,
            help="Steps that measure (--neuron srp, cos).",
        ),
        option(
            "--levels",
            type=int,
            default=31,
            show_default=True,
            section=_MODEL,
            help="Levels of activations that have none of their own (--neuron graded).",
        ),
        option(
            "--maxima",
            default="exact",
            show_default=True,
            metavar="NAME",
            shell_complete=one_of(lambda: MAXIMA_NAMES),
            section=_MODEL,
            help="What max pooling becomes: exact (neurons that compute it), average (another network) or measured "
            "(what agrees more on held-out calibration data).",
        ),
        INPUT_SHAPE,
        OUTPUT,
    )
    for each in reversed(options):
        command = each(command)
    return command
