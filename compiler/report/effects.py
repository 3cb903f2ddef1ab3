"""What each pass did, as a sentence made from the figures that it recorded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

Effect = Mapping[str, Any]


def effect_in_words(name: str, effect: Effect) -> str:
    """Say in a sentence what the pass ``name`` recorded as its effect; every pass has its words in ``WORDS``."""
    return WORDS[name](effect)


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 layer``, ``3 layers``, ``no layers``."""
    return f"{count or 'no'} {noun if count == 1 else plural or noun + 's'}"


def _sentence(*parts: str) -> str:
    text = ", ".join(part for part in parts if part)
    return f"{text[0].upper()}{text[1:]}."


def _recognise_activations(effect: Effect) -> str:
    found = effect["recognised"]
    return _sentence(f"{counted(found, 'activation')} found among the elementwise operators")


def _free_ends(effect: Effect) -> str:
    return _sentence(f"{counted(len(effect['freed']), 'quantiser')} at the ends of the network left out")


def _expand_activations(effect: Effect) -> str:
    signed = counted(len(effect.get("signed", ())), "quantiser")
    kept = f", {signed} of both signs kept as one with signed messages" if "signed" in effect else ""
    return _sentence(f"{counted(effect['pairs'], 'activation')} of both signs written as a pair of populations{kept}")


def _fit_pieces(effect: Effect) -> str:
    fitted = effect["fitted"].values()
    if not fitted:
        return _sentence("no function had to be fitted")
    pieces, errors = [each["pieces"] for each in fitted], [100 * each["error"] for each in fitted]
    return _sentence(
        f"{counted(len(fitted), 'function')} fitted on calibration data by {_range(pieces, '{}', '{} to {}')} pieces",
        f"{sum(each['neurons'] for each in fitted)} neurons in all",
        f"off by {_range(errors, '{}', '{} to {}')} % of what it ranges over (root mean square)",
    )


def _average_maxima(effect: Effect) -> str:
    averaged = effect["averaged"]
    return _sentence(f"{counted(len(averaged), 'maximum', 'maxima')} replaced by an average")


def _fold_batch_norm(effect: Effect) -> str:
    kept = effect["kept_as_scale"]
    return _sentence(
        f"{counted(effect['folded'], 'batch norm')} folded into weights",
        f"{kept} kept as a scale" if kept else "",
    )


def _calibrate_thresholds(effect: Effect) -> str:
    thresholds = effect["thresholds"].values()
    if not thresholds:
        return _sentence("every activation had its threshold and levels from the model")
    ways = {
        "clip": "where it clips",
        "mse": "by least squared error on calibration data",
        "percentile": "by a percentile of its values on calibration data",
    }
    way = ways[effect["method"]]
    return _sentence(
        f"{counted(len(thresholds), 'activation')} given a threshold {way}",
        _range(thresholds, "of {}", "between {} and {}"),
    )


def _expand_maxima(effect: Effect) -> str:
    maxima = effect["maxima"].values()
    if not maxima:
        return _sentence("there is no maximum to compute")
    inexact = sum(not maximum["exact"] for maximum in maxima)
    return _sentence(
        f"{counted(len(maxima), 'maximum', 'maxima')} computed by {sum(m['neurons'] for m in maxima)} neurons",
        _range([m["depth"] for m in maxima], "each {} deep", "each {} to {} deep"),
        f"{inexact} of them not exactly" if inexact else "nothing lost",
    )


def _split_branches(effect: Effect) -> str:
    parts = effect["split"].values()
    if not parts:
        return _sentence("no activation of joined branches")
    return _sentence(
        f"{counted(len(parts), 'activation')} of joined values taken branch by branch, by {sum(parts)} populations"
    )


def _compose_linear_maps(effect: Effect) -> str:
    return _sentence(
        f"everything linear composed into {counted(effect['projections'], 'projection')}",
        f"{counted(effect['matrices'], 'of them dense', 'of them dense')}",
        f"between {counted(effect['populations'], 'population')} and the input",
    )


def _balance_thresholds(effect: Effect) -> str:
    largest = effect["largest_weight"].values()
    return _sentence(
        "weights given per threshold",
        _range(largest, "the largest is {}", "the largest of each projection from {} to {}"),
    )


def _fold_constants(effect: Effect) -> str:
    channels = effect["channels"]
    if not channels:
        return _sentence("no neuron is constant whatever the input")
    return _sentence(f"{counted(sum(channels.values()), 'constant channel')} folded into biases")


def _clip_silent_sources(effect: Effect) -> str:
    clipped = effect["clipped"]
    if not clipped:
        return _sentence("no outsized weights from channels that never change")
    return _sentence(
        f"weights of {counted(len(clipped), 'projection')} clipped whose sources never change on calibration data",
        _range(list(clipped.values()), "{} times too large", "{} to {} times too large"),
    )


def _fit_counts(effect: Effect) -> str:
    if "reason" in effect:
        return _sentence(f"not done: {effect['reason']}")
    before, after = (effect["held_out_divergence"][name] for name in ("as given", "fitted"))
    measured = f"on {counted(effect['held_out_samples'], 'held-out sample')}"
    if not effect["kept"]:
        return _sentence(f"no fit to spike counts, whose scores are no nearer the model's {measured} ({after:.3g})")
    return _sentence(
        f"{counted(len(effect['layers']), 'layer')} fitted to spike counts on {counted(effect['samples'], 'sample')}",
        f"which takes the divergence from the model's scores from {before:.3g} to {after:.3g} {measured}",
    )


