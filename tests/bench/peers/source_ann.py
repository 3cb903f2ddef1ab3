"""The source ANN in float32, in torch and in onnxruntime: not the same function, but the yardstick for its cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..nets import Net

Images = npt.NDArray[np.float32]


def in_torch(net: Net, images: Images) -> Callable[[], object]:
    """A call that runs the batch in torch."""
    import torch

    batch = torch.from_numpy(images)

    def call() -> object:
        with torch.inference_mode():
            return net.torch(batch)

    return call


def in_onnxruntime(model: Path, images: Images, threads: int) -> Callable[[], object]:
    """A call that runs the batch through an ONNX file in onnxruntime on the CPU, its graph optimised as by default."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images}
    return lambda: session.run(None, feed)
