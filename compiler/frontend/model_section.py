"""What a report tells of the user's model; apart from the reader, so that nothing that prints a report loads onnx."""

from __future__ import annotations

from ...targets.records import dataclass


@dataclass(frozen=True, slots=True)
class ModelSection:
    """The user's model: ``digest`` is the SHA-256 of its file, ``operators`` how often each ONNX operator occurs."""

    name: str
    digest: str
    parameters: int
    operators: dict[str, int]
