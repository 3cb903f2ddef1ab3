"""Modules of torch as models in memory: what ``torch.onnx.export`` writes, with the names that the modules have."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..compiler.frontend.model import ModelBytes
from ..compiler.frontend.module_names import with_module_names
from ..runtime.given_data import array_of
from ..targets.diagnostic import Diagnostic, DiagnosticWarning, UnusableInput, refuse
from .onnx_export import traced_onnx
from .taken_module import (
    Called,
    ReadNumbers,
    evaluated,
    failed,
    module_names,
    named_tensors,
    require_usable,
    told_where,
)

_SAMPLES = 2
"""With one alone, what drops axes of size 1 would drop the batch."""


def exported_module(module: nn.Module, example: Any) -> ModelBytes:
    """Return ``module``, called on ``example`` (N, ...), as an ONNX model in memory.

    Its nodes and values have the names of the modules that compute them. It is exported in evaluation mode and left as
    it was. Floats are brought to the type of its parameters; bytes, where it takes none, to floats of 0..1.

    Errors: E022 where it cannot be called on the example, E023 where axis 0 is not one of samples, E024 where torch's
    exporters do not know what it does, E025 where it chooses by values what it computes. W022 warns of the last where
    every choice on the example was the same.
    """
    module = getattr(module, "_orig_mod", module)  # what torch.compile was given
    require_usable(module)
    called = Called(module)
    with evaluated(called):
        inputs = _taken(called, array_of(example))
        names = _outputs(called, inputs)
        content, seen = _written(called, inputs, names)
        if seen:
            _judge_decisions(called, inputs, seen)
    located = _located(module)
    return ModelBytes(type(module).__name__, with_module_names(content, located))


def _taken(called: Called, example: np.ndarray[Any, Any]) -> Tensor:
    """A few samples of the type that the module takes; E022 where it takes none of these."""
    if example.ndim < 2 or len(example) == 0:
        hint = "give at least one sample, axis 0 the batch, as in torch.zeros(1, 3, 32, 32)"
        raise refuse("E022", f"the example has the shape {tuple(example.shape)}", hint=hint)
    parameter = next((p for p in called.parameters() if p.is_floating_point()), torch.zeros(()))
    few = torch.from_numpy(np.ascontiguousarray(np.resize(example, (_SAMPLES, *example.shape[1:]))))
    first = few.to(parameter.device)
    if first.is_floating_point():
        return _accepted(called, first.to(parameter.dtype))
    try:
        return _accepted(called, first)
    except UnusableInput:
        if first.dtype != torch.uint8:
            raise
        return _accepted(called, first.to(parameter.dtype) / 255)


def _accepted(called: Called, inputs: Tensor) -> Tensor:
    with told_where(called.module) as where:
        try:
            called.module(inputs)
        except Exception as error:  # a module raises what it likes
            if _runs(called, inputs[:1]):
                raise _no_batch(f"it can be called on one sample, and not on {_SAMPLES}") from error
            raise failed(called.module, inputs, where, error) from error
    return inputs


def _runs(called: Called, inputs: Tensor) -> bool:
    try:
        called(inputs)
    except Exception:  # a module raises what it likes, and the caller tells what this means
        return False
    return True


def _outputs(called: Called, inputs: Tensor) -> tuple[str, ...]:
    """Names of what the module returns; E023 unless axis 0 of each is that of the samples."""
    for count in (_SAMPLES, _SAMPLES + 1):
        samples = torch.cat([inputs, inputs])[:count]
        if not _runs(called, samples):
            raise _no_batch(f"it can be called on {_SAMPLES} samples, and not on {count}")
        found = named_tensors(called.module(samples))
        for name, tensor in found.items():
            if tensor.dim() == 0 or len(tensor) != count:
                shape = tuple(tensor.shape)
                raise _no_batch(
                    f"called on {count} samples, {name} has the shape {shape}, which is not that of {count}"
                )
    if not found:
        hint = "have forward return its scores as a tensor, or several in a tuple or a dictionary"
        raise refuse("E022", "the module returns no tensor", hint=hint)
    return tuple(found)


def _no_batch(what: str) -> UnusableInput:
    hint = "give the example with its batch axis (example[None] of one sample), and keep sizes of it out of forward: "
    hint += "x.flatten(1) in place of x.view(1, -1), x.squeeze(-1) in place of x.squeeze()"
    return refuse("E023", f"axis 0 of the module is not one of independent samples: {what}", hint=hint)


def _written(called: Called, inputs: Tensor, names: Sequence[str]) -> tuple[bytes, tuple[str, ...]]:
    """The ONNX file, and where Python looked at what a tensor holds."""
    quiet = io.StringIO()
    with warnings.catch_warnings(record=True) as told, told_where(called.module) as where:
        warnings.simplefilter("always")
        try:
            with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                content = traced_onnx(called, inputs, names)
        except Exception as error:  # the exporter raises what it likes, and so does a module that it calls
            place = next((name for name in reversed(where) if name), type(called.module).__name__)
            raise _not_exported(place, error) from error
    seen = [f"{w.filename}:{w.lineno}" for w in told if w.category.__name__ == "TracerWarning"]
    return content, tuple(dict.fromkeys(seen))


def _not_exported(place: str, error: Exception) -> UnusableInput:
    text = str(error).strip().split("\n")[0].split("  [Caused by")[0][:300] or type(error).__name__
    hint = "write it in operators that ONNX has, or have another exporter write the module as an .onnx file"
    return refuse("E024", f"torch.onnx does not export what is computed in {place}: {text}", hint=hint)


def _judge_decisions(called: Called, inputs: Tensor, places: tuple[str, ...]) -> None:
    """E025 where the export computes another thing than the module for other values; W022 where it might.

    What Python asks of shapes alone is the same for every sample, and nothing is said of it.
    """
    floats = inputs.double()
    tried = (floats, -floats, floats * 0, floats + 1, floats * 100, floats - floats.mean())
    with ReadNumbers(called) as seen:
        called(inputs)
    if not seen.read:
        return
    at = ", ".join(places[:3])
    if not all(_same(called, seen.read, each.to(inputs.dtype)) for each in tried):
        hint = "keep to tensors, and compute both ways and join them by torch.where where values decide"
        raise refuse("E025", f"Python sees values of the input in forward, and acts on them ({at})", hint=hint)
    hint = "make sure that every input takes that way"
    message = f"forward looks at values of its input ({at}): what it does with the example is compiled"
    warnings.warn(DiagnosticWarning(Diagnostic("W022", message, hint=hint)), stacklevel=2)


def _same(called: Called, seen: Sequence[Any], inputs: Tensor) -> bool:
    """Whether the module gives on ``inputs`` what its export gives, to which the numbers ``seen`` are constants."""
    try:
        wanted = called(inputs)
        with ReadNumbers(called, seen):
            given = called(inputs)
    except Exception:  # it asks for other numbers, or raises on these
        return False
    return all(torch.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True) for a, b in zip(wanted, given, strict=True))


def _located(module: nn.Module) -> Callable[[str], tuple[str, str]]:
    """From the exporter's name of a node, ``/module/features/features.3/Conv``, to ``features.3`` and ``Conv``."""
    known = set(module_names(module).values()) | {name for name, _ in module.named_modules(remove_duplicate=False)}

    def located(node: str) -> tuple[str, str]:
        *scopes, rest = node.lstrip("/").split("/")
        name = ""
        for scope in scopes[1:]:
            name = _inner(known, name, scope)
        return name, rest

    return located


def _inner(known: set[str], outer: str, scope: str) -> str:
    """The module that ``scope`` stands for inside ``outer``; that one where it cannot be told."""
    prefix, last = f"{outer}." if outer else "", scope.rpartition(".")[2]
    for name in (f"{prefix}{scope}", f"{prefix}{last}", scope):
        if name in known:
            return name
    # A ModuleDict is not called itself, and so no scope.
    within = [name for name in known if name.startswith(prefix) and name.rpartition(".")[2] == last]
    return within[0] if len(within) == 1 else outer
