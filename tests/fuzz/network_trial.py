"""One network through the compiler and all that runs it, each stage judged by something that is not ours."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from spikec.compiler.compilation import Built, build_program
from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import Network, evaluate
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.move_maxima import before_linear_maps
from spikec.runtime.agreement import compare
from spikec.runtime.encoding import encode
from spikec.runtime.execution import Execution
from spikec.runtime.lava import run_lava, run_lava_alone
from spikec.runtime.lava.stock.limits import STOCK_TARGET, find_stock_problems
from spikec.runtime.program import IntArray, Program
from spikec.runtime.program.neuron_models import GRADED
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import loops, simulate
from spikec.runtime.simulator.native import CHOICE, available_instruction_sets
from spikec.targets.diagnostic import Diagnostic, UnusableInput

from .choices import Array, Choices
from .float_values import by_evaluator, by_runtime, differs, each_output_alone
from .frames import difference_on_frames
from .integer_network import Stepped, quantised_counts, step_through
from .networks import DrawnNetwork, NetworkSettings, drawn_network
from .verdict import Verdict

NUMBERS = frozenset(("E210", "E222"))
"""Refusals for what a network's numbers are: weights or data for which no integers fit."""

_FLOAT32, _FLOAT64 = 1e-4, 1e-7

_DEEP = 200_000
"""Steps times neurons from which on the reference, which goes neuron by neuron, gets one sample and not two."""

_GEOMETRY = frozenset(("E348", "E505"))
"""What no scale changes: paths that wait too long, and more groups than Lava's Conv counts."""

_DROPPED = ("I013", "I014", "I015")
"""Notes on an end of the network that keeps the order of the scores and was left out."""


class DisagreementError(Exception):
    """Something that is wrong with the product."""


def try_network(
    number: int, settings: NetworkSettings, replayed: Sequence[int] | None = None, lava: bool = False
) -> Verdict:
    """Judge network ``number``; with ``lava`` also on Lava."""
    drawn = drawn_network(number, settings, replayed)
    options = _options(number, settings, drawn)
    try:
        return Verdict(_judged(drawn, options, lava=lava))
    except UnusableInput as refusal:
        return _refused(refusal, drawn)
    except DisagreementError as disagreement:
        return Verdict("disagreement", str(disagreement))


def _options(number: int, settings: NetworkSettings, drawn: DrawnNetwork) -> CompileOptions:
    choices = Choices(f"options {settings.seed} {number}")
    calibrated = drawn.relu or choices.chance(0.3)
    spiking = CompileOptions(
        target=choices.pick(("lava", "loihi1", "loihi2", "speck2f", "spinnaker2", STOCK_TARGET)),
        timesteps=choices.pick((4, 1, 2, 3, 5, 8)),
        schedule=choices.pick(("pipelined", "exact", "exact")),
        calibration=Samples(drawn.samples.astype(np.float32), None) if calibrated else None,
        weight_bits=choices.pick((None, None, None, 3)),
        iterations=1,
        output=drawn.outputs or None,
    )
    # Drawn last, so that a number's other options are what they were before there were graded neurons.
    if spiking.target not in ("lava", "loihi2") or not choices.chance(0.3):
        return spiking
    return replace(spiking, neuron=GRADED, timesteps=1, schedule="pipelined", levels=choices.pick((15, 1, 4, 200)))


def _refused(refusal: UnusableInput, drawn: DrawnNetwork) -> Verdict:
    found = sorted({d.code for d in refusal.diagnostics})
    errors = [d for d in refusal.diagnostics if d.code.startswith("E")]
    others = [d for d in errors if not _is_proper(d, drawn)]
    first = next(iter(others), errors[0])
    kind = f"refused {' '.join(found)}"
    if any(code.startswith("E9") for code in found):
        return Verdict("E9xx", f"{first.code} {first.message}")
    if drawn.expressible and others:
        return Verdict("refused although expressible", f"opset {drawn.opset}: {first.code} {first.message}")
    return Verdict(kind)


def _is_proper(diagnostic: Diagnostic, drawn: DrawnNetwork) -> bool:
    """Whether no fault is shown: no integers fit, an activation is constant, or there is no layer to compile."""
    if diagnostic.code in NUMBERS:
        return True
    if diagnostic.code == "E015":
        return _gives_its_input(drawn)
    is_constant = any(words in diagnostic.message for words in ("for every input", "multiplies by zero"))
    if not is_constant or diagnostic.place is None:
        return False
    network, _ = read_onnx(drawn.model, output=drawn.outputs or None)
    samples = 100 * np.random.default_rng(0).normal(size=(50, *network.input_shape))
    layer = str(diagnostic.place.layer)
    if layer not in {node.name for node in network.nodes}:
        # The activation of joined channels is taken branch by branch, each under a number of its own.
        layer = layer.rpartition(".")[0]
    values = evaluate(network, samples, frozenset((layer,)))[layer]
    return not differs(values, np.broadcast_to(values[:1], values.shape), 1e-6)


