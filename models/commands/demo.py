"""``spikec demo``: the whole path on the shipped network and real images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...runtime.progress import progress_bar, stage_progress
from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import tell, tell_json
from ...targets.terminal.verbosity import verbosity_options
from ..shipped import shipped_model, shipped_samples

if TYPE_CHECKING:
    from ...compiler.compiled import Compiled
    from ...runtime.agreement import Agreement
    from ...runtime.execution import Execution
    from ...runtime.samples import Samples

_TIMESTEPS = 4


@command()
@option(
    "-o",
    "--output-directory",
    "directory",
    default="out/demo",
    show_default=True,
    metavar="DIR",
    type=click.Path(),
    help="Where the artefact goes.",
)
@option(
    "--verify-samples",
    type=click.IntRange(1, 1000),
    default=12,
    show_default=True,
    help="Images on which every spike is compared.",
)
@json_option
@verbosity_options
def demo(directory: str, verify_samples: int, as_json: bool) -> int:
    """Compile the shipped network, run it on Lava, verify it spike by spike and report."""
    import numpy as np

    from ...compiler import CompileOptions, compile_model
    from ...compiler.pipeline import STAGES
    from ...runtime.encoding import encode
    from ...runtime.program.artefact import check_destination
    from ...runtime.running import compare_backends

    check_destination(directory)
    test, calibration = load_shipped_samples()
    with stage_progress("compiling", STAGES) as stages:
        compiled = compile_model(
            shipped_model(),
            CompileOptions(timesteps=_TIMESTEPS, calibration=calibration),
            report=stages,
        )
    executions = _run_everywhere(compiled, test)
    encoded, _ = encode(compiled.program.input, test.first(verify_samples).inputs)
    agreement = compare_backends(compiled.program, encoded, ("reference", *executions))
    compiled.with_agreement(agreement).save(directory)
    document = _document(directory, test, executions, agreement)
    tell_json(document) if as_json else tell(*_lines(document, agreement))
    same = all(np.array_equal(e.readout, executions["simulator"].readout) for e in executions.values())
    return 0 if agreement.equal and same else 1


def load_shipped_samples() -> tuple[Samples, Samples]:
    """The 1,000 test images and the 512 training images for calibration that come with the package."""
    import numpy as np

    from ...runtime.samples import Samples

    with np.load(shipped_samples(), allow_pickle=False) as archive:
        test = Samples(archive["test_inputs"], archive["test_labels"].astype(np.int64))
        calibration = Samples(archive["calibration_inputs"], archive["calibration_labels"].astype(np.int64))
    return test, calibration


def _run_everywhere(compiled: Compiled, test: Samples) -> dict[str, Execution]:
    from ...runtime.backends import run_backend
    from ...runtime.encoding import encode
    from ...runtime.lava import availability

    encoded, _ = encode(compiled.program.input, test.inputs)
    names = ("simulator", "lava") if availability().available else ("simulator",)
    executions = {}
    for name in names:
        with progress_bar(f"running {len(test)} images on {name}") as progress:
            executions[name] = run_backend(name, compiled.program, encoded, progress=progress)
    return executions


def _document(directory: str, test: Samples, executions: dict[str, Execution], agreement: Agreement) -> dict[str, Any]:
    from ...compiler.analysis.ledger import predictions_of
    from ...compiler.frontend.model import read_model
    from ...runtime.lava import availability

    network = read_model(shipped_model()).network
    return {
        "samples": len(test),
        "timesteps": _TIMESTEPS,
        "ann_accuracy": test.accuracy(predictions_of(network, test.as_float())),
        "spiking_accuracy": {name: test.accuracy(e.predictions) for name, e in executions.items()},
        "seconds": {name: round(e.seconds, 2) for name, e in executions.items()},
        "steps": {name: e.steps for name, e in executions.items()},
        "lava": str(availability()),
        "verify": agreement.document(),
        "program": str(Path(directory) / "program.json"),
        "report": str(Path(directory) / "report.html"),
    }


def _lines(document: dict[str, Any], agreement: Agreement) -> list[str]:
    lines = [
        f"{document['samples']} Fashion-MNIST test images, T = {document['timesteps']}",
        f"ANN (float)          {document['ann_accuracy']:.1%}",
    ]
    for name, accuracy in document["spiking_accuracy"].items():
        figures = f"{document['steps'][name]} steps in {document['seconds'][name]} s"
        lines.append(f"spikes on {name:10} {accuracy:.1%}   {figures}")
    if "lava" not in document["spiking_accuracy"]:
        lines.append(f"not run on Lava: {document['lava']}")
    first, *others = agreement.lines()
    lines += [
        f"verify: {first}",
        *others,
        f"program: {document['program']}",
        f"report: {document['report']}",
    ]
    return lines
