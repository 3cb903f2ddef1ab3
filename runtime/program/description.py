"""A program as a JSON object and named tensors, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .geometry import ConvGeometry
from .neuron_models import PLAIN_IF, MsatLayer, MsatParameters, NeuronModel
from .program import (
    SPIKES,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Output,
    Population,
    Program,
    Projection,
    Pulse,
    SparseSynapses,
    Synapses,
    Weights,
)

_MSAT_CONSTANTS = ("alpha", "k_a", "k_i", "c", "tau_mp", "tau_rd")
_MAY_BE_ABSENT = ("neuron", "integers", "spread", "frames", "coordinates", "score_unit", "outputs", "payloads")
_MOST_PARTS = 1 << 13
"""Populations, projections or pulses of one program: ten times as many as the deepest networks have."""
_PARTS = ("populations", "projections", "pulses", "neuron")
_SCORES = ("score_unit", "outputs")
_DOCUMENT = ("format", "digests", "name", "target", "schedule", "timesteps", "state", *_SCORES, "input", *_PARTS)
_OUTPUT = ("name", "readout", "score_unit")
_INPUT = ("sample_shape", "axes", "shape", "step", "minimum", "maximum", "integers", "spread", "frames")
_POPULATION = ("name", "shape", "depth", "gated", "threshold", "initial_potential", "bias", "payloads")
_PROJECTION = ("name", "source", "target", "delay", "exponent", "weight", "geometry", "coordinates")
_PULSE = ("name", "target", "step", "weight", "exponent", "axons")
_GEOMETRY = ("stride", "padding", "dilation", "groups")
_COORDINATES = ("source", "target")
_MSAT_LAYER = ("name", "threshold_value", "confidence")


def describe(program: Program, tensors: dict[str, Weights]) -> dict[str, Any]:
    """JSON object of ``program``, without the file's own entries; its tensors are put into ``tensors``."""

    def keep(key: str, values: Weights) -> str:
        tensors[key] = values
        return key

    encoding = program.input
    return {
        "name": program.name,
        "target": program.target,
        "schedule": program.schedule,
        "timesteps": program.timesteps,
        "state": {"minimum": program.state_minimum, "maximum": program.state_maximum},
        **_unit_document(program.score_unit),
        # Left out where there is one, which is that of the only read-out.
        **({"outputs": [_output_document(output) for output in program.outputs]} if program.outputs else {}),
        "input": {
            "sample_shape": list(encoding.sample_shape),
            "axes": list(encoding.axes),
            "shape": list(encoding.shape),
            "step": encoding.step.hex(),
            "minimum": encoding.minimum,
            "maximum": encoding.maximum,
            # Left out for models of floats, and for input that is the same at every step.
            **({} if encoding.integers is None else {"integers": list(encoding.integers)}),
            **({"spread": True} if encoding.spread else {}),
            **({"frames": True} if encoding.frames else {}),
        },
        "populations": [
            {
                "name": p.name,
                "shape": list(p.shape),
                "depth": p.depth,
                "gated": p.gated,
                "threshold": None if p.threshold is None else keep(f"{p.name}/threshold", p.threshold),
                "initial_potential": keep(f"{p.name}/initial_potential", p.initial_potential),
                "bias": keep(f"{p.name}/bias", p.bias),
                # Left out for spikes, which all populations sent before there were payloads.
                **({} if p.payloads == SPIKES else {"payloads": list(p.payloads)}),
            }
            for p in program.populations
        ],
        "projections": [
            {
                "name": p.name,
                "source": p.source,
                "target": p.target,
                "delay": p.delay,
                "exponent": p.exponent,
                "weight": keep(f"{p.name}/weight", p.synapses.weight),
                "geometry": _geometry_document(p.synapses),
                **_coordinates_document(p, keep),
            }
            for p in program.projections
        ],
        "pulses": [
            {
                "name": p.name,
                "target": p.target,
                "step": p.step,
                "weight": keep(f"{p.name}/pulse", p.weight),
                "exponent": p.exponent,
                "axons": p.axons,
            }
            for p in program.pulses
        ],
        # Left out for the plain neuron, so that its programs keep the bytes they had before there were others.
        **({} if program.neuron == PLAIN_IF else {"neuron": _neuron_document(program.neuron)}),
    }


