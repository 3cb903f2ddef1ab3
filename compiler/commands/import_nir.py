"""``spikec import``: a network of another simulator as a model."""

from __future__ import annotations

from pathlib import Path

import click

from ...targets.terminal.help_page import command, option
from ...targets.terminal.streams import tell
from ...targets.terminal.verbosity import verbosity_options


@command(name="import")
@click.argument("file", metavar="FILE.nir", type=click.Path())
@option("--timesteps", type=click.IntRange(1, 4096), default=4, show_default=True, help="Time steps T per sample.")
@option("--reset", type=click.Choice(("subtract", "zero")), help="How neurons are reset, where the file does not say.")
@option("-o", "--output", required=True, metavar="MODEL.onnx", type=click.Path(), help="Where the model goes.")
@verbosity_options
def import_command(file: str, timesteps: int, reset: str | None, output: str) -> None:
    """Read a feed-forward NIR graph of integrate-and-fire neurons as a model for T steps."""
    from ...runtime.program.artefact import write_file
    from ..frontend.nir_model import nir_to_onnx

    write_file(output, nir_to_onnx(Path(file), timesteps, reset))
    tell(f"model: {output}", f"compile it: spikec compile {output} -o DIR --timesteps {timesteps}")
