"""The program on disk: ``program.json`` says what there is, ``tensors.npz`` holds the integers.

The same program gives the same bytes: keys are sorted, the archive carries no dates, and each tensor is kept in
the narrowest signed type that holds it.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ...targets.diagnostic import UnusableInput, refuse
from .archive import DamagedArchive, read_archive
from .geometry import ConvGeometry
from .neuron_models import PLAIN_IF, MsatLayer, MsatParameters, NeuronModel
from .program import (
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    Pulse,
    Synapses,
)
from .rules import problems

FORMAT = "spikec-program/2"
PROGRAM_FILE = "program.json"
TENSOR_FILE = "tensors.npz"
_MSAT_CONSTANTS = ("alpha", "k_a", "k_i", "c", "tau_mp", "tau_rd")
_RECOMPILE = "compile the model again with 'spikec compile'"


def program_files(program: Program) -> dict[str, bytes]:
    """Contents of the program's files by name."""
    tensors: dict[str, IntArray] = {}
    document = _document(program, tensors)
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
    return {PROGRAM_FILE: text.encode(), TENSOR_FILE: _archive(tensors)}


def load_program(directory: str | Path) -> Program:
    """Read an artefact's program and check it; raises ``UnusableInput`` naming file and fault."""
    folder = Path(directory)
    if not folder.is_dir():
        raise refuse("E610", f"there is no compiled artefact at '{folder}'", file=folder, hint=_RECOMPILE)
    document = read_document(folder / PROGRAM_FILE)
    if document.get("format") != FORMAT:
        raise refuse(
            "E612",
            f"format is {document.get('format')!r}, this version of spikec reads {FORMAT!r}",
            file=folder / PROGRAM_FILE,
            hint=_RECOMPILE,
        )
    tensors = _read_tensors(folder / TENSOR_FILE)
    try:
        program = _program(document, tensors)
    except KeyError as error:
        raise refuse("E611", f"{error} is missing", file=folder / PROGRAM_FILE, hint=_RECOMPILE) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise refuse(
            "E611", f"the description is damaged ({error})", file=folder / PROGRAM_FILE, hint=_RECOMPILE
        ) from error
    found = tuple(problems(program, str(folder / PROGRAM_FILE)))
    if found:
        raise UnusableInput(found)
    return program


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON object from an artefact; ``UnusableInput`` if it is missing, damaged or not an object."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise refuse("E610", "the file is missing from the artefact", file=path, hint=_RECOMPILE) from error
    except (OSError, ValueError, RecursionError) as error:
        raise refuse("E611", f"the file cannot be read as JSON ({error})", file=path, hint=_RECOMPILE) from error
    if not isinstance(document, dict):
        raise refuse("E611", "the file does not hold a JSON object", file=path, hint=_RECOMPILE)
    return document


