"""The benchmark's arithmetic: medians, alternation, ratios, what may be compared, fits, claims and the JSON form."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from spikec.runtime.encoding import encode
from spikec.runtime.program import ConvSynapses, IntArray
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.rules import problems
from spikec.runtime.simulator import simulate

from .claim import Claim
from .claims import claims
from .document import SCHEMA, Run, as_json, print_tables
from .layers import layers_of
from .measure import alternating
from .nets import chain
from .rows import Equality, Row, compare_integers, linear_fit, linear_fits, ratio, spread

EQUAL, UNEQUAL = Equality(100, 0), Equality(100, 3)


def cell(tool: str, values: tuple[float, ...], equality: Equality | None = None, *, is_ann: bool = False) -> Row:
    return Row("simulator", "vgg16", tool, "s", values, 4, 64, equality, is_ann, threads=2)


OURS = cell("spikec", (1.0, 2.0, 4.0))
PEER = cell("SpikingJelly", (4.0, 6.0, 20.0), EQUAL)
WRONG = cell("sinabs", (0.5, 0.5, 0.5), UNEQUAL)
ANN = cell("onnxruntime", (1.0, 1.0, 2.0), is_ann=True)
ROWS = [OURS, PEER, WRONG, ANN]
MACHINE = {"cpu": "a", "busy": False}


def test_spread_is_the_median_between_its_extremes() -> None:
    found = spread((3.0, 1.0, 2.0, 10.0))
    assert (found.median, found.minimum, found.maximum) == (2.5, 1.0, 10.0)


def test_ratio_is_taken_round_by_round() -> None:
    found = ratio(PEER, ROWS)
    assert found is not None
    assert (found.median, found.minimum, found.maximum) == (4.0, 3.0, 5.0)


def test_a_single_run_is_divided_by_the_median() -> None:
    found = ratio(cell("Lava's Conv model", (12.0,), EQUAL), ROWS)
    assert found is not None
    assert (found.median, found.minimum, found.maximum) == (6.0, 3.0, 12.0)


@pytest.mark.parametrize(
    "row",
    [OURS, WRONG, cell("unchecked", (1.0, 1.0, 1.0)), cell("vacuous", (1.0, 1.0, 1.0), Equality(0, 0))],
    ids=lambda row: row.tool,
)
def test_what_is_not_equal_is_not_compared(row: Row) -> None:
    assert ratio(row, [*ROWS, row]) is None


def test_an_ann_is_divided_without_being_equal() -> None:
    assert ratio(ANN, ROWS) is not None


def test_other_cells_are_not_divided() -> None:
    assert ratio(replace(PEER, batch=1), ROWS) is None
    assert ratio(replace(PEER, timesteps=1), ROWS) is None


@given(st.integers(1, 30), st.integers(0, 30))
def test_different_integers_are_counted(size: int, changed: int) -> None:
    changed = min(changed, size)
    expected = np.arange(size)
    found = expected + (np.arange(size) < changed)
    equality = compare_integers([expected, expected], [expected, found])
    assert (equality.compared, equality.different, equality.equal) == (2 * size, changed, changed == 0)


def test_missing_or_misshapen_results_are_different() -> None:
    expected = [np.zeros((2, 3), dtype=np.int64)] * 2
    assert compare_integers(expected, [expected[0]]) == Equality(12, 6)
    assert compare_integers(expected, [expected[0], np.zeros(6)]) == Equality(12, 6)


def test_every_round_runs_every_tool_and_rotates() -> None:
    order: list[str] = []
    ticks = iter(np.arange(0.0, 1000.0, 0.5))
    calls = {name: partial(order.append, name) for name in "abc"}
    measured = alternating(calls, 3, clock=lambda: float(next(ticks)))
    assert order == [*"aabbcc", *"abc", *"bca", *"cab"]
    assert {name: timings.wall for name, timings in measured.items()} == dict.fromkeys("abc", (0.5, 0.5, 0.5))


def test_processor_time_is_taken_beside_the_clock() -> None:
    spent = iter(np.arange(0.0, 1000.0, 0.75))
    ticks = iter(np.arange(0.0, 1000.0, 0.5))
    (timings,) = alternating({"a": int}, 3, lambda: float(next(ticks)), lambda: float(next(spent))).values()
    assert timings.wall == (0.5, 0.5, 0.5)
    assert timings.cpu == (0.75, 0.75, 0.75)


def test_short_calls_are_repeated() -> None:
    done: list[int] = []
    now = [0.0]

    def call() -> None:
        done.append(1)
        now[0] += 0.004

    (timings,) = alternating({"a": call}, 2, clock=lambda: now[0]).values()
    assert len(done) == 2 + 2 * 5
    assert timings.wall == pytest.approx((0.004, 0.004))  # differences of a summed clock round


def test_a_line_deviates_by_nothing_and_a_bend_by_its_share() -> None:
    straight = linear_fit("net", "batch", [(16, 1.5), (32, 2.5), (64, 4.5)])
    assert straight.deviation < 1e-9  # least squares in float64
    assert (straight.offset, straight.slope) == pytest.approx((0.5, 1 / 16))
    assert linear_fit("net", "batch", [(1, 1.0), (2, 2.0), (4, 6.0)]).deviation > 0.1


def test_fits_take_the_medians_of_one_axis() -> None:
    rows = [
        Row("scaling", "net", "spikec", "s", (t - 0.1, float(t), t + 5.0), t, 64, note="over timesteps")
        for t in (1, 2, 4)
    ]
    rows += [Row("scaling", "net", "spikec", "s", (1.0,), 4, batch, note="over batch") for batch in (16, 32)]
    (fit,) = linear_fits(rows)
    assert fit.axis == "timesteps"
    assert fit.points == ((1, 1.0), (2, 2.0), (4, 4.0))


def test_claims_about_lava_and_memory() -> None:
    rows = [
        Row("lava", "vgg16", "spikec", "ms/step", (40.0, 50.0), 1),
        Row("lava", "vgg16", "Lava's Conv model", "ms/step", (9000.0,), 1, equality=EQUAL),
        Row("lava", "chain20", "spikec", "ms/step", (5.0,), 4),
        Row("lava", "chain20", "lava-dl netx", "ms/step", (20.0,), 4, equality=UNEQUAL),
        Row("memory", "vgg16", "spikec", "MiB", (1500.0,), 4, 64),
    ]
    memory, stock = claims(rows, [])
    assert not memory.holds
    assert stock.measured == pytest.approx(200)
    assert stock.holds


def test_claims_about_estimates_take_only_equal_results() -> None:
    def row(tool: str, unit: str, value: float, equality: Equality | None = None, net: str = "mid") -> Row:
        return Row("cost", net, tool, unit, (value,), 4, 1, equality)

    rows = [row("spikec", "uJ", 14.0), row("SANA-FE", "uJ", 16.0, EQUAL)]
    rows += [row("spikec", "us", 300.0), row("SANA-FE", "us", 310.0, EQUAL)]
    rows += [row("spikec", "uJ", 1.0, net="other"), row("SANA-FE", "uJ", 9.0, UNEQUAL, net="other")]
    energy, time = claims(rows, [])
    assert energy.measured == pytest.approx(12.5)
    assert not energy.holds
    assert time.measured == pytest.approx(100 / 31)
    assert time.holds


def test_throughput_of_many_samples_is_no_time_per_step() -> None:
    rows = [
        Row("lava", "chain20", "spikec", "ms/step", (6.0,), 4),
        Row("lava", "chain20", "spikec, samples side by side", "ms/step and sample", (0.2,), 4, equality=EQUAL),
        Row("lava", "chain20", "lava-dl netx", "ms/step", (18.0,), 4, equality=EQUAL),
    ]
    assert ratio(rows[1], rows) is None
    (claim,) = claims(rows, [])
    assert claim.measured == 3.0


def test_json_has_schema_spread_and_sorted_keys() -> None:
    text = as_json(Run(MACHINE, {"rounds": 3}, ROWS, [], [], [Claim("text", 1.0, 2.0, "x", True)]))
    content = json.loads(text)
    assert content["schema"] == SCHEMA
    assert text == json.dumps(content, indent=2, sort_keys=True) + "\n"
    by_tool = {row["tool"]: row for row in content["rows"]}
    assert by_tool["SpikingJelly"]["ratio"]["median"] == 4.0
    assert by_tool["sinabs"]["ratio"] is None
    assert by_tool["sinabs"]["equality"] == {"compared": 100, "different": 3, "equal": False}
    assert content["claims"][0]["holds"] is False


def test_tables_say_what_is_not_equal() -> None:
    printed = io.StringIO()
    print_tables(Console(file=printed, width=220), Run(MACHINE, {}, ROWS, [], [], []))
    lines = {tool: line for line in printed.getvalue().splitlines() for tool in ("sinabs", "Jelly") if tool in line}
    assert "not equal (3 % differ)" in lines["sinabs"]
    assert "4.00 (3.00..5.00)" in lines["Jelly"]


def test_chain_never_passes_a_threshold() -> None:
    program = chain(4)
    assert not list(problems(program))
    images = np.random.default_rng(3).integers(0, 2, (6, *program.input.shape)).astype(np.float32)
    samples, _ = encode(program.input, images)
    trains = simulate(program, samples, record=True).spike_trains
    assert trains is not None
    assert trains[program.populations[-2].name].any()
    for projection in program.projections[:-1]:
        # A neuron's only source adds a whole or half threshold: it is met, never passed.
        weight = projection.synapses.weight.reshape(len(projection.synapses.weight), -1)
        assert ((weight != 0).sum(axis=1) == 1).all()
        assert set(np.unique(weight)) <= {0, 32, 64}


def convolved(maps: npt.NDArray[np.float64], weight: IntArray, geometry: ConvGeometry) -> npt.NDArray[np.float64]:
    top, left, bottom, right = geometry.padding
    padded = np.pad(maps, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))  # type: ignore[call-overload]
    seen = windows[:, :, :: geometry.stride[0], :: geometry.stride[1]]
    return np.asarray(np.einsum("nchwkl,ockl->nohw", seen, weight.astype(np.float64)))


def test_layers_unfold_pools_and_channel_factors() -> None:
    program = chain(2)
    random = np.random.default_rng(1)
    small = random.integers(-9, 9, (8, 8, 3, 3))
    folded = ConvSynapses(np.kron(small, np.ones((1, 1, 2, 2), dtype=np.int64)), ConvGeometry((2, 2), (2, 2, 2, 2)))
    factors = ConvSynapses(random.integers(1, 9, (8, 1, 1, 1)), ConvGeometry(groups=8))
    late = ConvSynapses(small, ConvGeometry((2, 2), (1, 1, 0, 0)))
    changed = [folded, factors, late]
    projections = [replace(p, synapses=s) for p, s in zip(program.projections, changed, strict=False)] + list(
        program.projections[3:]
    )
    pooled, scaled, even = (
        layer.incoming[0] for layer in layers_of(replace(program, projections=tuple(projections)))[:3]
    )
    assert pooled.pool == 2
    assert pooled.geometry == ConvGeometry(padding=(1, 1, 1, 1))
    maps = random.integers(0, 2, (3, 8, 8, 8)).astype(np.float64)
    sums = maps.reshape(3, 8, 4, 2, 4, 2).sum(axis=(3, 5))
    expected = convolved(maps, folded.weight, folded.geometry)
    assert np.array_equal(convolved(sums, pooled.weight, pooled.geometry), expected)
    assert scaled.is_scale
    assert scaled.weight.shape == (8, 1, 1)
    assert even.geometry == ConvGeometry((2, 2), (1, 1, 1, 1))


def test_layers_refuse_what_peers_do_not_have() -> None:
    program = chain(2)
    first, *rest = program.populations
    uneven = replace(first, threshold=np.arange(1, 9).reshape(8, 1, 1))
    with pytest.raises(ValueError, match="8 thresholds"):
        layers_of(replace(program, populations=(uneven, *rest)))
    with pytest.raises(ValueError, match="no gates"):
        layers_of(replace(program, populations=(replace(first, gated=True), *rest)))