def _output_document(output: Output) -> dict[str, Any]:
    return {"name": output.name, "readout": output.readout, **_unit_document(output.score_unit)}


def _unit_document(unit: float | None) -> dict[str, str]:
    return {} if unit is None else {"score_unit": unit.hex()}


def _neuron_document(neuron: NeuronModel) -> dict[str, Any]:
    p = neuron.parameters
    parameters = None
    if p is not None:
        parameters = {
            **{name: float(getattr(p, name)).hex() for name in _MSAT_CONSTANTS},
            "seed": p.seed,
            "layers": [
                {"name": e.name, "threshold_value": e.threshold_value.hex(), "confidence": e.confidence.hex()}
                for e in p.layers
            ],
        }
    return {"model": neuron.name, "first_pass": neuron.first_pass, "parameters": parameters}


def _coordinates_document(projection: Projection, keep: Callable[[str, Weights], str]) -> dict[str, Any]:
    synapses = projection.synapses
    if not isinstance(synapses, SparseSynapses):
        return {}
    ends = ("source", synapses.source), ("target", synapses.target)
    return {"coordinates": {end: keep(f"{projection.name}/{end}", neurons) for end, neurons in ends}}


def _geometry_document(synapses: Synapses) -> dict[str, Any] | None:
    if not isinstance(synapses, ConvSynapses):
        return None
    geometry = synapses.geometry
    return {
        "stride": list(geometry.stride),
        "padding": list(geometry.padding),
        "dilation": list(geometry.dilation),
        "groups": geometry.groups,
    }


def program_of(document: dict[str, Any], tensors: dict[str, Weights]) -> Program:
    """Program that ``describe`` made the two of; KeyError, TypeError or ValueError say what is wrong with them.

    Weights of maps keep the type of their tensor.
    """
    _only(document, _DOCUMENT)
    encoding = _only(document["input"], _INPUT)
    state = _only(document["state"], ("minimum", "maximum"))
    return Program(
        name=_text(document["name"]),
        target=_text(document["target"]),
        schedule=_text(document["schedule"]),
        timesteps=_integer(document["timesteps"]),
        state_minimum=_integer(state["minimum"]),
        state_maximum=_integer(state["maximum"]),
        input=InputEncoding(
            sample_shape=_integers(encoding["sample_shape"]),
            axes=_integers(encoding["axes"]),
            shape=_integers(encoding["shape"]),
            step=_float(encoding["step"]),
            minimum=_integer(encoding["minimum"]),
            maximum=_integer(encoding["maximum"]),
            integers=_range(encoding["integers"]) if "integers" in encoding else None,
            spread=_flag(encoding["spread"]) if "spread" in encoding else False,
            frames=_flag(encoding["frames"]) if "frames" in encoding else False,
        ),
        populations=tuple(
            Population(
                name=_text(p["name"]),
                shape=_integers(p["shape"]),
                threshold=None if p["threshold"] is None else _wide(tensors[p["threshold"]]),
                initial_potential=_wide(tensors[p["initial_potential"]]),
                bias=_wide(tensors[p["bias"]]),
                depth=_integer(p["depth"]),
                gated=_flag(p["gated"]),
                payloads=_range(p["payloads"]) if "payloads" in p else SPIKES,
            )
            for p in _records(document["populations"], _POPULATION)
        ),
        projections=tuple(
            Projection(
                name=_text(p["name"]),
                source=_text(p["source"]),
                target=_text(p["target"]),
                synapses=_synapses(p, tensors),
                exponent=_integer(p["exponent"]),
                delay=_integer(p["delay"]),
            )
            for p in _records(document["projections"], _PROJECTION)
        ),
        pulses=tuple(
            Pulse(
                name=_text(p["name"]),
                target=_text(p["target"]),
                step=_integer(p["step"]),
                weight=_wide(tensors[p["weight"]]),
                exponent=_integer(p["exponent"]),
                axons=_integer(p["axons"]),
            )
            for p in _records(document["pulses"], _PULSE)
        ),
        neuron=_neuron(document["neuron"]) if "neuron" in document else PLAIN_IF,
        score_unit=_unit(document),
        outputs=tuple(
            Output(_text(o["name"]), _text(o["readout"]), _unit(o))
            for o in _records(document.get("outputs", []), _OUTPUT)
        ),
    )


