"""Figures by layer and method as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Any

from ...runtime.program import INPUT
from ..analysis.energy import EnergyRatio, LayerOperations, ratio_of_operations
from ..analysis.residuals import Residuals
from ..analysis.unevenness import Given, Unevenness
from ..methods.spike_confidence import Confidence
from .by_layer import ByLayer, Figures, MethodLayers

_ALL_LAYERS = "all"
_LEFT = 2
"""Columns of words, which stand to the left."""
_GIVEN: dict[Given, str] = {
    "layer": "the ANN's layers get the spikes that the program's layers got: errors of timing alone",
    "network": "the ANN's layers get its own activations: what the layers before have added is included",
}


def rmpe_text(result: ByLayer[Residuals]) -> str:
    """Table of one row per method and layer, and one for all its layers."""
    rows: list[tuple[str, ...]] = [("method", "layer", "neurons", "naive", "over", "under")]
    for name, row in named(result):
        figures = {**row.layers, _ALL_LAYERS: residuals_of_all(row)}
        rows += [(name, layer, _neurons(row, layer), *_shares(each)) for layer, each in figures.items()]
    notes = (
        "naive: final potentials outside [0, threshold), as printed (Xiong et al. 2025, figures 4 and 5), resting and",
        "clipped neurons included; over, under: neurons with more or fewer spikes than their input adds to",
    )
    return "\n".join((_heading("residual potentials", result), *_columns(rows), *notes))


def unevenness_text(result: ByLayer[Unevenness], given: Given) -> str:
    """Table of one row per method and layer, and one for all its layers."""
    rows: list[tuple[str, ...]] = [("method", "layer", "neurons", "from zero", "more", "fewer", "to zero", "wrong")]
    for name, row in named(result):
        figures = {**row.layers, _ALL_LAYERS: reduce(add, row.layers.values())}
        rows += [(name, layer, _neurons(row, layer), *_kinds(each)) for layer, each in figures.items()]
    notes = (
        "neurons whose N spikes are not the q of the quantised ANN with T levels, by kind (Hao et al. 2023):",
        "from zero q = 0 < N, more 0 < q < N, fewer 0 < N < q, to zero N = 0 < q",
        _GIVEN[given],
    )
    return "\n".join((_heading("unevenness", result), *_columns(rows), *notes))


def confidence_text(result: ByLayer[Confidence]) -> str:
    """Two tables of one row per method and layer: confidence, and the share of inactive neurons that fired, by step."""
    steps = shown_steps(result.timesteps)
    lines = [_heading("spike confidence", result)]
    for title, figure in (
        ("of the neurons that fired by step t, active in the ANN:", shown_confidence),
        ("of the neurons inactive in the ANN, fired by step t:", Confidence.share),
    ):
        rows = [("method", "layer", "inactive", *(f"t = {step}" for step in steps))]
        for name, row in named(result):
            for layer, each in row.layers.items():
                shares = (each.inactive_share, *(figure(each, step) for step in steps))
                rows.append((name, layer, *map(_percent, shares)))
        lines += [title, *_columns(rows)]
    return "\n".join((*lines, "inactive: neurons without a positive activation in the ANN (He et al. 2024)"))


def layers_document(result: ByLayer[Figures]) -> dict[str, Any]:
    """The result as plain values, layers in the order of the program."""
    rows = [
        {
            "method": row.method,
            "model": row.model,
            "training": row.training,
            "layers": [
                {"layer": layer, "neurons": row.neurons[layer], **asdict(each)} for layer, each in row.layers.items()
            ],
        }
        for row in result.rows
    ]
    return {"timesteps": result.timesteps, "samples": result.samples, "target": result.target, "rows": rows}


def unevenness_document(result: ByLayer[Unevenness], given: Given) -> dict[str, Any]:
    """``layers_document`` with what the ANN's layers were given."""
    return {**layers_document(result), "ann": given}


def energy_document(result: ByLayer[LayerOperations]) -> dict[str, Any]:
    """``layers_document`` with the energy of every row."""
    document = layers_document(result)
    energies = (asdict(energy_of(result, row)) for row in result.rows)
    rows = [{**told, "energy": energy} for told, energy in zip(document["rows"], energies, strict=True)]
    return {**document, "rows": rows}


