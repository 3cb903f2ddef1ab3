"""A NIR file as it is: nodes with their numbers, edges, and what the metadata says; all that is wrong with it at once.

The file is HDF5 and comes from anyone: only datasets that lie in it are read, none behind a link, up to a size.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from ...targets.libraries import install_command
from ...targets.records import dataclass

Numbers = npt.NDArray[Any]
LARGEST_FILE = 1 << 31
"""Bytes of all numbers together."""

FIELDS = {
    "Input": ("shape",),
    "Output": ("shape",),
    "Affine": ("weight", "bias"),
    "Linear": ("weight",),
    "Conv2d": ("weight", "bias", "stride", "padding", "dilation", "groups"),
    "Flatten": (),
    "SumPool2d": ("kernel_size", "stride", "padding"),
    "AvgPool2d": ("kernel_size", "stride", "padding"),
    "Scale": ("scale",),
    "IF": ("r", "v_threshold"),
    "LIF": ("tau", "r", "v_leak", "v_threshold"),
}
"""Kinds of nodes that are read, and what each must have."""

_WITHOUT_END = {("LIF", "tau"), ("LIF", "r")}


@dataclass(frozen=True, slots=True, eq=False)
class NirNode:
    """A node: its kind, and its numbers and texts by name."""

    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class NirGraph:
    """``nodes`` in an order in which each comes after its sources; ``sources`` of each.

    ``said`` is the metadata of spikec's own files, empty for others; ``initial`` are potentials by node, from there.
    """

    nodes: dict[str, NirNode]
    sources: dict[str, tuple[str, ...]]
    said: dict[str, Any]
    initial: dict[str, Numbers]


def read_nir(path: Path) -> NirGraph:
    """Read a ``.nir`` file of a feed-forward graph of IF neurons.

    Raises ``UnusableInput``: E764 where h5py is not installed, E766 for a file that is no NIR or damaged, E767 for each
    thing in the graph that cannot be used.
    """
    if importlib.util.find_spec("h5py") is None:
        raise refuse("E764", "h5py is not installed, which reads NIR files", hint=install_command("h5py"))
    try:
        nodes, edges, said, initial = _content(path)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        hint = "have the tool that wrote it write it again"
        raise refuse("E766", f"this is no NIR file, or a damaged one ({reason})", file=path, hint=hint) from error
    found = [Diagnostic("E767", message, Place(file=str(path), layer=name)) for name, message in _faults(nodes, edges)]
    if found:
        raise UnusableInput(found)
    sources = {name: tuple(a for a, b in edges if b == name) for name in nodes}
    return NirGraph({name: nodes[name] for name in _in_order(nodes, edges)}, sources, said, initial)


def _content(path: Path) -> tuple[dict[str, NirNode], list[tuple[str, str]], dict[str, Any], dict[str, Numbers]]:
    import h5py

    with h5py.File(path, "r") as file:
        root = _inside(file, "node", h5py.Group)
        room = [LARGEST_FILE]
        groups = _inside(root, "nodes", h5py.Group)
        nodes = {name: _node(_inside(groups, name, h5py.Group), room) for name in groups}
        pairs = np.asarray(_value(root, "edges", room))
        if pairs.size and (pairs.ndim != 2 or pairs.shape[1] != 2):
            raise ValueError(f"edges of shape {pairs.shape}")
        edges = [(_text(a), _text(b)) for a, b in pairs.reshape(-1, 2)]
        said: dict[str, Any] = {}
        initial: dict[str, Numbers] = {}
        if "metadata" in root and "spikec" in (metadata := _inside(root, "metadata", h5py.Group)):
            said = dict(json.loads(_text(_value(metadata, "spikec", room))))
            states = _inside(metadata, "states", h5py.Group)
            initial = {name: _value(_inside(states, name, h5py.Group), "initial", room) for name in states}
    return nodes, edges, said, initial


def _node(group: Any, room: list[int]) -> NirNode:
    kind = _text(_value(group, "type", room))
    wanted = (*FIELDS.get(kind, ()), "v_reset", "start_dim", "end_dim")
    return NirNode(kind, {name: _value(group, name, room) for name in wanted if name in group})


def _inside(group: Any, name: str, kind: type[Any]) -> Any:
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink) or not isinstance(group[name], kind):
        raise ValueError(f"'{name}' is missing, behind a link, or of another kind")
    return group[name]


def _value(group: Any, name: str, room: list[int]) -> Any:
    import h5py

    data = _inside(group, name, h5py.Dataset)
    if data.external or data.is_virtual:
        raise ValueError(f"'{name}' lies in another file")
    room[0] -= int(data.nbytes)
    if room[0] < 0:
        raise ValueError(f"more than {LARGEST_FILE} bytes")
    return data[()]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _faults(nodes: dict[str, NirNode], edges: list[tuple[str, str]]) -> Iterator[tuple[str | None, str]]:
    for name, node in nodes.items():
        if node.kind not in FIELDS:
            yield name, f"a node of the kind '{node.kind[:40]}' is none that spikec reads ({', '.join(FIELDS)})"
            continue
        for field in FIELDS[node.kind]:
            if field not in node.fields:
                yield name, f"the {node.kind} has no '{field}'"
            elif not isinstance(node.fields[field], bytes | str) and not _is_usable(node, field):
                yield name, f"'{field}' of the {node.kind} is no finite number"
    for kind in ("Input", "Output"):
        count = sum(node.kind == kind for node in nodes.values())
        if count != 1:
            yield None, f"the graph has {count} nodes {kind}, not one"
    for edge in edges:
        for name in edge:
            if name not in nodes:
                yield None, f"an edge names '{name[:40]}', which is no node"
    ordered = set(_in_order(nodes, edges))
    if circle := sorted(set(nodes) - ordered):
        yield None, f"the graph is not feed-forward: {', '.join(circle[:5])} depend on themselves"
    targets = {target for _, target in edges}
    for name, node in nodes.items():
        if node.kind != "Input" and name not in targets:
            yield name, "nothing reaches the node"


def _is_usable(node: NirNode, field: str) -> bool:
    array = np.asarray(node.fields[field])
    if array.dtype.kind not in "iufb" or not array.size:
        return False
    # Without a leak both are without end.
    return bool((np.isfinite(array) | (np.isposinf(array) & ((node.kind, field) in _WITHOUT_END))).all())


def _in_order(nodes: dict[str, NirNode], edges: list[tuple[str, str]]) -> list[str]:
    """Nodes after their sources; those on a circle, and behind one, are left out."""
    waiting = dict.fromkeys(nodes, 0)
    readers: dict[str, list[str]] = {name: [] for name in nodes}
    for source, target in edges:
        if source in nodes and target in nodes:
            waiting[target] += 1
            readers[source].append(target)
    ready = [name for name, count in waiting.items() if not count]
    for name in ready:
        for reader in readers[name]:
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    return ready
