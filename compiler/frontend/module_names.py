"""Names of the user's modules in a model that an exporter of torch wrote, in place of the exporter's own.

A node that is all there is of its module is called as the module is, ``features.3``; others by module and operator,
``block.0/Add``. Values are called as the nodes that compute them, so that ``--output-name features.3`` finds one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import onnx

Located = Callable[[str], tuple[str, str]]
"""From the exporter's name of a node to the module's name and what stands behind it."""


def with_module_names(model: bytes, located: Located) -> bytes:
    """Return an ONNX file with its nodes and inner values renamed; what is computed stays as it is."""
    parsed = onnx.load_model_from_string(model)
    graph = parsed.graph
    nodes = [(node, *located(node.name)) for node in graph.node]
    of_module = Counter(module for node, module, _ in nodes if node.op_type != "Constant")
    taken = {value.name for value in (*graph.input, *graph.output)} | {tensor.name for tensor in graph.initializer}
    renamed: dict[str, str] = {}
    for node, module, rest in nodes:
        alone = module and of_module[module] == 1 and node.op_type != "Constant"
        node.name = _unused(module if alone else f"{module}/{rest}".lstrip("/"), taken)
        for place, value in enumerate(node.output):
            if value and value not in taken:
                renamed[value] = node.name if place == 0 else f"{node.name}:{place}"
        taken.add(node.name)
    for node in graph.node:
        node.input[:] = [renamed.get(value, value) for value in node.input]
        node.output[:] = [renamed.get(value, value) for value in node.output]
    for info in graph.value_info:
        info.name = renamed.get(info.name, info.name)
    written: bytes = parsed.SerializeToString(deterministic=True)
    return written


def _unused(wanted: str, taken: set[str]) -> str:
    name, count = wanted or "node", 2
    while name in taken:
        name, count = f"{wanted}_{count}", count + 1
    return name