def energy_text(result: ByLayer[LayerOperations]) -> str:
    """Table of one row per method and layer, and one of the energy by method."""
    layers: list[tuple[str, ...]] = [("method", "layer", "neurons", "rate", "operations")]
    ratios: list[tuple[str, ...]] = [("method", "rate", "accumulates", "first layer", "ANN", "once", "every step")]
    for name, row in named(result):
        for layer, each in row.layers.items():
            rate = "-" if layer == INPUT else f"{_rate(result, row, layer):.4f}"
            layers.append((name, layer, _neurons(row, layer), rate, f"{each.operations / result.samples:.1f}"))
        energy = energy_of(result, row)
        ratios.append(
            (
                *(name, f"{_rate(result, row):.4f}", f"{energy.synaptic_operations_per_sample:.1f}"),
                *(str(energy.first_layer_macs), str(energy.macs_per_sample)),
                *(_percent(energy.first_layer_once), _percent(energy.first_layer_every_step)),
            )
        )
    notes = (
        "rate: spikes per neuron and step; operations of a sample, the input's at one step;",
        "once, every step: energy in % of the ANN's, the first layer computed once or at each of T steps; by eq. 18 of",
        "Xiong et al. 2025 from 45 nm CMOS (Horowitz 2014: 4.6 pJ per multiply-accumulate, 0.9 pJ per accumulate),",
        "not from any chip; bias additions, neuron updates and memory are ignored",
    )
    return "\n".join(
        (_heading("operations", result, shares=False), *_columns(layers), *_columns(ratios, left=1), *notes)
    )


def energy_of(result: ByLayer[LayerOperations], row: MethodLayers[LayerOperations]) -> EnergyRatio:
    """Eq. 18 for the program of ``row``, against its network as given."""
    accumulates = sum(each.operations for layer, each in row.layers.items() if layer != INPUT)
    return ratio_of_operations(
        row.macs,
        first_layer=row.layers[INPUT].operations // result.samples,
        accumulates=accumulates / result.samples,
        timesteps=result.timesteps,
    )


def shown_steps(timesteps: int) -> tuple[int, ...]:
    """Powers of two up to T, and T."""
    return tuple(sorted({*(1 << bit for bit in range(timesteps.bit_length())), timesteps}))


def named(result: ByLayer[Figures]) -> Iterator[tuple[str, MethodLayers[Figures]]]:
    """Rows by their method, told apart by the training or the file of the network where a method has several."""
    for row in result.rows:
        same = [other for other in result.rows if other.method == row.method]
        trained = [other for other in same if other.training == row.training]
        told = row.training if len(trained) == 1 and row.training else row.model
        yield (row.method if len(same) == 1 else f"{row.method} ({told})"), row


def shown_confidence(found: Confidence, step: int) -> float | None:
    """Confidence (0..1) by ``step``; None where no neuron fired, and there is nothing to be confident of."""
    return found.confidence(step) if found.fired(step) else None


def residuals_of_all(row: MethodLayers[Residuals]) -> Residuals:
    """Shares of the neurons of all layers."""
    neurons = sum(row.neurons[layer] for layer in row.layers)

    def mean(shares: Iterator[tuple[str, float]]) -> float:
        return math.fsum(row.neurons[layer] * share for layer, share in shares) / neurons

    layers = row.layers.items()
    return Residuals(
        naive=mean((layer, each.naive) for layer, each in layers),
        over=mean((layer, each.over) for layer, each in layers),
        under=mean((layer, each.under) for layer, each in layers),
    )


def _heading(title: str, result: ByLayer[Figures], *, shares: bool = True) -> str:
    units = ", shares in %" if shares else ""
    return f"{title} on {result.target}: T = {result.timesteps}, {result.samples} samples{units}"


def _neurons(row: MethodLayers[Figures], layer: str) -> str:
    return str(row.neurons[layer] if layer in row.neurons else sum(row.neurons[name] for name in row.layers))


def _rate(result: ByLayer[LayerOperations], row: MethodLayers[LayerOperations], layer: str | None = None) -> float:
    """Spikes per neuron and step of ``layer``, or of all that fire."""
    layers = [name for name in row.layers if name != INPUT] if layer is None else [layer]
    chances = result.samples * result.timesteps * sum(row.neurons[name] for name in layers)
    return sum(row.layers[name].spikes for name in layers) / chances


def _shares(residuals: Residuals) -> tuple[str, ...]:
    return tuple(_percent(share) for share in (residuals.naive, residuals.over, residuals.under))


def _kinds(found: Unevenness) -> tuple[str, ...]:
    kinds = (found.from_zero, found.more, found.fewer, found.to_zero, found.wrong)
    return tuple(_percent(cases / found.cases) for cases in kinds)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _columns(rows: Sequence[tuple[str, ...]], left: int = _LEFT) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
