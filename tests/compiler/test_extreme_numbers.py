"""Networks whose constants are as large and as small as floats are: compiled, or refused for their numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx.helper
import onnx.numpy_helper
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikec.compiler.compilation import build_program
from spikec.compiler.options import CompileOptions
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import UnusableInput

NAMES = ("w", "b", "scale", "offset", "mean", "variance", "factor", "w2", "w3", "b3")

magnitudes = st.sampled_from([0, 0, 0, 3, 9, 12, 20, 38, 100, 160, 300, -3, -9, -20, -38, -160, -300])


@given(st.lists(magnitudes, min_size=10, max_size=10), st.integers(0, 99), st.sampled_from(["lava", "loihi1"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_number_of_a_file_is_an_internal_error(tmp_path: Path, powers: list[int], seed: int, target: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(network(powers, seed))
    assert not [code for code in codes(path, target) if code.startswith("E9")]


def codes(path: Path, target: str, calibration: Samples | None = None) -> set[str]:
    """Codes with which the network is refused."""
    try:
        build_program(path, CompileOptions(target=target, timesteps=2, calibration=calibration))
    except UnusableInput as refused:
        return {problem.code for problem in refused.diagnostics}
    return set()


@given(st.sampled_from([0, 10, 29, 30, 31, 35, 38, -10, -27, -29, -38, -44]), st.booleans(), st.integers(0, 9))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_number_of_calibration_data_is_an_internal_error(
    tmp_path: Path, power: int, signed: bool, seed: int
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(network([0] * len(NAMES), seed))
    random = np.random.default_rng(seed)
    values = (random.uniform(-1 if signed else 0, 3, (2, 1, 4, 4)) * 10.0**power).astype(np.float32)
    found = codes(path, "lava", Samples(values, None))
    assert not [code for code in found if code.startswith("E9")]
    is_unit = not signed and power < 0
    assert ("E603" in found) == (power > 29 or (power < -27 and not is_unit))


def test_data_that_no_encoding_stands_for_is_refused_with_its_file(tmp_path: Path) -> None:
    model, data = tmp_path / "net.onnx", tmp_path / "data.npz"
    model.write_bytes(network([0] * len(NAMES), 1))
    np.savez(data, inputs=np.full((1, 1, 4, 4), 2e38, np.float32))
    with pytest.raises(UnusableInput) as refused:
        build_program(model, CompileOptions(calibration=data))
    (problem,) = refused.value.diagnostics
    assert problem.code == "E603"
    assert problem.place is not None
    assert problem.place.file == str(data)


@pytest.mark.parametrize(
    ("powers", "code"),
    [({"scale": 300, "factor": 300}, "E227"), ({"w2": 20, "w3": 20}, "E228")],
    ids=["product", "far apart"],
)
def test_constants_of_absurd_sizes_are_refused(tmp_path: Path, powers: dict[str, int], code: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(network([powers.get(name, 0) for name in NAMES], 7))
    assert codes(path, "lava") == {code}


@pytest.mark.parametrize("alpha", [np.inf, -np.inf, np.nan])
def test_an_attribute_that_is_no_number_is_refused(tmp_path: Path, alpha: float) -> None:
    x, y = (onnx.helper.make_tensor_value_info(n, 1, s) for n, s in (("x", [1, 3]), ("y", None)))
    weight = onnx.numpy_helper.from_array(np.ones((3, 2), np.float32), "w")
    gemm = onnx.helper.make_node("Gemm", ["x", "w"], ["y"], alpha=alpha)
    graph = onnx.helper.make_graph([gemm], "attribute", [x], [y], [weight])
    path = tmp_path / "net.onnx"
    onnx.save(onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    with pytest.raises(UnusableInput, match="E004"):
        build_program(path, CompileOptions())


def network(powers: list[int], seed: int) -> bytes:
    """Conv, batch norm, a quantiser, convolution and sum, and a dense layer, times ten to each of ten powers."""
    random = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "w": (2, 1, 2, 2),
        "b": (2,),
        "scale": (2,),
        "offset": (2,),
        "mean": (2,),
        "variance": (2,),
    }
    shapes |= {"factor": (), "w2": (2, 2, 1, 1), "w3": (3, 18), "b3": (3,)}
    constants = [
        onnx.numpy_helper.from_array(
            odd(random, shape, float(10.0**power), positive=name in ("variance", "factor")), name
        )
        for (name, shape), power in zip(shapes.items(), powers, strict=True)
    ]
    limits = {"zero": 0.0, "four": 4.0}
    constants += [onnx.numpy_helper.from_array(np.array(value), name) for name, value in limits.items()]
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"]),
        node("BatchNormalization", ["c", "scale", "offset", "mean", "variance"], ["n"]),
        node("Mul", ["n", "factor"], ["m"]),
        node("Floor", ["m"], ["f"]),
        node("Clip", ["f", "zero", "four"], ["q"]),
        node("Conv", ["q", "w2"], ["d"]),
        node("Add", ["d", "q"], ["s"]),
        node("Flatten", ["s"], ["v"]),
        node("Gemm", ["v", "w3", "b3"], ["y"], transB=1),
    ]
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.DOUBLE, [1, 1, 4, 4])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.DOUBLE, None)
    graph = onnx.helper.make_graph(nodes, "extreme", [x], [y], constants)
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


def odd(random: np.random.Generator, shape: tuple[int, ...], size: float, *, positive: bool) -> npt.NDArray[np.float64]:
    """Numbers about 1, one of them (or the only one) times ``size``."""
    values = np.abs(random.normal(size=shape)) + 0.1 if positive else random.normal(size=shape)
    flat = np.asarray(values, np.float64).reshape(-1)
    flat[random.integers(len(flat))] *= size
    return flat.reshape(shape)
