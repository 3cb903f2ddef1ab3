"""The command line of weight calibration: ``spikec calibrate-weights``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...runtime.progress import progress_bar
from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import tell, tell_json
from ...targets.terminal.verbosity import verbosity_options
from ..libraries import require_libraries

if TYPE_CHECKING:
    from ..calibration.calibrated_network import Calibrated

GRADIENTS = ("mended", "printed", "straight-through")
INITIAL_POTENTIALS = ("balanced", "printed")
LIMIT = 1024


@command(name="calibrate-weights")
@click.argument("checkpoint", metavar="CHECKPOINT.pt", type=click.Path(path_type=Path))
@option("--timesteps", type=int, required=True, help="T of the spiking network.")
@option(
    "--images",
    metavar="FILE.npz",
    type=click.Path(path_type=Path),
    help="Training images that chose nothing; without it the calibration.npz beside the checkpoint.",
)
@option("--limit", type=click.IntRange(min=1), default=LIMIT, show_default=True, help="Take the first N of the images.")
@option(
    "--gradient",
    type=click.Choice(GRADIENTS),
    default="mended",
    show_default=True,
    help="mended: through time (LWC of Xiong et al., its flaws repaired). printed: as near the paper as trains at all. "
    "straight-through: on mean inputs (Li et al.), also for networks with ReLUs.",
)
@option("--potentials/--no-potentials", default=True, help="Calibrate initial potentials before the weights.")
@option(
    "--initial",
    type=click.Choice(INITIAL_POTENTIALS),
    default="balanced",
    show_default=True,
    help="Of the potentials where they are not calibrated: balanced over T steps, or printed, v0 = 0 for eq. 8.",
)
@option("--epochs", type=int, default=20, show_default=True, help="Per layer, at most.")
@option("--learning-rate", type=float, help="Of the first epoch; without it the usual one of the gradient.")
@option("--batch-size", type=int, default=128, show_default=True)
@option("--seed", type=int, default=0, show_default=True)
@option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the results.")
@json_option
@verbosity_options
def calibrate_weights(
    checkpoint: Path, images: Path | None, limit: int, output: Path, as_json: bool, **given: Any
) -> None:
    """Calibrate the weights of a trained network for T time steps, layer by layer, on unlabelled images.

    Writes what train writes: model.pt, model.onnx, train.json, calibration.npz, and test.npz if there is one beside the
    checkpoint. With potentials, compile the network with --aim CHECKPOINT: they aim at its activations.
    """
    require_libraries("torch", "onnx")
    from ..calibration.calibrated_network import calibrate_network
    from ..calibration.weight_calibration import WeightCalibration

    with progress_bar("calibrating"):
        done = calibrate_network(checkpoint, output, WeightCalibration(**given), images=images, limit=limit)
    tell_json(done.record) if as_json else tell(*_summary(done, output, checkpoint))


def _summary(done: Calibrated, output: Path, checkpoint: Path) -> list[str]:
    record = done.record
    before, after = record["divergences"]
    verdict = "kept" if record["kept"] else "not kept: the weights are those of the checkpoint"
    lines = [f"{done.images} images, T = {record['timesteps']}, held-out squared error in thresholds:"]
    lines += [f"{name:>24}  {first:.4f} -> {last:.4f}" for name, (first, last) in record["errors"].items()]
    lines.append(f"divergence from the ANN  {before:.4f} -> {after:.4f}, {verdict}")
    lines.append(f"written to {output}")
    if record["potentials"]:
        lines.append(f"compile with --calibration FILE.npz --aim {checkpoint}")
    return lines