def _neuron(document: dict[str, Any]) -> NeuronModel:
    given, parameters = _only(document, ("model", "first_pass", "parameters"))["parameters"], None
    if given is not None:
        _only(given, (*_MSAT_CONSTANTS, "layers", "seed"))
        parameters = MsatParameters(
            **{name: _float(given[name]) for name in _MSAT_CONSTANTS},
            layers=tuple(
                MsatLayer(_text(e["name"]), _float(e["threshold_value"]), _float(e["confidence"]))
                for e in _records(given["layers"], _MSAT_LAYER)
            ),
            seed=_integer(given["seed"]),
        )
    return NeuronModel(_text(document["model"]), _integer(document["first_pass"]), parameters)


def _wide(values: Weights) -> IntArray:
    return values.astype(np.int64, copy=False)


def _synapses(projection: dict[str, Any], tensors: dict[str, Weights]) -> Synapses:
    geometry, weight = projection["geometry"], tensors[projection["weight"]]
    if "coordinates" in projection:
        if geometry is not None:
            raise ValueError("a projection has a geometry and coordinates")
        coordinates = _only(projection["coordinates"], _COORDINATES)
        ends = (_wide(tensors[coordinates[end]]) for end in ("source", "target"))
        return SparseSynapses(_wide(weight), *ends)
    if geometry is None:
        return DenseSynapses(weight)
    _only(geometry, _GEOMETRY)
    stride, padding, dilation = (_integers(geometry[key]) for key in ("stride", "padding", "dilation"))
    if (len(stride), len(padding), len(dilation)) != (2, 4, 2):
        raise ValueError("a convolution's geometry has the wrong number of entries")
    return ConvSynapses(
        weight,
        ConvGeometry(
            (stride[0], stride[1]),
            (padding[0], padding[1], padding[2], padding[3]),
            (dilation[0], dilation[1]),
            _integer(geometry["groups"]),
        ),
    )


def _records(values: list[dict[str, Any]], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r:.40} is not a list")
    if len(values) > _MOST_PARTS:
        raise ValueError(f"a list of {len(values)} parts is longer than {_MOST_PARTS}")
    return [_only(value, keys) for value in values]


def _range(value: object) -> tuple[int, int]:
    low, high = _integers(value) if isinstance(value, list) else ()
    if low >= high:
        raise ValueError(f"{low}..{high} is no range of integers")
    return low, high


def _only(record: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """``record``, if it holds ``keys`` and nothing that would be passed over."""
    if not isinstance(record, dict):
        raise TypeError(f"{record!r:.40} is not an object")
    for key in keys:
        if key not in record and key not in _MAY_BE_ABSENT:
            raise KeyError(key)
    unknown = sorted(set(record) - set(keys))
    if unknown:
        raise ValueError(f"{unknown[0]!r:.40} means nothing here")
    return record


def _integers(values: list[Any]) -> tuple[int, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r:.40} is not a list")
    return tuple(_integer(v) for v in values)


def _integer(value: Any) -> int:
    if type(value) is not int or abs(value) >= 1 << 63:
        raise ValueError(f"{value!r:.40} is not an integer of 64 bits")
    return value


def _float(value: Any) -> float:
    return float.fromhex(_text(value))


def _unit(record: dict[str, Any]) -> float | None:
    if "score_unit" not in record:
        return None
    unit = _float(record["score_unit"])
    if not 0 < unit < float("inf"):
        raise ValueError(f"a score cannot be counted in units of {unit}")
    return unit


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.40} is not true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a text")
    return value