def _gives_its_input(drawn: DrawnNetwork) -> bool:
    """Whether an output is the input, apart from a function of one number that keeps the order."""
    return any(_keeps_the_order(alone, drawn.samples) for alone in each_output_alone(drawn.model))


def _keeps_the_order(model: bytes, samples: Array) -> bool:
    drawn = np.random.default_rng(0).normal(size=samples.shape).astype(samples.dtype)
    found = by_runtime(model, drawn)
    found = by_evaluator(model, drawn) if found is None else found
    if found is None or found.size != drawn.size:
        return False
    return bool(np.all(np.diff(found.ravel()[drawn.ravel().argsort()]) >= 0))


def _judged(drawn: DrawnNetwork, options: CompileOptions, *, lava: bool) -> str:
    network, remarks = read_onnx(drawn.model, output=drawn.outputs or None)
    dropped = any(remark.code in _DROPPED for remark in remarks)
    note = _compare_order(drawn, network) if dropped else _compare_floats(drawn, network)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        path.write_bytes(drawn.model)
        built = build_program(path, replace(options, input="frames") if len(drawn.model) % 2 else options)
    _compare_recognised(built, network, drawn.samples.astype(np.float64))
    _compare_maxima(built, drawn.samples.astype(np.float64))
    _compare_rates(built, drawn.samples.astype(np.float64))
    encoded, _ = encode(built.program.input, drawn.samples)
    _compare_spikes(built, drawn, encoded, lava=lava)
    if (difference := difference_on_frames(built.program, drawn.samples)) is not None:
        raise DisagreementError(f"frames: {difference}")
    return note


def _compare_floats(drawn: DrawnNetwork, network: Network) -> str:
    """Level 1 against ONNX Runtime; where these differ or it fails, against the reference evaluator."""
    tolerance = _FLOAT32 if drawn.samples.dtype == np.float32 else _FLOAT64
    found = evaluate(network, drawn.samples)[network.output]
    expected = by_runtime(drawn.model, drawn.samples)
    if expected is not None and not _differs(network, found, expected, tolerance):
        return "agrees"
    second = by_evaluator(drawn.model, drawn.samples)
    if second is not None and not _differs(network, found, second, tolerance):
        return "agrees with the evaluator alone" if expected is not None else "agrees"
    judge = expected if second is None else second
    if judge is None:
        return "agrees, floats not judged"
    error = _differs(network, found, judge, tolerance)
    if _flips(network, drawn.samples, error, judge):
        return "agrees but for a flipped level"
    raise DisagreementError(f"float level is off by {error:.2g} of its range")


def _compare_order(drawn: DrawnNetwork, network: Network) -> str:
    """No score of a sample overtakes another of it, where those of either judge differ by more than rounding."""
    found = evaluate(network, drawn.samples)[network.output].reshape(len(drawn.samples), -1)
    drop = None
    for judge in (by_runtime, by_evaluator):
        scores = judge(drawn.model, drawn.samples)
        if scores is None:
            continue
        expected = scores.reshape(found.shape).astype(np.float64)
        drop = max(_overtaken(found[:, part], expected[:, part]) for part in _parts(network))
        if not drop:
            return "agrees in order"
    if drop is None:
        return "agrees, floats not judged"
    raise DisagreementError(f"scores whose end was left out are in another order, by {drop:.2g}")


def _overtaken(found: Array, expected: Array) -> float:
    """By how much a score is above another that it should be below; 0 where rounding explains it."""
    if found.shape[1] == 1:
        found, expected = found.reshape(1, -1), expected.reshape(1, -1)
    sorted_by_ours = np.take_along_axis(expected, np.argsort(found, axis=1, kind="stable"), axis=1)
    reached = np.maximum.accumulate(sorted_by_ours, axis=1)
    drop = float(np.nanmax(reached - sorted_by_ours, initial=0.0))
    return drop if drop > 1e-4 * max(1.0, float(np.nanmax(np.abs(expected), initial=0.0))) else 0.0


def _parts(network: Network) -> Iterator[slice]:
    """Where each output is among all of them, side by side."""
    first = 0
    for value in [value for _, value in network.outputs] or [network.output]:
        size = int(np.prod(network.shape(value)))
        yield slice(first, first + size)
        first += size


def _differs(network: Network, found: Array, expected: Array, tolerance: float) -> Any:
    """Largest of the differences of each output as a share of its own range."""
    if found.size != expected.size or not network.outputs:
        return differs(found, expected, tolerance)
    mine, other = (values.reshape(len(found), -1) for values in (found, expected))
    return max(differs(mine[:, part], other[:, part], tolerance) for part in _parts(network))


