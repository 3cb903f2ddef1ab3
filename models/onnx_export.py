"""Modules of torch as ONNX files, by the exporters of torch itself."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

OPSET = 17
INPUT_NAME = "input"


def traced_onnx(module: nn.Module, example: Tensor, outputs: Sequence[str]) -> bytes:
    """Return ``module``, in evaluation mode, as the bytes of an ONNX file, by the exporter that needs no other package.

    ``example`` (N, ...) becomes the input "input", axis 0 symbolic in it and in all ``outputs``. Batch norm is kept as
    it is. Nodes are named by the modules that they are of.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The TorchScript exporter announces its successor, which writes paths of this machine into the model.
        warnings.simplefilter("ignore", DeprecationWarning)
        # PRESERVE keeps batch norm; the exporter warns of it because it also serves networks in training mode.
        warnings.filterwarnings("ignore", message=".*constant folding", category=UserWarning)
        warnings.filterwarnings("ignore", message="Constant folding", category=UserWarning)
        torch.onnx.export(
            module,
            (example,),
            cast(Any, buffer),
            input_names=[INPUT_NAME],
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (INPUT_NAME, *outputs)},
            opset_version=OPSET,
            training=torch.onnx.TrainingMode.PRESERVE,
            # What has no equivalent is written as it is, for the reader to tell of all of it at once.
            operator_export_type=torch.onnx.OperatorExportTypes.ONNX_FALLTHROUGH,
            dynamo=False,
        )
    return buffer.getvalue()
