"""A program at T = 1 as the HDF5 file that lava-dl's netx reads, with input and a script that runs it. Needs h5py.

netx builds a plain sequence of Conv and Dense processes, each with LIF neurons, so that is what a program has to be.
What each of them is given comes from ``lava_form``; the read-out is a layer that never fires.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from ....targets.libraries import broken_library, install_command
from ...program import INPUT, ConvSynapses, DenseSynapses, IntArray, Population, Program, Projection, SparseSynapses
from ...program.synapses import message_range
from ..encoding import encode_convolution, message_bits
from ..limits import require_plain_neurons
from ..stock.limits import lava_form
from ..stock.neurons import BIAS_MANTISSA_MAXIMUM, StockForm, StockNeurons

if TYPE_CHECKING:
    import h5py

NETWORK, SAMPLES, STRUCTURE, SCRIPT = "network.net", "input.npz", "network.json", "run.py"

_ALL_DECAYS = 4096
_WEIGHT_MAXIMUM = 254
_EXACT_ODD_MAXIMUM = 127
_SOURCE = "lava-dl 0.6.0, lava/lib/dl/netx"


def netx_files(program: Program, samples: IntArray) -> dict[str, bytes]:
    """Files by name for encoded ``samples`` (N, *input shape) of ``program``.

    Raises ``UnusableInput`` with every reason why netx would not compute it: E349, and those of ``lava_form``. E741
    where h5py is not installed.
    """
    require_plain_neurons(program)
    if problems := list(find_netx_problems(program)):
        raise UnusableInput(problems)
    form = lava_form(program)
    if problems := [d for p in form.program.populations for d in _layer_problems(form, p)]:
        raise UnusableInput(problems)
    arrays = io.BytesIO()
    np.savez_compressed(arrays, samples=samples)
    return {
        NETWORK: _hdf5(form),
        SAMPLES: arrays.getvalue(),
        STRUCTURE: _structure(form.program).encode(),
        SCRIPT: (Path(__file__).parent / SCRIPT).read_bytes(),
    }


def find_netx_problems(program: Program) -> Iterator[Diagnostic]:
    """E349: ``program`` is a sequence at T = 1 whose maps are not made of rows."""
    if program.window > 1:
        reason = "neurons of netx are reset to zero, which is exact at T = 1 and without gates alone"
        yield _problem(
            reason, None, "compile with --timesteps 1 and the schedule pipelined", program.window, 1, "steps"
        )
    before = INPUT
    for population in program.populations:
        incoming = program.incoming(population.name)
        sources = [projection.source for projection in incoming]
        if sources != [before] or any(projection.delay for projection in incoming):
            reason = f"netx takes a plain sequence, and the layer reads {', '.join(sorted(set(sources)))}"
            yield _problem(reason, population.name, "use the backend lava-stock, which takes any network")
        elif isinstance(incoming[0].synapses, ConvSynapses) and not _sends_map(program, before):
            reason = "netx makes no map of a row, and a convolution reads one"
            yield _problem(reason, population.name, "use the backend lava-stock, which takes any network")
        before = population.name


def _sends_map(program: Program, source: str) -> bool:
    return source == INPUT or isinstance(program.incoming(source)[0].synapses, ConvSynapses)


def _layer_problems(form: StockForm, population: Population) -> Iterator[Diagnostic]:
    """E349: biases, and weights of Dense layers, that netx keeps as they are."""
    name, program = population.name, form.program
    largest = int(np.abs(form.neurons[name].bias).max())
    if largest > BIAS_MANTISSA_MAXIMUM or any(pulse.target == name for pulse in program.pulses):
        reason = "a bias is beyond the 13 bits that netx has for it"
        hint = "compile for the target lava-stock"
        yield _problem(reason, name, hint, largest, BIAS_MANTISSA_MAXIMUM, "weight units")
    (projection,) = program.incoming(name)
    if isinstance(projection.synapses, ConvSynapses):
        return
    weight = projection.effective_weight
    reach = int(np.abs(weight).max(initial=0))
    if not reach:
        yield _problem("all weights are 0, by which netx divides", name, "leave the layer out")
    elif reach > (_WEIGHT_MAXIMUM if not (weight % 2).any() else _EXACT_ODD_MAXIMUM):
        reason = "weights are beyond the 8 bits that netx has for them"
        yield _problem(reason, name, "compile for the target lava-stock", reach, _WEIGHT_MAXIMUM, "weight units")
    elif weight.max() <= 0 and reach & (reach - 1) == 0:
        reason = (
            "no weight is positive and the largest is a power of two, which netx scales to 256 and Dense clips to 255"
        )
        yield _problem(reason, name, "use the backend lava-stock, which keeps them", reach)


def _problem(
    message: str,
    layer: str | None,
    hint: str,
    measured: float | None = None,
    limit: float | None = None,
    unit: str | None = None,
) -> Diagnostic:
    return Diagnostic("E349", message, Place(layer=layer), measured, limit, unit, hint, _SOURCE)


def _structure(program: Program) -> str:
    """What the file cannot say: bits of a message, depths, and how populations are called."""
    low, high = message_range(program, INPUT)
    document = {
        "name": program.name,
        "input_message_bits": message_bits((low, high)),
        "layers": [{"name": p.name, "shape": list(p.shape), "depth": p.depth} for p in program.populations],
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _hdf5(form: StockForm) -> bytes:
    program, buffer = form.program, io.BytesIO()
    with _h5py().File(buffer, "w") as file:
        _write_input(_next_layer(file), program)
        for population in program.populations:
            (projection,) = program.incoming(population.name)
            is_conv = isinstance(projection.synapses, ConvSynapses)
            if not is_conv and projection.source != INPUT and _sends_map(program, projection.source):
                _next_layer(file)["type"] = np.bytes_("flatten")
            layer = _next_layer(file)
            _write_neurons(layer, form.neurons[population.name], population, is_conv)
            if isinstance(projection.synapses, ConvSynapses):
                _write_convolution(layer, projection, projection.synapses)
            else:
                layer["type"] = np.bytes_("dense")
                layer["weight"] = _matrix(program, projection)
    return buffer.getvalue()


def _h5py() -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        if error.name != "h5py":
            raise UnusableInput(broken_library("h5py", error)) from error
        raise refuse(
            "E741", "h5py is not installed, which writes files of netx", hint=install_command("h5py")
        ) from error
    except Exception as error:
        raise UnusableInput(broken_library("h5py", error)) from error
    return h5py


def _next_layer(file: h5py.File) -> h5py.Group:
    layers = file.require_group("layer")
    return layers.create_group(str(len(layers)))


def _write_input(layer: h5py.Group, program: Program) -> None:
    layer["type"] = np.bytes_("input")
    first = program.populations[0].name
    is_map = isinstance(program.incoming(first)[0].synapses, ConvSynapses)
    layer["shape"] = np.array(program.input.shape if is_map else [int(np.prod(program.input.shape))])


def _write_neurons(layer: h5py.Group, neurons: StockNeurons, population: Population, is_conv: bool) -> None:
    layer["shape"] = np.array(population.shape if is_conv else [population.neurons])
    bias = np.broadcast_to(neurons.bias, population.shape)
    if not is_conv:
        layer["bias"] = bias.reshape(-1)
    elif (bias == bias[:, :1, :1]).all():
        layer["bias"] = bias[:, 0, 0]
    else:
        layer["bias"] = bias.transpose(2, 1, 0)
    group = layer.create_group("neuron")
    group["type"] = np.bytes_("CUBA")
    group["iDecay"], group["vDecay"], group["vThMant"] = _ALL_DECAYS, _ALL_DECAYS, neurons.threshold


def _write_convolution(layer: h5py.Group, projection: Projection, synapses: ConvSynapses) -> None:
    encoding = encode_convolution(synapses, projection.effective_weight)
    layer["type"] = np.bytes_("conv")
    # netx takes torch's order, and turns the kernel itself.
    layer["weight"] = encoding.weight.astype(np.int32).transpose(0, 3, 2, 1)[:, :, ::-1, ::-1]
    for name in ("stride", "padding", "dilation"):
        layer[name] = np.array(getattr(encoding, name)[::-1])
    layer["groups"] = encoding.groups


def _matrix(program: Program, projection: Projection) -> IntArray:
    match projection.synapses:
        case DenseSynapses():
            return projection.effective_weight
        case SparseSynapses(_, source, target):
            sources = int(np.prod(program.source_shape(projection)))
            matrix = np.zeros((program.population(projection.target).neurons, sources), dtype=np.int64)
            matrix[target, source] = projection.effective_weight
            return matrix
        case _:
            raise AssertionError("a convolution is written as one")
