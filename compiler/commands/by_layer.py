"""``spikec rmpe``, ``unevenness``, ``confidence`` and ``energy``: what methods do to the layers of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ...runtime.progress import progress_bar
from ...targets.records import dataclass
from ...targets.terminal.completion import several_of
from ...targets.terminal.findings import tell_findings
from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import tell, tell_json
from ...targets.terminal.verbosity import verbosity_options
from .compile_options import INPUT_SHAPE, OUTPUT
from .measure import ALL, CALIBRATION, DEFAULT_NAMES, LIMIT, METHOD_NAMES, TARGET

if TYPE_CHECKING:
    from ..analysis.unevenness import Given
    from ..evaluation.by_layer import ByLayer, Figures, Measure
    from ..evaluation.picture import Panels
    from ..frontend.model import ModelReader

    Readers = Mapping[str, ModelReader] | None

GIVEN = ("layer", "network")
"""What the ANN's layers are given; the names again, so that help does not import the measures. A test compares."""


@dataclass(frozen=True, slots=True)
class _Choices:
    """The options that the commands share, by their names."""

    models: tuple[str, ...]
    data: str
    calibration: str | None
    target: str
    timesteps: int
    methods: str
    input_shape: tuple[int, ...] | None
    output: tuple[str, ...] | None
    limit: int | None
    plot: str | None
    as_json: bool


def _choices(body: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments and options of ``_Choices``."""
    parts = (
        click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path()),
        option("--data", required=True, metavar="FILE.npz", type=click.Path(), help="Inputs; labels are not needed."),
        option("--calibration", metavar="FILE.npz", type=click.Path(), help=CALIBRATION),
        TARGET,
        option("--timesteps", type=int, default=4, show_default=True, help="Time steps T per sample."),
        option(
            "--methods",
            default=",".join(DEFAULT_NAMES),
            show_default=True,
            shell_complete=several_of(lambda: (ALL, *METHOD_NAMES)),
            help="By commas, or 'all' that apply.",
        ),
        INPUT_SHAPE,
        OUTPUT,
        LIMIT,
        option("--plot", metavar="FILE.svg", type=click.Path(), help="Draw the figures."),
        json_option,
        verbosity_options,
        click.pass_obj,
    )
    for part in reversed(parts):
        body = part(body)
    return body


@command()
@_choices
def rmpe(readers: Readers, **chosen: Any) -> None:
    """Tell which share of each layer's neurons is left with a potential outside [0, threshold), by method.

    These are figures 4 and 5 of Xiong et al. 2025; beside them stands how many counts are wrong.
    """
    from ..evaluation.by_layer import RMPE
    from ..evaluation.layer_forms import layers_document, rmpe_text
    from ..evaluation.layer_plots import rmpe_panels

    _run(_Choices(**chosen), readers, RMPE, rmpe_text, rmpe_panels, layers_document)


@command()
@_choices
@option(
    "--ann",
    type=click.Choice(GIVEN),
    default=GIVEN[0],
    show_default=True,
    help="What the ANN's layers are given: the spikes that the program's layers got, or its own activations.",
)
def unevenness(readers: Readers, ann: Given, **chosen: Any) -> None:
    """Tell in which share of each layer's neurons the count is not the ANN's, by method and kind of error.

    The four kinds are those of Hao et al. 2023 (SRP); the ANN is the network quantised to T levels.
    """
    from ..evaluation.by_layer import unevenness_given
    from ..evaluation.layer_forms import unevenness_document, unevenness_text
    from ..evaluation.layer_plots import unevenness_panels

    text, document = partial(unevenness_text, given=ann), partial(unevenness_document, given=ann)
    _run(_Choices(**chosen), readers, unevenness_given(ann), text, unevenness_panels, document)


@command()
@_choices
def confidence(readers: Readers, **chosen: Any) -> None:
    """Tell which share of the neurons that fired is active in the ANN, step by step, by layer and method.

    And which share of the inactive ones fired: spike confidence and spikes of inactivated neurons of He et al. 2024
    (MSAT), measured on --data.
    """
    from ..evaluation.by_layer import CONFIDENCE
    from ..evaluation.layer_forms import confidence_text, layers_document
    from ..evaluation.layer_plots import confidence_panels

    _run(_Choices(**chosen), readers, CONFIDENCE, confidence_text, confidence_panels, layers_document)


@command()
@_choices
def energy(readers: Readers, **chosen: Any) -> None:
    """Tell spikes and operations by layer and method, and the energy against the ANN by eq. 18 of Xiong et al. 2025.

    Its figures are of 45 nm CMOS and of no chip; 'spikec profile' estimates what a compiled network takes of a chip.
    """
    from ..evaluation.by_layer import OPERATIONS
    from ..evaluation.layer_forms import energy_document, energy_text
    from ..evaluation.layer_plots import energy_panels

    _run(_Choices(**chosen), readers, OPERATIONS, energy_text, energy_panels, energy_document)


def _run(
    choices: _Choices,
    readers: Readers,
    measure: Measure[Figures],
    text: Callable[[ByLayer[Figures]], str],
    panels: Callable[[ByLayer[Figures]], Panels],
    document: Callable[[ByLayer[Figures]], dict[str, Any]],
) -> None:
    """Measure, and give the result in the forms that were asked for."""
    from ...runtime.program.artefact import write_file
    from ..evaluation.by_layer import measure_by_layer
    from ..evaluation.model_data import read_given, samples_for
    from ..evaluation.picture import require_matplotlib, svg_panels
    from ..options import CompileOptions

    if choices.plot is not None:
        require_matplotlib()
    options = CompileOptions(
        target=choices.target,
        timesteps=choices.timesteps,
        input_shape=choices.input_shape,
        output=choices.output,
    )
    models = [read_given(model, options, readers) for model in choices.models]
    samples = samples_for(models[0].model, choices.data, choices.limit)
    known = None if choices.calibration is None else samples_for(models[0].model, choices.calibration, None)
    with progress_bar("measuring") as progress:
        result = measure_by_layer(
            models,
            samples,
            replace(options, calibration=known),
            tuple(name.strip() for name in choices.methods.split(",")),
            measure,
            progress=progress,
        )
    tell_findings(result.remarks)
    if choices.plot is not None:
        write_file(choices.plot, svg_panels(panels(result)))
    tell_json(document(result)) if choices.as_json else tell(*text(result).split("\n"))
