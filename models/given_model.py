"""A model as a caller in Python may give it: a file, a module of torch, or a loaded model of onnx."""

from __future__ import annotations

import sys
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler.frontend.model import ModelBytes, ModelSource
from ..compiler.options import CompileOptions
from ..runtime.given_data import first_inputs
from ..targets.diagnostic import UnusableInput, refuse

_EXAMPLES = 2


def given_model(model: Any, options: CompileOptions | None = None, example: Any = None) -> ModelSource:
    """Return ``model`` as the compiler takes it: a path as it is, an object of torch or onnx as a model in memory.

    A module of torch is called on ``example`` (N, ...); without it on the first samples of the calibration data where
    ``options`` hold arrays, or on zeros of their ``input_shape``.

    Errors: E022 for a module without an example, or an example with a file, E026 for what is no model, and those of
    ``exported_module``.
    """
    if _is_module(model):
        from .module_export import exported_module

        return exported_module(model, _example(options, example))
    source = _of_file(model)
    if example is not None:
        hint = "leave the example away: the file says what the model takes"
        raise refuse("E022", "an example is given for a model that is no module of torch", hint=hint)
    return source


def _of_file(model: Any) -> ModelSource:
    if isinstance(model, ModelBytes):
        return model
    if isinstance(model, str | PathLike):
        return Path(model)
    if hasattr(model, "SerializeToString") and hasattr(model, "graph"):
        return _of_onnx(model)
    what = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
    hint = "give a torch.nn.Module, the path of an .onnx file or of a checkpoint, or what onnx.load returns"
    raise refuse("E026", f"the model is given as {what}", hint=hint)


def _is_module(model: object) -> bool:
    """Whether ``model`` is a module of torch, which then is loaded already."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _example(options: CompileOptions | None, given: Any) -> Any:
    if isinstance(given, tuple | list) and len(given) == 1:
        (given,) = given
    if isinstance(given, tuple | list):
        hint = "a spiking network is driven by one signal: join several inputs before the module, as channels say"
        raise refuse("E022", f"the example has {len(given)} inputs, not one", hint=hint)
    chosen = options or CompileOptions()
    found = first_inputs(chosen.calibration, _EXAMPLES) if given is None else given
    if found is None and chosen.input_shape is not None:
        found = np.zeros((1, *chosen.input_shape), dtype=np.float32)
    if found is None:
        raise _without_example()
    return found


def _without_example() -> UnusableInput:
    hint = "give one as the module takes it, axis 0 the batch, as in example=torch.zeros(1, 3, 32, 32)"
    return refuse("E022", "a module of torch is given without an example of its input", hint=hint)


def _of_onnx(model: Any) -> ModelBytes:
    try:
        content = bytes(model.SerializeToString())
    except Exception as error:  # whatever the library that made the object raises
        hint = "save it with onnx.save and give the path of the file"
        raise refuse("E026", f"the loaded model cannot be written ({type(error).__name__})", hint=hint) from error
    return ModelBytes(model.graph.name or "model", content)
