"""Models of old operator sets, brought to one that the reader knows by onnx's version converter."""

from __future__ import annotations

import json
import subprocess
import sys

import onnx
import onnx.helper
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from .light_model import without_large_tensors

_CONVERTER = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import onnx, onnx.version_converter
model = onnx.load_model_from_string(sys.stdin.buffer.read())
converted = onnx.version_converter.convert_version(model, int(sys.argv[2]))
sys.stdout.buffer.write(converted.SerializeToString())
"""
_SECONDS = 60.0
_OLD_RESIZE = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
"""What Resize and Upsample did up to set 10; later ones have other defaults."""


class ConversionFailed(Exception):  # noqa: N818 - what happened, not an error of ours
    """The converter refused the model, crashed or took too long; the text says which."""


def converted(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    """Return ``model`` (without local functions) with ``version`` of the default operator set.

    The converter is native code that can crash on a strange graph, so it runs in a process of its own. Raises
    ConversionFailed.
    """
    light, large = without_large_tensors(model)
    answer = _run(light.SerializeToString(), version)
    try:
        result = onnx.load_model_from_string(answer)
    except (DecodeError, ValueError):
        raise ConversionFailed("its result is damaged") from None
    _keep_places_of_resizing(result.graph)
    kept = {tensor.name for tensor in result.graph.initializer}
    result.graph.initializer.extend(tensor for tensor in large if tensor.name not in kept)
    return result


def _keep_places_of_resizing(graph: onnx.GraphProto) -> None:
    """Say of every Resize what older sets meant by it, which the converter leaves out."""
    for node in graph.node:
        given = {attribute.name for attribute in node.attribute}
        for name, value in _OLD_RESIZE.items():
            if node.op_type == "Resize" and name not in given:
                node.attribute.append(onnx.helper.make_attribute(name, value))


def _run(content: bytes, version: int) -> bytes:
    command = [sys.executable, "-I", "-c", _CONVERTER, json.dumps(sys.path), str(version)]
    try:
        child = subprocess.run(command, input=content, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ConversionFailed(f"it was stopped after {_SECONDS:.0f} s") from None
    except OSError as error:
        raise ConversionFailed(f"it cannot be started: {error.strerror}") from None
    if child.returncode == 0:
        return child.stdout
    lines = child.stderr.decode("utf-8", "replace").strip().splitlines()
    if child.returncode < 0 or not lines:
        raise ConversionFailed(f"it crashed (exit code {child.returncode})")
    raise ConversionFailed(lines[-1].split(": ", 1)[-1].strip() or "it gives no reason")