def _flips(network: Network, samples: Array, error: float, judge: Array) -> bool:
    """Whether noise of a float's rounding, in the samples and in the network's constants, moves the result as much as
    it is off: a value lies on a level's edge, or a sum cancels and keeps few of its digits.
    """
    if not np.isfinite(error):
        return False
    random = np.random.default_rng(0)
    plain = evaluate(network, samples)[network.output]
    for _ in range(6):
        noise = 1 + 2e-6 * random.uniform(-1, 1, samples.shape)
        noisy = (samples * noise).astype(samples.dtype) + samples.dtype.type(1e-7) * random.normal()
        moved = evaluate(_rounded_anew(network, random), noisy)[network.output]
        if differs(moved, judge, 0.3 * error) == 0 or differs(moved, plain, 0.3 * error):
            return True
    return False


def _rounded_anew(network: Network, random: np.random.Generator) -> Network:
    """The network with its constants off by up to two roundings of a float32."""
    nodes = []
    for node in network.nodes:
        operator: Any = node.operator
        moved = {part.name: _moved(getattr(operator, part.name), random) for part in fields(operator)}
        nodes.append(replace(node, operator=replace(operator, **moved)))
    return network.with_nodes(tuple(nodes))


def _moved(value: Any, random: np.random.Generator) -> Any:
    """Floats off by a little, also those beside integers, which are places and sizes."""
    if isinstance(value, tuple):
        return tuple(_moved(one, random) for one in value)
    if isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        return value * (1 + 2e-7 * random.uniform(-1, 1, np.shape(value)))
    return value


def _compare_recognised(built: Built, network: Network, samples: Array) -> None:
    simplified = built.pipeline.stages["recognise-activations"].network
    found, expected = (evaluate(n, samples)[n.output] for n in (simplified, network))
    error = differs(found, expected, 1e-6)
    if error and not _flips(network, samples, error, found):
        raise DisagreementError(f"recognised activations are off by {error:.2g} of the range")


def _compare_rates(built: Built, samples: Array) -> None:
    """The spiking network's rates, still in floats, against the level that it was made from."""
    stages = built.pipeline.stages
    network, spiking = stages["expand-maxima"].network, stages["balance-thresholds"].spiking
    assert spiking is not None
    rates, values = evaluate_rates(spiking, samples), evaluate(network, samples, frozenset(network.results))
    found = np.concatenate([rates[p.name].reshape(len(samples), -1) for p in spiking.readouts], axis=1)
    expected = np.concatenate([values[name].reshape(len(samples), -1) for name in network.results], axis=1)
    error = differs(found, expected, 1e-5)
    if error and not _flips(network, samples, error, found):
        raise DisagreementError(f"rates of the spiking network are off by {error:.2g} of the range")


def _compare_maxima(built: Built, samples: Array) -> None:
    """Neurons that compute maxima without loss against the maxima themselves, in floats."""
    stages = built.pipeline.stages
    if not all(maximum["exact"] for maximum in _maxima(built)):
        return
    before, after = stages["calibrate-thresholds"].network, stages["expand-maxima"].network
    found, expected = (evaluate(n, samples)[n.output] for n in (after, before))
    error = differs(found, expected, 1e-6)
    if error and not _flips(before, samples, error, found):
        raise DisagreementError(f"maxima are off by {error:.2g} of the range")


def _maxima(built: Built) -> list[dict[str, Any]]:
    effect = next(record.effect for record in built.pipeline.records if record.name == "expand-maxima")
    return list(effect["maxima"].values())


def _compare_spikes(built: Built, drawn: DrawnNetwork, encoded: IntArray, *, lava: bool) -> None:
    program = built.program
    stepped = step_through(program, encoded)
    few = encoded[: 2 if program.latency * sum(p.neurons for p in program.populations) < _DEEP else 1]
    executions = [run_reference(program, few, record=True)]
    for name, simulated in _simulations(program, encoded):
        _compare_with_stepper(program, simulated, stepped, name)
    _compare_with_stepper(program, executions[0], stepped, "reference")
    runs_alone = program.target == STOCK_TARGET and _is_for_lava_alone(built)
    if lava:
        executions.append((run_lava_alone if runs_alone else run_lava)(program, few, record=True))
        difference = compare(program, executions).first_difference
        if difference is not None:
            raise DisagreementError(f"Lava differs: {difference}")
    if program.neuron.name == GRADED:
        _compare_counted_maxima(built, stepped.trains, drawn.samples.astype(np.float64))
    if program.schedule == "exact":
        for layer, counts in quantised_counts(program, encoded).items():
            spiked = stepped.trains[layer].sum(axis=1) if layer in stepped.trains else stepped.readouts[layer]
            if not np.array_equal(spiked, counts.reshape(spiked.shape)):
                raise DisagreementError(f"exact counts of '{layer}' are not those of the integer network")
        _compare_counted_maxima(built, stepped.trains, drawn.samples.astype(np.float64))
    _compare_proofs(built, stepped.extremes)


