"""Linear operators that are no convolution: what they compute is what the runtime does, at both float levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import evaluate
from spikec.compiler.ir.sparse_operator import SparseLinear

from .conftest import parse, require_levels, runtime_result

Compare = Callable[..., Any]
Parse = Callable[..., bytes]
Codes = Callable[..., list[Any]]

RNG = np.random.default_rng(12)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def numbers(*entries: float) -> Any:
    return np.array(entries, np.float32)


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "resize nearest": ("y = Resize(x, , s)", {"s": numbers(1, 1, 2, 2)}),
    "resize to sizes": ('y = Resize <mode = "linear"> (x, , , s)', {"s": [1, 3, 9, 4]}),
    "resize cubic": ('y = Resize <mode = "cubic"> (x, , s)', {"s": numbers(1, 1, 2, 1.5)}),
    "resize cubic inside": (
        'y = Resize <mode = "cubic", exclude_outside = 1, cubic_coeff_a = -0.5> (x, , s)',
        {"s": numbers(1, 1, 2, 3)},
    ),
    "resize of listed axes": ("y = Resize <axes = [2, 3]> (x, , s)", {"s": numbers(0.5, 3)}),
    "resize no larger": (
        'y = Resize <axes = [3, 2], keep_aspect_ratio_policy = "not_larger"> (x, , , s)',
        {"s": [9, 13]},
    ),
    "reduced sum": ("y = ReduceSum(x, a)", {"a": [2, 3]}),
    "reduced sum of channels": ("y = ReduceSum <keepdims = 0> (x, a)", {"a": [1]}),
    "reduced sum of rows": ("y = ReduceSum(x, a)", {"a": [-2]}),
    "reduced mean of columns": ("y = ReduceMean <axes = [3]> (x)", {}),
    "pad reflect": ('y = Pad <mode = "reflect"> (x, p)', {"p": [0, 0, 2, 1, 0, 0, 1, 3]}),
    "pad edge": ('y = Pad <mode = "edge"> (x, p)', {"p": [0, 1, 2, 1, 0, 0, 9, 3]}),
    "pad wrap": ('y = Pad <mode = "wrap"> (x, p)', {"p": [0, 0, 2, 1, 0, 0, 1, 3]}),
    "pad edge and cut": ('y = Pad <mode = "edge"> (x, p)', {"p": [0, 0, -2, 1, 0, 0, 1, -3]}),
    "pad with a value": ("y = Pad(x, p, v)", {"p": [0, 0, 2, 1, 0, 0, 1, 3], "v": np.float32(-0.7)}),
    "pad with a value and cut": ("y = Pad(x, p, v)", {"p": [0, 0, -2, 1, 0, 1, 1, -3], "v": np.float32(0.7)}),
    "slice backwards": ("y = Slice(x, b, e, a, s)", {"b": [-1, 5], "e": [-99, 0], "a": [2, 3], "s": [-1, -2]}),
    "gather in any order": ("y = Gather <axis = 2> (x, i)", {"i": [4, 0, 0, -1]}),
    "gather of a table": ("y = Gather <axis = 3> (x, i)", {"i": np.array([[4, 0], [2, 2], [1, -6]])}),
    "gather elements": ("y = GatherElements <axis = 2> (x, i)", {"i": np.arange(24).reshape(1, 2, 2, 6) % 6}),
    "tile": ("y = Tile(x, k)", {"k": [1, 2, 1, 3]}),
    "expand": ("m = ReduceMean <axes = [2, 3]> (x) y = Expand(m, s)", {"s": [1, 3, 4, 5]}),
    "added constant is longer": ("m = ReduceMean <axes = [3]> (x) y = Add(m, c)", {"c": normal(1, 1, 6, 4)}),
    "factor is longer": ("m = ReduceMean <axes = [1]> (x) y = Mul(m, c)", {"c": normal(5, 1, 1)}),
    "centred by its mean": ("m = ReduceMean <axes = [1, 2, 3]> (x) y = Sub(x, m)", {}),
    "sum of two that repeat each other": (
        "a = ReduceMean <axes = [2]> (x) b = ReduceMean <axes = [3]> (x) y = Add(a, b)",
        {},
    ),
    "running sum": ("y = CumSum(x, a)", {"a": np.array(2)}),
    "running sum from the end": ("y = CumSum <reverse = 1, exclusive = 1> (x, a)", {"a": np.array(-1)}),
    "triangle": ("y = Trilu <upper = 0> (x, k)", {"k": np.array(1)}),
    "depth to space": ("d = Concat <axis = 1> (x, x, x, x) y = DepthToSpace <blocksize = 2> (d)", {}),
    "depth to space by columns": (
        'd = Concat <axis = 1> (x, x, x, x) y = DepthToSpace <blocksize = 2, mode = "CRD"> (d)',
        {},
    ),
    "space to depth": ("y = SpaceToDepth <blocksize = 3> (x)", {}),
    "matrix on the left": ("y = MatMul(w, x)", {"w": normal(4, 6)}),
    "stack of matrices": ("y = MatMul(x, w)", {"w": normal(1, 3, 6, 2)}),
    "stack of matrices on the left": ("y = MatMul(w, x)", {"w": normal(3, 2, 6)}),
    "stack that repeats the value": (
        "m = ReduceMean <axes = [1]> (x) y = MatMul(m, w)",
        {"w": normal(4, 6, 2)},
    ),
    "vector": ("y = MatMul(x, w)", {"w": normal(6)}),
    "vector on the left": ("y = MatMul(w, x)", {"w": normal(6)}),
    "einsum": ('y = Einsum <equation = "bchw,cdw->bhd"> (x, w)', {"w": normal(3, 4, 6)}),
    "einsum with a group": ('y = Einsum <equation = "kc,bchw->bwckh"> (w, x)', {"w": normal(2, 3)}),
    "einsum of dots": ('y = Einsum <equation = "b...w,wk->b...k"> (x, w)', {"w": normal(6, 2)}),
    "picked places": (
        "t = Transpose <perm = [2, 3, 0, 1]> (x) g = GatherND(t, i) y = Transpose <perm = [1, 2, 0]> (g)",
        {"i": np.array([[0, 5], [3, 2], [-1, 0], [3, 2]])},
    ),
    "picked places of samples": (
        "y = GatherND <batch_dims = 1> (x, i)",
        {"i": np.array([[[0, 5], [2, 2], [-1, 0]]])},
    ),
    "chosen by a mask": ("n = Neg(x) y = Where(m, x, n)", {"m": RNG.random((1, 3, 1, 6)) > 0.5}),
    "masked by a number": ("y = Where(m, c, x)", {"m": RNG.random((6, 6)) > 0.5, "c": np.float32(0.5)}),
    "rows and columns": ("y = Transpose <perm = [0, 1, 3, 2]> (x)", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_alone_and_between_layers(parsed: Parse, same_as_runtime: Compare, case: str) -> None:
    body, weights = CASES[case]
    opset = 19 if "wrap" in body else 18 if "Resize" in body else 17
    same_as_runtime(parsed(body, weights=weights, opset=opset))
    first = "h = Conv <pads = [1, 1, 1, 1]> (u, first) x = Relu(h)"
    last = "flat = Flatten(y) r = Relu(flat)"
    weights = {**weights, "first": normal(3, 2, 3, 3)}
    model = parsed(f"{first} {body} {last}", "float[N,2,6,6] u", "float[N,M] r", opset=opset, weights=weights)
    same_as_runtime(model)
    fixed_batch = "sizes" in case or "larger" in case or "elements" in case or "of samples" in case
    shape = (1 if fixed_batch else 6, 2, 6, 6)
    require_levels(model, samples=np.random.default_rng(0).normal(0.3, 1.0, shape).astype(np.float32))


CONV_TRANSPOSE = {
    "plain": "",
    "strides": "strides = [2, 3]",
    "all": "strides = [2, 1], pads = [1, 0, 2, 1], output_padding = [1, 0], dilations = [1, 2]",
    "groups": "group = 2, strides = [2, 2], pads = [1, 1, 1, 1]",
    "more pads than the kernel reaches": "pads = [3, 0, 0, 4], strides = [2, 2]",
    "same upper": 'auto_pad = "SAME_UPPER", strides = [2, 2]',
    "same lower": 'auto_pad = "SAME_LOWER", strides = [3, 2]',
    "shape": "output_shape = [9, 8], strides = [2, 2]",
}


@pytest.mark.parametrize("case", CONV_TRANSPOSE)
def test_transposed_convolutions(parsed: Parse, same_as_runtime: Compare, case: str) -> None:
    attributes = CONV_TRANSPOSE[case]
    body = f"y = ConvTranspose <{attributes}> (x, w, b)".replace("<>", "")
    weights = {"w": normal(4, 3, 3, 2), "b": normal(6 if "group" in attributes else 3)}
    same_as_runtime(parsed(body, "float[N,4,4,5] x", weights=weights), batch=2)
    weights |= {"first": normal(4, 2, 1, 1), "v": normal(2, len(weights["b"]), 2, 2)}
    whole = f"h = Conv(u, first) x = Relu(h) {body} r = Relu(y) z = Conv(r, v)"
    require_levels(parsed(whole, "float[N,2,4,5] u", "float[N,A,B,C] z", weights=weights))


def test_einsum_of_one_operand(parsed: Parse) -> None:
    network, _ = read_onnx(parsed('y = Einsum <equation = "bchw->bwc"> (x)'))
    samples = np.random.default_rng(0).normal(size=(2, 3, 6, 6))
    np.testing.assert_allclose(evaluate(network, samples)[network.output], np.einsum("bchw->bwc", samples))


def test_an_activation_behind_depth_to_space_is_a_convolution(parsed: Parse, same_as_runtime: Compare) -> None:
    body = "c = Conv(x, w) d = DepthToSpace <blocksize = 2> (c) s = Mul(d, two) r = Relu(s) y = Conv(r, v)"
    weights = {"w": normal(8, 3, 3, 3), "two": np.float32(2), "v": normal(2, 2, 1, 1)}
    read = same_as_runtime(parsed(body, weights=weights))
    assert read.operators[:3] == ["Conv", "Scale", "Relu"]


def test_transposed_convolution_of_a_sequence(parsed: Parse, same_as_runtime: Compare) -> None:
    body = "y = ConvTranspose <strides = [2], pads = [1, 0]> (x, w)"
    same_as_runtime(parsed(body, "float[N,4,7] x", "float[N,A,B] y", weights={"w": normal(4, 3, 3)}))


def test_stride_one_stays_a_convolution(parsed: Parse, same_as_runtime: Compare) -> None:
    read = same_as_runtime(parsed("y = ConvTranspose (x, w)", weights={"w": normal(3, 2, 3, 3)}))
    assert read.operators == ["Conv"]


@pytest.mark.parametrize(
    "body",
    ["y = Resize(x, , s)", "y = Gather <axis = 2> (x, i)", "m = ReduceSum <keepdims = 1> (x, a) y = Add(m, x)"],
)
def test_what_is_read_is_small(parsed: Parse, body: str) -> None:
    weights = {"s": numbers(1, 1, 0.5, 0.5), "i": [1, 3, 5], "a": [1]}
    network, _ = read_onnx(parsed(body, weights=weights))
    sparse = [node.operator for node in network.nodes if isinstance(node.operator, SparseLinear)]
    assert sum(operator.weight.size for operator in sparse) <= 108
    assert not sparse or "Add" in body


MODES = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["nearest", "linear", "cubic"]),
        "coordinate_transformation_mode": st.sampled_from(
            ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"]
        ),
        "nearest_mode": st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MODES, st.tuples(st.integers(1, 6), st.integers(1, 6)), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_resize_in_every_mode(modes: dict[str, str], before: tuple[int, int], after: tuple[int, int]) -> None:
    # Places that are whole numbers up to the last digit: the runtime finds 0.99999994 where the evaluator finds 1.
    assume(modes["coordinate_transformation_mode"] != "half_pixel_symmetric" or modes["mode"] != "nearest")
    attributes = ", ".join(f'{name} = "{value}"' for name, value in modes.items())
    body = f"y = Resize <{attributes}> (x, , , s)"
    inputs = f"float[N,2,{before[0]},{before[1]}] x"
    model = parse(
        f"{body} y = Mul(h, two)".replace("y = Resize", "h = Resize"),
        inputs,
        opset=19,
        weights={"s": [1, 2, *after], "two": np.array([2.0])},
    )
    require_levels(model, samples=np.random.default_rng(0).normal(size=(1, 2, *before)).astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["constant", "reflect", "edge", "wrap"]),
    st.lists(st.integers(-1, 3), min_size=4, max_size=4),
    st.sampled_from([0.0, 0.5]),
)
def test_pad_in_every_mode(mode: str, pads: list[int], value: float) -> None:
    # Runtimes read beyond the value where one side of an axis is cut and the other one repeats.
    pads = pads if mode == "constant" else [max(0, amount) for amount in pads]
    weights: dict[str, Any] = {
        "p": [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]],
        "v": np.float32(value),
        "two": np.float32(2),
    }
    model = parse(f'h = Pad <mode = "{mode}"> (x, p, v) y = Mul(h, two)', "float[N,2,4,5] x", opset=19, weights=weights)
    samples = np.random.default_rng(0).normal(size=(1, 2, 4, 5)).astype(np.float32)
    require_levels(model, samples=samples)
    assert runtime_result(model, samples, None).shape[0] == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2), st.integers(0, 3), st.booleans(), st.randoms(use_true_random=False))
def test_matrix_products_of_any_rank(axes: int, of_weight: int, weight_first: bool, random: Any) -> None:
    """As numpy's matmul stacks them, the batch being the first axis of the value."""
    stack = [random.choice((1, 2, 3)) for _ in range(axes)]
    if weight_first and not stack:
        stack = [2]
    rows, summed, columns = 2, 3, 4
    sample = [*stack[:-1], summed, columns] if weight_first else [*stack, summed]
    outer = sample[:-2] if len(sample) > 1 else []
    shared = [
        random.choice((1, n)) if n > 1 else random.choice((1, 2))
        for n in outer[len(outer) - min(of_weight, len(outer)) :]
    ]
    weight = [*shared, *((rows, summed) if weight_first else (summed, columns))]
    inputs = f"float[N,{','.join(map(str, sample))}] x"
    body = "y = MatMul(w, x)" if weight_first else "y = MatMul(x, w)"
    model = parse(body, inputs, f"float[N{',M' * len(sample)}] y", weights={"w": normal(*weight)})
    require_levels(model)


