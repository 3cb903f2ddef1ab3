"""Read a trained network from ONNX: the only part of spikec that knows the format."""

from .reading import read_onnx

__all__ = ["read_onnx"]