def _is_for_lava_alone(built: Built) -> bool:
    """Whether Lava's own processes take the program, of a target that leaves only geometry and delays open.

    A potential that can leave the state, which the compiler tells as E212, saturates elsewhere on them.
    """
    found = {problem.code for problem in find_stock_problems(built.program)}
    told = {"E347"} if any(d.code == "E212" for d in built.pipeline.diagnostics) else set[str]()
    if found - _GEOMETRY - told:
        raise DisagreementError(f"Lava's own neurons cannot be what was compiled for them: {sorted(found)}")
    return not found


def _compare_counted_maxima(built: Built, trains: dict[str, IntArray], samples: Array) -> None:
    """The counts behind each maximum that loses nothing against the maximum of the counts in front of it."""
    network, timesteps = built.pipeline.state.network, built.program.timesteps
    folded = _folded_rates(built, samples)
    if any((rates * timesteps % 1).any() for rates in folded.values()):
        return  # A constant of its own levels that no count of T steps is.
    values: dict[str, Array] = {"input": np.zeros((len(samples), *network.input_shape))}
    for population in built.spiking.firing:
        rates = trains[population.name].sum(axis=1).reshape(-1, *population.shape) / timesteps
        values[population.activation] = (rates + folded[population.name]) * population.spike_value
    for node in network.nodes:
        if node.name not in values:
            values[node.name] = np.asarray(node.operator.evaluate(tuple(values[name] for name in node.inputs)))
    effect = next(record.effect for record in built.pipeline.records if record.name == "expand-maxima")
    moved = before_linear_maps(built.pipeline.stages["calibrate-thresholds"].network)
    for name, maximum in effect["maxima"].items():
        node = moved.node(name)
        expected = node.operator.evaluate(tuple(values[value] for value in node.inputs))
        if maximum["exact"] and differs(values[name], np.asarray(expected), 1e-9):
            raise DisagreementError(f"counts behind '{name}' are not the maximum of those in front of it")


def _folded_rates(built: Built, samples: Array) -> dict[str, Array]:
    """Rates that populations send by their readers' biases instead of spikes; 0 in channels that were not folded."""
    before, after = (built.pipeline.stages[name].spiking for name in ("balance-thresholds", "fold-constants"))
    assert before is not None
    assert after is not None
    sent, left = evaluate_rates(before, samples), evaluate_rates(after, samples)
    channels = {p.name: (0, *range(2, len(p.shape) + 1)) for p in before.firing}
    return {
        name: np.where(left[name].any(axis=axes, keepdims=True), 0.0, sent[name]) for name, axes in channels.items()
    }


def _compare_proofs(built: Built, extremes: dict[str, tuple[int, int]]) -> None:
    proofs = built.pipeline.records[-1].effect["layers"]
    for layer, (lowest, highest) in extremes.items():
        if not proofs[layer]["lowest"] <= lowest <= highest <= proofs[layer]["highest"]:
            raise DisagreementError(f"potentials of '{layer}' reach {lowest}..{highest}, outside of what was proven")


def _simulations(program: Program, encoded: IntArray) -> Iterator[tuple[str, Execution]]:
    """The simulator on each kind of kernel and loop that it has."""

    yield "simulator", simulate(program, encoded, record=True, batch=2)
    for name in ("none", *(one.name for one in available_instruction_sets())):
        with patch.dict(os.environ, {CHOICE: name}):
            yield f"simulator, kernel {name}", simulate(program, encoded, record=True)
    compiled: Callable[[int], object] = lambda values: loops.installed_loops()  # noqa: E731
    with patch.dict(os.environ, {CHOICE: "none"}), patch.object(loops, "loops_for", compiled):
        yield "simulator with compiled loops", simulate(program, encoded, record=True)


def _compare_with_stepper(program: Program, execution: Execution, stepped: Stepped, name: str) -> None:
    count = len(execution.readout)
    readouts = {layer: potentials[:count] for layer, potentials in stepped.readouts.items()}
    trains = {layer: train[:count] for layer, train in stepped.trains.items()}
    expected = Execution("stepper", readouts, {}, trains, 0, 0.0)
    difference = compare(program, [expected, replace(execution, backend=name)]).first_difference
    if difference is not None:
        raise DisagreementError(f"{name} differs from the stepper: {difference}")
    for layer, train in stepped.trains.items():
        if count == len(train) and execution.spike_counts[layer] != np.count_nonzero(train):
            raise DisagreementError(f"{name} counts {execution.spike_counts[layer]} spikes of '{layer}'")
