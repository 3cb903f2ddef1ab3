"""A module of torch as its user holds it: evaluated for a while, called on a few samples, and left as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from ..targets.diagnostic import UnusableInput, refuse

OUTPUT = "output"
"""What the tensor is called that a module returns; those of a tuple ``output.0``, of a dictionary as their keys."""

_TAKING = (
    *(Tensor.__bool__, Tensor.__float__, Tensor.__int__, Tensor.__index__),
    *(Tensor.item, Tensor.tolist, Tensor.numpy, Tensor.__array__, Tensor.__contains__),
)
"""Functions of torch whose results are no tensors any more."""


class Called(nn.Module):
    """The user's ``module``, whatever it returns, with a tuple of tensors as its result."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Tensors that the module returns, in its order."""
        return tuple(named_tensors(self.module(inputs)).values())


def named_tensors(returned: Any, name: str = "") -> dict[str, Tensor]:
    """Tensors in what a module returned, by name; what is neither a tensor nor holds one is left out."""
    if isinstance(returned, Tensor):
        return {name or OUTPUT: returned}
    found: dict[str, Tensor] = {}
    for key, part in _parts(returned, name):
        found |= named_tensors(part, key)
    return found


def _parts(returned: Any, name: str) -> Iterator[tuple[str, Any]]:
    prefix = f"{name}." if name else ""
    if isinstance(returned, Mapping):
        yield from ((f"{prefix}{key}", part) for key, part in returned.items())
    elif hasattr(returned, "_fields"):
        yield from ((f"{prefix}{key}", getattr(returned, key)) for key in returned._fields)
    elif is_dataclass(returned):
        yield from ((f"{prefix}{each.name}", getattr(returned, each.name)) for each in fields(returned))
    elif isinstance(returned, tuple | list):
        yield from ((f"{name or OUTPUT}.{place}", part) for place, part in enumerate(returned))


def module_names(module: nn.Module) -> dict[int, str]:
    """Names of ``module`` and all within, by identity; one that stands at several places has its first name."""
    names: dict[int, str] = {}
    for name, each in module.named_modules(remove_duplicate=False):
        names.setdefault(id(each), name)
    return names


@contextlib.contextmanager
def evaluated(module: nn.Module) -> Iterator[None]:
    """Have every part of ``module`` in evaluation mode meanwhile, without gradients and without drawing numbers."""
    training = [(each, each.training) for each in module.modules()]
    try:
        module.eval()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            yield
    finally:
        for each, mode in training:
            each.training = mode


@contextlib.contextmanager
def told_where(module: nn.Module) -> Iterator[list[str]]:
    """Names of the modules that are being called, outermost first: after an exception, up to the one that raised it."""
    names = module_names(module)
    called: list[str] = []

    def enter(each: nn.Module, _: Any) -> None:
        called.append(names.get(id(each), ""))

    def leave(*_: Any) -> None:
        called.pop()

    handles = (hooks.register_module_forward_pre_hook(enter), hooks.register_module_forward_hook(leave))
    try:
        yield called
    finally:
        for handle in handles:
            handle.remove()


class ReadNumbers(TorchFunctionMode):
    """Keeps what Python takes out of tensors that are no parameters or buffers of ``module``.

    With ``instead`` it is given these, one after the other, in place of what the tensors hold: then the module does
    what an export does that saw them.
    """

    def __init__(self, module: nn.Module, instead: Sequence[Any] | None = None) -> None:
        super().__init__()
        self.read: list[Any] = []
        self._instead = instead
        self._stored = {t.data_ptr() for t in (*module.parameters(), *module.buffers())}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, and look at what it gives."""
        result = func(*args, **(kwargs or {}))
        if func not in _TAKING or args[0].data_ptr() in self._stored:
            return result
        self.read.append(result)
        return result if self._instead is None else self._instead[len(self.read) - 1]


def require_usable(module: nn.Module) -> None:
    """E022 for modules whose weights have no shape, place or value yet, and for programs of TorchScript."""
    if isinstance(module, torch.jit.ScriptModule):
        hint = "give the module that it was made of, or have torch.onnx.export write it as an .onnx file"
        raise refuse("E022", "the module is a program of TorchScript", hint=hint)
    lazy = [n for n, p in module.named_parameters() if is_lazy(p)]
    if lazy:
        hint = "call the module once on an example, so that its lazy parts take their shapes"
        raise refuse("E022", f"parameters have no shape yet: {_listed(lazy)}", hint=hint)
    unplaced = [name for name, parameter in module.named_parameters() if parameter.is_meta]
    if unplaced:
        raise refuse("E022", f"parameters hold no values: {_listed(unplaced)}", hint="load the weights first")
    wrong = [n for n, t in (*module.named_parameters(), *module.named_buffers()) if not _is_finite(t)]
    if wrong:
        hint = "load sound weights, or train again"
        raise refuse("E022", f"parameters hold NaN or infinite values: {_listed(wrong)}", hint=hint)


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def failed(module: nn.Module, inputs: Tensor, where: list[str], error: Exception) -> UnusableInput:
    """E022: ``module`` raised ``error`` when it was called on ``inputs``, in the last of ``where``."""
    place = next((name for name in reversed(where) if name), type(module).__name__)
    reason = str(error).strip().split("\n")[0][:300] or type(error).__name__
    shape = ", ".join(map(str, inputs.shape))
    message = f"the module cannot be called on the example, in {place}: {type(error).__name__}: {reason}"
    hint = f"give an example as the module takes it, axis 0 the batch; this one is ({shape}) of {inputs.dtype}"
    return refuse("E022", message, hint=hint)
