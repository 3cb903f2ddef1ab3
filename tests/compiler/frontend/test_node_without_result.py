from __future__ import annotations

import numpy as np
from onnx import helper

from spikec.compiler.frontend.constants import Allowance, Constant, fold
from spikec.compiler.frontend.graph import OnnxNode


def test_a_node_of_constants_without_a_result_folds_to_nothing_that_is_read() -> None:
    proto = helper.make_node("Reshape", ["n", "s"], [])
    node = OnnxNode("reshape", "Reshape", "", ("n", "s"), (), {}, (), proto)
    whole = Constant(np.array([3], np.int64), "n"), Constant(np.array([1], np.int64), "s")
    assert all(constant.tensor == "" for constant in fold(node, whole, 17, Allowance()))