def _calibrate_state_range(effect: Effect) -> str:
    if not effect["layers"]:
        return _sentence("the state has room for every potential that there can be")
    return _sentence(
        f"the state has room for {effect['margin']:g} times the largest potential on calibration data"
        f" in {counted(effect['layers'], 'layer')}",
        "beyond it saturates",
    )


def _encode_input(effect: Effect) -> str:
    return _sentence(
        f"input as whole numbers from {effect['minimum']} to {effect['maximum']}",
        "each spread over the window" if effect["spread"] else "each sent at every step",
    )


def _gate_populations(effect: Effect) -> str:
    gated = effect["gated"]
    if not gated:
        return _sentence(f"no layer gated under the schedule {effect['schedule']}")
    return _sentence(f"{counted(len(gated), 'layer')} gated under the schedule {effect['schedule']}")


def _align_delays(effect: Effect) -> str:
    delays = effect["delayed"].values()
    return _sentence(
        f"depth {effect['depth']}",
        f"{counted(len(delays), 'projection')} delayed by at most {counted(max(delays), 'step')}"
        if delays
        else "no delay needed",
    )


def _quantize_weights(effect: Effect) -> str:
    layers = effect["layers"]
    worst = max(layers, key=lambda name: layers[name]["worst_rounding"])
    names = {"nearest": "to the nearest", "error feedback": "so that errors cancel on calibration data"}
    ways = sorted({names[layer["rounding"]] for layer in layers.values()})
    kept = sum(layer.get("kept", 0) for layer in layers.values())
    return _sentence(
        f"weights of {_range([layer['weight_bits'] for layer in layers.values()], '{}', '{} to {}')} bits",
        f"rounded {' and '.join(ways)}",
        f"those of {counted(kept, 'channel')} kept on the grid that they were trained on" if kept else "",
        f"at worst by {layers[worst]['worst_rounding']:.3g} of a threshold (in {worst!r})",
    )


def _fold_integers(effect: Effect) -> str:
    worst = effect["worst_rounding"]
    largest = max(max(layer.values()) for layer in worst.values())
    pulses = effect.get("pulses", {})
    return _sentence(
        f"biases and initial potentials rounded, at worst by {largest:.3g} of a threshold",
        f"{counted(len(pulses), 'pulse')} added for the gates" if pulses else "",
    )


def _calibrate_initial_potential(effect: Effect) -> str:
    if "reason" in effect:
        return _sentence(f"not done: {effect['reason']}")
    distances = effect["held_out_divergence"]
    chosen, before = distances[effect["chosen"]], distances["as compiled"]
    measured = f"on {counted(effect['held_out_samples'], 'held-out sample')}"
    if effect["chosen"] == "as compiled":
        return _sentence(f"potentials left as compiled, whose scores are nearest the model's {measured} ({before:.3g})")
    ways = {
        "calibrated": f"potentials calibrated per {effect['granularity']} on {counted(effect['samples'], 'sample')}",
        "half threshold": "potentials set to half a threshold",
    }
    return _sentence(
        ways[effect["chosen"]],
        f"which takes the divergence from the model's scores from {before:.3g} to {chosen:.3g} {measured}",
    )


def _prove_no_overflow(effect: Effect) -> str:
    layers = effect["layers"]
    fullest = max(layers, key=lambda name: layers[name]["width_used"])
    used = f"{100 * layers[fullest]['width_used']:.1f} % of the state's width, in {fullest!r}"
    unproven = sum(not layer["proven"] for layer in layers.values())
    if unproven:
        return _sentence(f"an overflow is not excluded in {counted(unproven, 'layer')}", f"potentials may need {used}")
    return _sentence("no input can make a potential overflow", f"at most {used}, is used")


def _range(values: Collection[float], one: str, two: str) -> str:
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return one.format(low) if low == high else two.format(low, high)


WORDS: dict[str, Callable[[Effect], str]] = {
    "recognise-activations": _recognise_activations,
    "free-ends": _free_ends,
    "expand-activations": _expand_activations,
    "fit-pieces": _fit_pieces,
    "average-maxima": _average_maxima,
    "fold-batch-norm": _fold_batch_norm,
    "calibrate-thresholds": _calibrate_thresholds,
    "expand-maxima": _expand_maxima,
    "split-branches": _split_branches,
    "compose-linear-maps": _compose_linear_maps,
    "balance-thresholds": _balance_thresholds,
    "fold-constants": _fold_constants,
    "clip-silent-sources": _clip_silent_sources,
    "fit-counts": _fit_counts,
    "calibrate-state-range": _calibrate_state_range,
    "encode-input": _encode_input,
    "gate-populations": _gate_populations,
    "align-delays": _align_delays,
    "quantize-weights": _quantize_weights,
    "fold-integers": _fold_integers,
    "calibrate-initial-potential": _calibrate_initial_potential,
    "prove-no-overflow": _prove_no_overflow,
}
"""One describing function per pass, by the pass's name."""
