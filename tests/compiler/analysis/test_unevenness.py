"""The four kinds of unevenness, against neurons looked at one by one with the spikes of the reference."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.analysis.residuals import measure_activity
from spikec.compiler.analysis.unevenness import Given, Unevenness, measure_unevenness, unevenness
from spikec.runtime.program import INPUT, IntArray, Population, Program
from spikec.runtime.program.neuron_models import NeuronModel, cos, msat, srp
from spikec.runtime.reference.network import run_reference, synaptic_input
from spikec.targets.diagnostic import UnusableInput

from .test_residuals import by_hand, drawn, integers

KINDS = ("from_zero", "more", "fewer", "to_zero")


def kind_of(a: Fraction, phi: Fraction) -> str | None:
    """The case of Hao et al. that a neuron of value ``phi`` is, where the ANN has ``a``."""
    if a == phi:
        return None
    if phi > a:
        return "more" if a > 0 else "from_zero"
    return "fewer" if phi > 0 else "to_zero"


def activations(program: Program, population: Population, received: IntArray) -> list[Fraction]:
    """a / theta of one sample: the mean input of a step, quantised to T levels and clipped, in exact fractions."""
    assert population.threshold is not None
    steps = program.timesteps
    last = steps + population.gated
    pulses = sum(v for s, v in program.potential_of_pulses(population.name).items() if s <= last)
    start = np.broadcast_to(population.initial_potential + pulses, population.shape).ravel()
    bias = np.broadcast_to(population.bias, population.shape).ravel()
    theta = np.broadcast_to(population.threshold, population.shape).ravel()
    found = []
    for total, v0, b, threshold in zip(received.ravel(), start, bias, theta, strict=True):
        mean = Fraction(int(total), steps) + int(b)
        level = math.floor((mean * steps + int(v0)) / int(threshold))
        found.append(Fraction(min(max(level, 0), steps), steps))
    return found


def looked_at(program: Program, samples: IntArray, ann: Given) -> dict[str, dict[str, int]]:
    """Numbers of neurons by kind, per layer, from the trains of the reference."""
    steps = program.timesteps
    trains = run_reference(program, samples, record=True).spike_trains
    assert trains is not None
    found: dict[str, dict[str, int]] = {}
    for sample in range(len(samples)):
        sent = {INPUT: samples[sample] * steps}
        for population in program.firing:
            received = sum(
                (synaptic_input(p, sent[p.source], population.shape) for p in program.incoming(population.name)),
                np.zeros(population.shape, dtype=np.int64),
            )
            wanted = activations(program, population, received)
            counts = trains[population.name][sample].sum(axis=0, dtype=np.int64)
            cases = found.setdefault(population.name, dict.fromkeys(KINDS, 0))
            for a, count in zip(wanted, counts, strict=True):
                kind = kind_of(a, Fraction(int(count), steps))
                if kind is not None:
                    cases[kind] += 1
            of_ann = np.array([int(a * steps) for a in wanted], dtype=np.int64)
            sent[population.name] = (counts if ann == "layer" else of_ann).reshape(population.shape)
    return found


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
    st.sampled_from([None, srp(2), cos(3)]),
    st.sampled_from(["layer", "network"]),
)
def test_random_programs_agree_with_neurons_looked_at_one_by_one(
    seed: int, timesteps: int, neuron: NeuronModel | None, ann: Given
) -> None:
    program, samples = drawn(seed, timesteps, gates=neuron is None)
    if neuron is not None:
        program = replace(program, schedule="pipelined", neuron=neuron)
    found = measure_unevenness(program, samples, ann)
    assert {name: {kind: getattr(f, kind) for kind in KINDS} for name, f in found.items()} == looked_at(
        program, samples, ann
    )


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.booleans())
def test_kinds_divide_the_errors_of_timing(seed: int, timesteps: int, gates: bool) -> None:
    """Over-fired neurons are of the first two kinds, under-fired ones of the last two; nobody is of two."""
    program, samples = drawn(seed, timesteps, gates)
    residuals = measure_activity(program, samples).residuals
    for name, found in measure_unevenness(program, samples).items():
        assert found.cases == len(samples) * program.population(name).neurons
        assert (found.from_zero + found.more) / found.cases == residuals[name].over
        assert (found.fewer + found.to_zero) / found.cases == residuals[name].under
        assert found.wrong <= found.cases
        if program.population(name).gated or timesteps == 1:
            assert found.wrong == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_a_neuron_is_of_one_kind_or_right(pairs: list[tuple[int, int]]) -> None:
    wanted, sent = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    found = unevenness(wanted, sent)
    assert found.wrong == np.count_nonzero(wanted != sent)
    mirrored = unevenness(sent, wanted)
    assert (mirrored.from_zero, mirrored.to_zero) == (found.to_zero, found.from_zero)
    assert mirrored.more + mirrored.fewer == found.more + found.fewer


def test_kinds_by_hand() -> None:
    # A spike too many where the input adds up to 0, one too few of two, one right: see test_residuals.
    found = measure_unevenness(by_hand(), integers(5, 3, -8, 25, 0, 1)[None])
    assert found["second"] == Unevenness(3, from_zero=1, more=0, fewer=1, to_zero=0)
    assert found["first"] == Unevenness(6, 0, 0, 0, 0)
    assert unevenness(integers(0, 2, 2, 1), integers(3, 3, 1, 0)) == Unevenness(4, 1, 1, 1, 1)


def test_layers_after_an_error_differ_from_the_ann_by_more_than_timing() -> None:
    program, samples = drawn(15, 4, gates=False)
    alone, together = (measure_unevenness(program, samples, ann)["chosen"] for ann in ("layer", "network"))
    assert alone.cases == together.cases
    assert alone != together


def test_spikes_with_a_payload_are_refused() -> None:
    program, samples = drawn(1, 4, gates=False)
    with pytest.raises(UnusableInput) as refusal:
        measure_unevenness(replace(program, schedule="pipelined", neuron=msat()), samples)
    assert [d.code for d in refusal.value.diagnostics] == ["E639"]


def test_samples_are_counted_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    program, samples = drawn(2, 3, gates=False)
    many = np.concatenate([samples, -samples, samples // 2])[:5]
    whole = measure_unevenness(program, many)
    monkeypatch.setattr("spikec.compiler.analysis.residuals._LARGEST_BATCH", 2)
    calls: list[tuple[int, int]] = []
    assert measure_unevenness(program, many, progress=lambda done, total: calls.append((done, total))) == whole
    assert calls == [(2, 5), (4, 5), (5, 5)]
