from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import Network, evaluate
from spikec.compiler.ir.operators import Reshape, Transpose
from spikec.compiler.passes.recognise_activations import recognised
from spikec.targets.diagnostic import UnusableInput


class Layers:
    """Grows a random network of ONNX nodes on values (channels, rows, columns), with channels first or last."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.last = self.draw(st.booleans())
        self.shape = (draw(st.integers(1, 4)), draw(st.integers(6, 9)), draw(st.integers(6, 9)))
        self.input_shape = (*self.shape[1:], self.shape[0]) if self.last else self.shape
        self.value = "x"

    def weight(self, array: Any) -> str:
        name = f"w{len(self.weights)}"
        array = np.asarray(array)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        self.weights.append(onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> None:
        result = f"v{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, list(inputs), [result], **attributes))
        self.value = result

    def per_channel(self, array: Any) -> str:
        return self.weight(array if self.last else array.reshape(-1, 1, 1))

    def with_channels_first(self, operator: str, *weights: str, **attributes: Any) -> None:
        if self.last:
            self.add("Transpose", self.value, perm=[0, 3, 1, 2])
        self.add(operator, self.value, *weights, **attributes)
        if self.last:
            self.add("Transpose", self.value, perm=[0, 2, 3, 1])

    def conv(self) -> None:
        channels, rows, columns = self.shape
        outputs, kernel = self.draw(st.integers(1, 4)), self.draw(st.integers(1, 3))
        depthwise = self.draw(st.booleans())
        outputs = channels if depthwise else outputs
        strides = [self.draw(st.integers(1, 2)), self.draw(st.integers(1, 2))]
        pads = [self.draw(st.integers(0, 1)) for _ in range(4)]
        weight = self.rng.normal(size=(outputs, 1 if depthwise else channels, kernel, kernel)) / kernel
        sizes = [(n + pads[k] + pads[k + 2] - kernel) // strides[k] + 1 for k, n in enumerate((rows, columns))]
        if min(sizes) < 2:
            return
        self.with_channels_first(
            "Conv", self.weight(weight), strides=strides, pads=pads, group=channels if depthwise else 1
        )
        self.shape = (outputs, sizes[0], sizes[1])

    def norm(self) -> None:
        statistics = [self.weight(self.rng.uniform(0.5, 1.5, self.shape[0])) for _ in range(4)]
        self.with_channels_first("BatchNormalization", *statistics)

    def affine(self) -> None:
        self.add("Mul", self.value, self.per_channel(self.rng.uniform(0.5, 1.5, self.shape[0])))
        self.add("Sub", self.value, self.per_channel(self.rng.normal(size=self.shape[0])))

    def residual(self) -> None:
        skipped = self.value
        self.add("Relu", self.value)
        self.add("Add", skipped, self.value)

    def clip(self) -> None:
        self.add("Clip", self.value, self.weight(np.float32(0)), self.weight(np.float32(self.rng.uniform(0.5, 2))))

    def pool(self) -> None:
        if min(self.shape[1:]) < 3:
            return
        include = self.draw(st.integers(0, 1))
        self.with_channels_first(
            "AveragePool", kernel_shape=[2, 2], strides=[2, 1], pads=[0, 1, 0, 0], count_include_pad=include
        )
        self.shape = (self.shape[0], (self.shape[1] - 2) // 2 + 1, self.shape[2])

    def shortcut(self) -> None:
        axis = 2 if self.last else 3
        bounds = [self.weight(np.array([value])) for value in (0, 2**31 - 1, axis, 2)]
        self.add("Slice", self.value, *bounds)
        after = [0, 0, 0, 0]
        after[3 if self.last else 1] = 1
        self.add("Pad", self.value, self.weight(np.array([0, 0, 0, 0, *after])))
        self.shape = (self.shape[0] + 1, self.shape[1], (self.shape[2] + 1) // 2)

    def classifier(self) -> None:
        if self.draw(st.booleans()):
            self.add("ReduceMean", self.value, axes=[1, 2] if self.last else [2, 3], keepdims=0)
            features = self.shape[0]
        else:
            self.add("Flatten", self.value)
            features = int(np.prod(self.shape))
        self.add("MatMul", self.value, self.weight(self.rng.normal(size=(features, 3))))
        self.add("Add", self.value, self.weight(self.rng.normal(size=3)))


@st.composite
def networks(draw: st.DrawFn) -> onnx.ModelProto:
    layers = Layers(draw)
    kinds = ("conv", "norm", "affine", "residual", "clip", "pool", "shortcut")
    layers.conv()
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=6)):
        if layers.shape[2] > 1:
            getattr(layers, kind)()
    layers.classifier()
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", *layers.input_shape])
    y = onnx.helper.make_tensor_value_info(layers.value, onnx.TensorProto.FLOAT, ["N", 3])
    graph = onnx.helper.make_graph(layers.nodes, "random", [x], [y], layers.weights)
    return onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 13)])


def check_constant(network: Network, samples: Any, refusal: UnusableInput) -> None:
    """Activations that are one number whatever comes in are all that may be refused."""
    constant = frozenset(d.place.layer or "" for d in refusal.diagnostics if d.code == "E111")
    assert len(constant) == len(refusal.diagnostics)
    values = evaluate(network, samples, constant)
    assert all((values[name] == values[name][0, :, :1, :1]).all() for name in constant)


@settings(max_examples=120, deadline=None)
@given(networks())
def test_random_networks_compute_what_the_runtime_computes(model: onnx.ModelProto) -> None:
    content = model.SerializeToString()
    network, remarks = read_onnx(content)
    assert remarks == ()
    samples = np.random.default_rng(0).normal(size=(2, *network.input_shape)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(content).run(None, {"x": samples})
    result = evaluate(network, samples)[network.output]
    # Sums of a few hundred float32 terms in another order.
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5 * max(1.0, float(np.abs(expected).max())))
    exact = samples.astype(np.float64)
    try:
        simplified = recognised(network)
    except UnusableInput as refusal:
        check_constant(network, exact, refusal)
        return
    # Doubles, and clips without rounding: only the order of factors changes.
    np.testing.assert_allclose(
        evaluate(simplified, exact)[simplified.output], evaluate(network, exact)[network.output], rtol=1e-9, atol=1e-9
    )
    for node in network.nodes:
        if isinstance(node.operator, Transpose) and node.inputs != ("input",):
            assert all(isinstance(reader.operator, Reshape) for reader in network.consumers(node.name))