VOLUMES = {
    "kernel as deep as the volume": ("pads = [0, 1, 1, 0, 1, 1]", (4, 2, 3, 3, 3)),
    "in groups": ("group = 2", (4, 1, 3, 2, 2)),
    "one plane within its padding": ("pads = [1, 0, 0, 1, 1, 1], strides = [3, 2, 1]", (4, 2, 3, 2, 2)),
    "every plane by itself": ('auto_pad = "SAME_UPPER", strides = [1, 2, 1]', (4, 2, 1, 3, 3)),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_volumes_that_are_maps(parsed: Parse, same_as_runtime: Compare, case: str) -> None:
    attributes, shape = VOLUMES[case]
    depth = 1 if "padding" in case else 3
    body = f"c = Conv <{attributes}> (x, w, b) y = Relu(c)"
    weights = {"w": normal(*shape), "b": normal(4)}
    read = same_as_runtime(parsed(body, f"float[N,2,{depth},5,4] x", "float[N,A,B,C,D] y", weights=weights), batch=2)
    assert "Conv" in read.operators


def test_volume_through_which_a_kernel_slides_is_refused_with_what_to_do(parsed: Parse, problems: Codes) -> None:
    weights = {"w": normal(4, 2, 3, 3, 3)}
    (problem,) = problems(parsed("y = Conv(x, w)", "float[N,2,5,5,4] x", "float[N,A,B,C,D] y", weights=weights))
    assert problem.code == "E102"
    assert "(batch, 10, 5, 4)" in problem.hint


@pytest.mark.parametrize(
    ("code", "body", "weights"),
    [
        ("E102", 'y = Resize <mode = "linear", antialias = 1> (x, , s)', {"s": numbers(1, 1, 0.5, 0.5)}),
        (
            "E102",
            'y = Resize <coordinate_transformation_mode = "tf_crop_and_resize"> (x, r, s)',
            {"s": numbers(1, 1, 2, 2), "r": np.zeros(8, np.float32)},
        ),
        ("E104", "y = Resize(x, , s)", {"s": numbers(2, 1, 2, 2)}),
        ("E012", "y = Resize(x, , s)", {"s": numbers(1, 1, 0.1, 2)}),
        ("E108", "y = Resize(x, , s)", {"s": numbers(1, 1, 1e5, 1e5)}),
        ("E108", "y = Resize(x, , s)", {"s": numbers(1, 1, 1, 3e38)}),
        (
            "E012",
            'm = ReduceMean(x, k) y = Resize <axes = [2, 3], keep_aspect_ratio_policy = "not_larger"> (m, , , s)',
            {"s": [1, 6], "k": [3]},
        ),
        ("E108", "y = Tile(x, r)", {"r": [1, 1, 9999, 9999]}),
        ("E104", "y = Tile(x, r)", {"r": [2, 1, 1, 1]}),
        ("E108", 'y = Pad <mode = "edge"> (x, p)', {"p": [0, 0, 9999, 0, 0, 0, 0, 9999]}),
        ("E012", "y = SpaceToDepth <blocksize = 4> (x)", {}),
        ("E012", "y = DepthToSpace <blocksize = 2> (x)", {}),
        ("E104", "y = MatMul(x, w)", {"w": np.ones((2, 3, 6, 2), np.float32)}),
        ("E012", "y = MatMul(x, w)", {"w": np.ones((2, 6, 2), np.float32)}),
        ("E102", 'y = Einsum <equation = "bcww->bc"> (x)', {}),
        ("E103", 'y = Einsum <equation = "bchw,bchw->b"> (x, x)', {}),
        ("E104", 'y = Einsum <equation = "bchw->cb"> (x)', {}),
        ("E012", 'y = Einsum <equation = "bch->bc"> (x)', {}),
        ("E104", "f = Flatten(x) y = Add(f, x)", {}),
        ("E104", "y = GatherND(x, i)", {"i": np.array([[0, 1]])}),
        ("E012", "y = GatherND <batch_dims = 1> (x, i)", {"i": np.array([[[7, 1]]])}),
        ("E104", "h = Transpose <perm = [1, 0, 2, 3]> (x) y = Relu(h)", {}),
        ("E104", "y = CumSum(x, a)", {"a": np.array(0)}),
        ("E012", "y = ConvTranspose <pads = [9, 9, 9, 9]> (x, w)", {"w": np.ones((3, 2, 3, 3), np.float32)}),
        ("E108", "y = ConvTranspose <strides = [99999, 99999]> (x, w)", {"w": np.ones((3, 2, 3, 3), np.float32)}),
    ],
)
def test_forms_that_are_refused(parsed: Parse, problems: Codes, code: str, body: str, weights: dict[str, Any]) -> None:
    found = problems(parsed(body, weights=weights, opset=18))
    assert [problem.code for problem in found] == [code]


def test_too_many_coordinates_are_refused_before_they_are_made(parsed: Parse, problems: Codes) -> None:
    model = parsed("y = CumSum(x, a)", "float[N,1,1,2000000] x", weights={"a": np.array(3)})
    assert [problem.code for problem in problems(model)] == ["E107"]
