"""The source ANN in torch and, in float32 and as int8, in onnxruntime: another function, the yardstick for cost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

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


def quantised(model: Path, calibration: Images, folder: Path) -> Path:
    """Write ``model`` as onnxruntime quantises it: 8-bit weights per channel, Q/DQ around operators; once per file.

    Ranges are the smallest and largest values on the images ``calibration``.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:16]
    file, prepared = folder / f"{digest}-int8.onnx", folder / f"{digest}-prepared.onnx"
    if file.is_file():
        return file
    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.name = onnx.load(str(prepared)).graph.input[0].name
            self.batches = iter(calibration.reshape(-1, 1, *calibration.shape[1:]))

        def get_next(self) -> dict[str, Images] | None:
            batch = next(self.batches, None)
            return None if batch is None else {self.name: batch}

    quantize_static(
        str(prepared), str(file), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return file
