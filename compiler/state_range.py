"""Whether the state has room for every potential there can be, or for those that data causes: what serves better.

Finer weights are nearer to the network's on every input, of which the held-out samples are few; so the proven range,
where it starves them, is kept only where it is nearer there by more than the standard error of the paired difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..runtime.encoding import encode
from ..runtime.program.neuron_models import IF
from ..runtime.samples import Samples
from .ir.operators import FloatArray
from .passes.calibrate_initial_potential import aim_of, distances
from .passes.calibrate_state_range import CalibrateStateRange
from .passes.contract import Context, Pass, program_level, spiking_level
from .passes.paired_difference import is_certainly_less
from .pipeline import Pipeline, run_again, settle

_FEWEST_SAMPLES = 8
_HELD_OUT_SHARE = 4
_STARVED_BITS = 7.0


def with_better_state_range(
    pipeline: Pipeline,
    context: Context,
    passes: tuple[Pass, ...],
    report: Callable[[str], None] | None = None,
) -> Pipeline:
    """Return ``pipeline``, or where its proven state range starves it and held-out data says so, one with less room."""
    return settle(_better(pipeline, context, passes, report))


def _better(
    pipeline: Pipeline, context: Context, passes: tuple[Pass, ...], report: Callable[[str], None] | None
) -> Pipeline:
    calibration = context.calibration
    if calibration is None or len(calibration) < _FEWEST_SAMPLES or context.neuron != IF:
        return pipeline
    # Exact counts and scores are proven ones; and Lava's own neurons saturate at other values than the program does.
    own_processes = context.target.neuron.lava_processes
    if context.schedule == "exact" or (own_processes is not None and own_processes.value):
        return pipeline
    if not _is_starved(pipeline):
        return pipeline
    used = len(calibration) - len(calibration) // _HELD_OUT_SHARE
    potentials = _potentials(pipeline, calibration.between(0, used))
    calibrated = run_again(pipeline, CalibrateStateRange, replace(context, potentials=potentials), passes, report)
    held_out = calibration.between(used, len(calibration))
    proven_is_nearer = is_certainly_less(*(_distances(p, context, held_out) for p in (pipeline, calibrated)))
    return pipeline if proven_is_nearer else calibrated


def _is_starved(pipeline: Pipeline) -> bool:
    """Whether the proven state range leaves some layer few bits of weight or input."""
    (effect,) = [record.effect for record in pipeline.records if record.name == "quantize-weights"]
    bound = [layer for layer in effect["layers"].values() if "state range" in layer["limited_by"]]
    few = any(layer["weight_bits"] < _STARVED_BITS for layer in bound)
    return few or (bool(bound) and any(d.code == "W212" for d in pipeline.diagnostics))


def _potentials(pipeline: Pipeline, samples: Samples) -> dict[str, FloatArray]:
    """Largest potential of each channel on ``samples``, in the units of the population's threshold."""
    from ..runtime.simulator.potentials import largest_potentials

    program, spiking = program_level(pipeline.state), spiking_level(pipeline.state)
    found = largest_potentials(program, encode(program.input, samples.inputs)[0])
    scales = {p.name: p.integer_threshold for p in spiking.populations}
    return {name: largest / scale.ravel() for name, largest in found.items() if (scale := scales[name]) is not None}


def _distances(pipeline: Pipeline, context: Context, held_out: Samples) -> FloatArray:
    wanted = aim_of(pipeline.state, context).log_probabilities(held_out)
    return distances(program_level(pipeline.state), spiking_level(pipeline.state), wanted, held_out)