def _document(program: Program, tensors: dict[str, IntArray]) -> dict[str, Any]:
    def keep(key: str, values: IntArray) -> str:
        tensors[key] = values
        return key

    encoding = program.input
    return {
        "format": FORMAT,
        "name": program.name,
        "target": program.target,
        "schedule": program.schedule,
        "timesteps": program.timesteps,
        "state": {"minimum": program.state_minimum, "maximum": program.state_maximum},
        "input": {
            "sample_shape": list(encoding.sample_shape),
            "axes": list(encoding.axes),
            "shape": list(encoding.shape),
            "step": encoding.step.hex(),
            "minimum": encoding.minimum,
            "maximum": encoding.maximum,
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


def _geometry_document(synapses: Synapses) -> dict[str, Any] | None:
    if isinstance(synapses, DenseSynapses):
        return None
    geometry = synapses.geometry
    return {
        "stride": list(geometry.stride),
        "padding": list(geometry.padding),
        "dilation": list(geometry.dilation),
        "groups": geometry.groups,
    }


def _program(document: dict[str, Any], tensors: dict[str, IntArray]) -> Program:
    encoding = document["input"]
    return Program(
        name=_text(document["name"]),
        target=_text(document["target"]),
        schedule=_text(document["schedule"]),
        timesteps=_integer(document["timesteps"]),
        state_minimum=_integer(document["state"]["minimum"]),
        state_maximum=_integer(document["state"]["maximum"]),
        input=InputEncoding(
            sample_shape=_integers(encoding["sample_shape"]),
            axes=_integers(encoding["axes"]),
            shape=_integers(encoding["shape"]),
            step=_float(encoding["step"]),
            minimum=_integer(encoding["minimum"]),
            maximum=_integer(encoding["maximum"]),
        ),
        populations=tuple(
            Population(
                name=_text(p["name"]),
                shape=_integers(p["shape"]),
                threshold=None if p["threshold"] is None else tensors[p["threshold"]],
                initial_potential=tensors[p["initial_potential"]],
                bias=tensors[p["bias"]],
                depth=_integer(p["depth"]),
                gated=_flag(p["gated"]),
            )
            for p in _records(document["populations"])
        ),
        projections=tuple(
            Projection(
                name=_text(p["name"]),
                source=_text(p["source"]),
                target=_text(p["target"]),
                synapses=_synapses(p["geometry"], tensors[p["weight"]]),
                exponent=_integer(p["exponent"]),
                delay=_integer(p["delay"]),
            )
            for p in _records(document["projections"])
        ),
        pulses=tuple(
            Pulse(
                name=_text(p["name"]),
                target=_text(p["target"]),
                step=_integer(p["step"]),
                weight=tensors[p["weight"]],
                exponent=_integer(p["exponent"]),
                axons=_integer(p["axons"]),
            )
            for p in _records(document["pulses"])
        ),
        neuron=_neuron(document["neuron"]) if "neuron" in document else PLAIN_IF,
    )


def _neuron(document: dict[str, Any]) -> NeuronModel:
    given, parameters = document["parameters"], None
    if given is not None:
        parameters = MsatParameters(
            **{name: _float(given[name]) for name in _MSAT_CONSTANTS},
            layers=tuple(
                MsatLayer(_text(e["name"]), _float(e["threshold_value"]), _float(e["confidence"]))
                for e in _records(given["layers"])
            ),
            seed=_integer(given["seed"]),
        )
    return NeuronModel(_text(document["model"]), _integer(document["first_pass"]), parameters)


def _synapses(geometry: dict[str, Any] | None, weight: IntArray) -> Synapses:
    if geometry is None:
        return DenseSynapses(weight)
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


def _records(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is not a list")
    return values


def _integers(values: list[Any]) -> tuple[int, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is not a list")
    return tuple(_integer(v) for v in values)


def _integer(value: Any) -> int:
    if type(value) is not int or abs(value) >= 1 << 63:
        raise ValueError(f"{value!r} is not an integer of 64 bits")
    return value


def _float(value: Any) -> float:
    return float.fromhex(_text(value))


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is not true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _archive(tensors: dict[str, IntArray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for key in sorted(tensors):
            member = io.BytesIO()
            np.save(member, np.ascontiguousarray(_narrowest(tensors[key])), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(key + ".npy"), member.getbuffer())
    return buffer.getvalue()


def _narrowest(values: IntArray) -> np.ndarray[Any, np.dtype[np.signedinteger[Any]]]:
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values


def _read_tensors(path: Path) -> dict[str, IntArray]:
    try:
        return {key: _as_integers(key, values) for key, values in read_archive(path).items()}
    except FileNotFoundError as error:
        raise refuse("E610", "the file is missing from the artefact", file=path, hint=_RECOMPILE) from error
    except (OSError, ValueError, DamagedArchive) as error:
        raise refuse("E611", f"the tensors cannot be read ({error})", file=path, hint=_RECOMPILE) from error


def _as_integers(key: str, values: np.ndarray[Any, np.dtype[Any]]) -> IntArray:
    if values.dtype.kind != "i":
        raise ValueError(f"tensor {key} has type {values.dtype}, not a signed integer type")
    if values.size == 0:
        raise ValueError(f"tensor {key} is empty")
    return values.astype(np.int64)
