from __future__ import annotations

import io
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikec.models.networks.activation import (
    SMALLEST_THRESHOLD,
    Activation,
    QuantiseClip,
    keep_thresholds_positive,
    quantise_and_clip,
)


def gradients(layer: QuantiseClip, z: Tensor) -> tuple[Tensor, list[float]]:
    """da/dz, and da/dthreshold of each element by itself."""
    z = z.clone().requires_grad_()
    layer(z).sum().backward()
    each: list[float] = []
    for value in z.detach():
        layer.threshold.grad = None
        layer(value).backward()
        assert layer.threshold.grad is not None
        each.append(float(layer.threshold.grad))
    assert z.grad is not None
    return z.grad, each


@given(
    z=st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=50),
    threshold=st.floats(0.125, 10, width=32),
    levels=st.integers(1, 16),
    shift=st.sampled_from([0.0, 0.5]),
)
def test_values_are_those_of_equation_8(z: list[float], threshold: float, levels: int, shift: float) -> None:
    single = np.float32(threshold)
    scaled = np.array(z, np.float32) / single * np.float32(levels) + np.float32(shift)
    level = np.clip(np.floor(scaled), 0, levels)
    result = quantise_and_clip(torch.tensor(z), torch.tensor(threshold), levels, shift).numpy()
    np.testing.assert_array_equal(result, level / np.float32(levels) * single)


def test_floor_and_round_differ_by_half_a_level() -> None:
    z = torch.tensor([-1.0, 0.24, 0.25, 0.5, 0.99, 1.0, 1.25, 1.99, 2.0, 9.0])
    floor = QuantiseClip(4, 0.0, 2.0)(z).tolist()
    rounded = QuantiseClip(4, 0.5, 2.0)(z).tolist()
    assert floor == [0, 0, 0, 0.5, 0.5, 1, 1, 1.5, 2, 2]
    assert rounded == [0, 0, 0.5, 0.5, 1, 1, 1.5, 2, 2, 2]


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_gradients_at_and_around_the_boundaries(shift: float) -> None:
    below, above = np.nextafter(np.float32(2), np.float32(0)), np.nextafter(np.float32(2), np.float32(3))
    z = torch.tensor([-1.0, 0.0, 1e-6, 0.8, below, 2.0, above, 5.0])
    layer = QuantiseClip(4, shift, 2.0)
    to_input, to_threshold = gradients(layer, z)
    assert to_input.tolist() == [0, 0, 1, 1, 1, 0, 0, 0]
    inside = [float(layer(value).detach() / 2 - value / 2) for value in z[2:5]]
    assert to_threshold == pytest.approx([0, 0, *inside, 1, 1, 1], abs=1e-7)  # float32 division
    assert to_threshold[3] == pytest.approx((0.25 if shift == 0 else 0.5) - 0.4, abs=1e-7)


@settings(deadline=None)
@given(
    z=st.lists(st.floats(-4, 12).filter(lambda z: abs(z) > 1e-6), min_size=1, max_size=20),
    threshold=st.floats(0.5, 8),
    levels=st.integers(1, 8),
    shift=st.sampled_from([0.0, 0.5]),
)
def test_gradients_are_those_of_a_floor_with_slope_one(
    z: list[float], threshold: float, levels: int, shift: float
) -> None:
    values = torch.tensor([v for v in z if abs(v - threshold) > 1e-6] or [1e-3], dtype=torch.float64)
    layer = QuantiseClip(levels, shift, threshold).double()
    by_hand_z = values.clone().requires_grad_()
    by_hand_threshold = layer.threshold.detach().clone().requires_grad_()
    clipped = torch.clamp(by_hand_z / by_hand_threshold, 0, 1)
    level = torch.clamp(torch.floor(clipped * levels + shift), 0, levels) / levels
    (by_hand_threshold * (clipped + (level - clipped).detach())).sum().backward()  # type: ignore[no-untyped-call]
    own_z = values.clone().requires_grad_()
    layer(own_z).sum().backward()
    assert own_z.grad is not None
    assert by_hand_z.grad is not None
    assert layer.threshold.grad is not None
    assert by_hand_threshold.grad is not None
    # Two orders of the same double precision sums.
    np.testing.assert_allclose(own_z.grad.numpy(), by_hand_z.grad.numpy(), atol=1e-9)
    np.testing.assert_allclose(float(layer.threshold.grad), float(by_hand_threshold.grad), atol=1e-9)


def test_a_threshold_stays_positive() -> None:
    layer = QuantiseClip(4, 0.5, 1.0)
    with torch.no_grad():
        layer.threshold.fill_(-3.0)
    keep_thresholds_positive(torch.nn.Sequential(layer))
    assert float(layer.threshold.detach()) == pytest.approx(SMALLEST_THRESHOLD)


def test_each_layer_has_a_threshold_of_its_own() -> None:
    activation = Activation("round", 4)
    first, second = activation(), activation()
    assert isinstance(first, QuantiseClip)
    assert first.threshold is not second.threshold
    assert isinstance(Activation("relu")(), torch.nn.ReLU)


@pytest.mark.parametrize(("levels", "threshold"), [(0, 1.0), (4, 0.0), (4, -1.0)])
def test_impossible_layers_are_not_built(levels: int, threshold: float) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        QuantiseClip(levels, 0.5, threshold)


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.filterwarnings("ignore")
def test_both_exporters_give_plain_operators_with_the_same_values(dynamo: bool, shift: float) -> None:
    layer = QuantiseClip(4, shift, 1.7).eval()
    z = torch.linspace(-1, 3, 1001)[None]
    buffer = io.BytesIO()
    if dynamo:
        program = torch.onnx.export(layer, (z,), dynamo=True, verbose=False)
        assert program is not None
        buffer.write(program.model_proto.SerializeToString())
    else:
        torch.onnx.export(layer, (z,), cast(Any, buffer), dynamo=False)
    model = onnx.load_from_string(buffer.getvalue())
    assert {node.op_type for node in model.graph.node} <= {"Div", "Mul", "Add", "Floor", "Clip", "Constant", "Cast"}
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: z.numpy()})
    np.testing.assert_array_equal(result, layer(z).detach().numpy())
