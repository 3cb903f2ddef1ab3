"""Read a trained network from ONNX: the only part of spikec that knows the format."""

from .reading import read_onnx
from .training_record import TrainingRecord, read_training_record, with_training_record

__all__ = ["TrainingRecord", "read_onnx", "read_training_record", "with_training_record"]
