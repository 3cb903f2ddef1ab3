"""Where each method applies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...targets.diagnostic import Diagnostic, UnusableInput
from ...targets.records import dataclass
from ...targets.suggestion import known_names
from ..frontend.model import Model
from ..ir.network import Network
from ..ir.operators import QuantizeClip, Relu
from ..methods.method import Method
from ..methods.table import METHODS, is_known, method_called, plain_name
from ..options import FRAMES, MEASURING, CompileOptions
from ..passes.recognise_activations import recognised

ALL = "all"
"""Among names of methods: those that a comparison on the networks has."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """``names`` of the methods to measure, once each; ``remarks`` tell which are left out.

    Where ``every`` method was asked for, each has rows for the kinds of network that it is compared on alone.
    """

    names: tuple[str, ...]
    every: bool
    remarks: tuple[Diagnostic, ...]


def chosen_methods(
    asked: Sequence[str] | str, models: Sequence[Model], options: CompileOptions, timesteps: Sequence[int]
) -> Chosen:
    """Return the methods that are ``asked`` for by names, ``ALL`` among them or alone, on ``models`` at ``timesteps``.

    Raises ``UnusableInput`` as ``require_applicable`` does, and with E637 for a named one that runs at other T.
    """
    wanted = (asked,) if isinstance(asked, str) else tuple(asked)
    named = tuple(name for name in wanted if name != ALL)
    require_applicable(named, models, options)
    every = ALL in wanted
    compared, remarks = _compared_methods(models, options, named) if every else ((), ())
    names, untimely = _at_their_timesteps(tuple(dict.fromkeys((*compared, *named))), timesteps, every=every)
    return Chosen(names, every, (*remarks, *untimely))


def _compared_methods(
    models: Sequence[Model], options: CompileOptions, named: Sequence[str]
) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """Names of the methods that a comparison on ``models`` has, and a remark (W637) for each that it has not.

    Those that are ``named``, with or without a budget, are no matter of it.
    """
    others = set(METHODS) - {plain_name(name) for name in named}
    reasons = {name: _none_compared(method, models, options) for name, method in METHODS.items() if name in others}
    remarks = tuple(
        Diagnostic("W637", f"the method '{name}' is left out: {reason[0]}", hint=reason[1])
        for name, reason in reasons.items()
        if reason is not None
    )
    return tuple(name for name, reason in reasons.items() if reason is None), remarks


def left_out_kinds(names: Sequence[str], models: Sequence[Model], options: CompileOptions) -> Iterator[Diagnostic]:
    """A remark (W637) for each of ``names`` and kind of network that it cannot be applied to.

    That a way of training has rows for networks trained so alone goes without saying.
    """
    for name in names:
        method = method_called(name)
        for kind, members in _by_kind(models).items():
            reasons = [inapplicable(method, model, models, options) for model in members]
            if method.trained is None and None not in reasons and reasons[0] is not None:
                what = f"networks '{kind}'" if kind else "networks without a record of training"
                message = f"the method '{name}' is left out on {what}: {reasons[0][0]}"
                yield Diagnostic("W637", message, hint=reasons[0][1])


def _by_kind(models: Sequence[Model]) -> dict[str, list[Model]]:
    kinds: dict[str, list[Model]] = {}
    for model in models:
        kinds.setdefault("" if model.training is None else model.training.kind, []).append(model)
    return kinds


def _at_their_timesteps(
    names: Sequence[str], timesteps: Sequence[int], *, every: bool
) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """Those of ``names`` that run at one of ``timesteps``, and a remark (W637) for each of the others.

    E637 for these unless ``every`` method was asked for.
    """
    own = {name: method_called(name).only_timesteps for name in names}
    left_out = {name: steps for name, steps in own.items() if steps and not set(steps) & set(timesteps)}
    code = "W637" if every else "E637"
    remarks = tuple(
        Diagnostic(
            code,
            f"the method '{name}' runs at T = {', '.join(map(str, steps))} alone, which is not asked for",
            hint="add it to --timesteps",
        )
        for name, steps in left_out.items()
    )
    if remarks and not every:
        raise UnusableInput(remarks)
    return tuple(name for name in names if name not in left_out), remarks


def is_compared(method: Method, model: Model) -> bool:
    """Whether a comparison of all methods has a row for ``method`` on such a network."""
    return model.training is None or not method.compared_on or model.training.kind in method.compared_on


def inapplicable(
    method: Method, model: Model, models: Sequence[Model], options: CompileOptions
) -> tuple[str, str] | None:
    """Why ``method`` does not apply to one of ``models``, and what to do about it; None where it applies."""
    return next(_reasons(method, model, models, options), None)


def applies_to_none(
    method: Method, candidates: Sequence[Model], models: Sequence[Model], options: CompileOptions
) -> tuple[str, str] | None:
    """Why ``method`` applies to none of ``candidates`` among ``models``; None where it applies to one.

    The reason told is that of a network that was trained for the method, where there is one.
    """
    reasons = {model: inapplicable(method, model, models, options) for model in candidates}
    if None in reasons.values():
        return None
    trained_so = [m for m in candidates if m.training is not None and m.training.kind == method.trained]
    return reasons[(*trained_so, *candidates)[0]]


def aim_for(method: Method, model: Model, models: Sequence[Model]) -> Model | None:
    """Return the one of ``models`` that calibrations by ``method`` aim at; None for ``model`` itself."""
    if not method.aims_at_start or model.training is None:
        return None
    return next((m for m in models if m.onnx_digest == model.training.start), None)


def require_applicable(names: Sequence[str], models: Sequence[Model], options: CompileOptions) -> None:
    """Raise ``UnusableInput`` for ``names`` that are no methods (E633) or apply to none of ``models`` (E637)."""
    unknown = [name for name in names if not is_known(name)]
    if unknown:
        raise UnusableInput(
            Diagnostic("E633", f"there is no method '{name}'", hint=known_names(name, METHODS)) for name in unknown
        )
    reasons = {name: applies_to_none(method_called(name), models, models, options) for name in names}
    found = [
        Diagnostic("E637", f"the method '{name}' does not apply: {reason[0]}", hint=reason[1])
        for name, reason in reasons.items()
        if reason is not None
    ]
    if found:
        raise UnusableInput(found)


def _none_compared(method: Method, models: Sequence[Model], options: CompileOptions) -> tuple[str, str] | None:
    compared = [model for model in models if is_compared(method, model)]
    if not compared:
        return f"no network is of its kind ({', '.join(method.compared_on)})", "give one, or name the method"
    return applies_to_none(method, compared, models, options)


def _reasons(
    method: Method, model: Model, models: Sequence[Model], options: CompileOptions
) -> Iterator[tuple[str, str]]:
    if method.trained is not None and (model.training is None or model.training.kind != method.trained):
        yield (
            f"it is a way of training, and no network's record says '{method.trained}'",
            "give a network that 'spikec train' or 'calibrate-weights' made so",
        )
    elif method.aims_at_start and aim_for(method, model, models) is None:
        yield (
            "the network that weights were calibrated from is not among those compared",
            "give it as well, or calibrate the weights anew",
        )
    if method.needs_budget:
        yield "no latency budget is named with it", "name it with one, as in mixed:12"
    if options.input == FRAMES and method.options(options).neuron in MEASURING:
        yield "its neurons measure before the steps that count, which have no frame", "give --input constant"
    if method.needs_relu and not _has_activation_without_levels(recognised(model.network)):
        yield "every activation has levels and a threshold of its own", "use it on a ReLU network"
    if method.needs_calibration and options.calibration is None:
        yield "there is no calibration data", "give --calibration FILE.npz with a few hundred training inputs"


def _has_activation_without_levels(network: Network) -> bool:
    return any(
        isinstance(n.operator, Relu) or (isinstance(n.operator, QuantizeClip) and n.operator.levels is None)
        for n in network.nodes
    )
