"""Read a trained network from ONNX: the only part of spikec that knows the format."""
