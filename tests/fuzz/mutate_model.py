"""Damage to the fields of a model file: sizes, types, numbers, names and the shape of its graph."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import onnx
import onnx.defs
import onnx.helper
from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]

from .choices import Choices

INTEGERS = (0, 1, -1, 2, 3, 5, 7, 100, 4096, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 40, (1 << 63) - 1, -(1 << 63), -2)
FLOATS = (0.0, -1.0, math.nan, math.inf, -math.inf, 1e-45, 3.4e38, 1e30, -0.0, 1e-30, 0.5)
TEXTS = ("", "x", "\x1b[31mred\x1b[0m\n", "a" * 5000, "ü/..\\\x00", "%s{0}", "../../etc/passwd", "VALID", "SAME_LOWER")
OPERATORS = tuple(sorted({schema.name for schema in onnx.defs.get_all_schemas()}))

Place = tuple[Any, Any]


def mutated_model(choices: Choices, content: bytes) -> bytes:
    """``content`` with one to five of its fields changed."""
    model = onnx.load_model_from_string(content)
    for _ in range(choices.pick((1, 1, 2, 3, 5))):
        changes = (_change_field, _change_field, _change_field, _change_tensor, _change_node, _change_graph)
        choices.pick(changes)(choices, model)
    return bytes(model.SerializeToString())


def _places(message: Message) -> Iterator[Place]:
    """Every message inside ``message`` with each of its fields that are set."""
    for field, value in message.ListFields():
        yield message, field
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if _is_list(value) else (value,):
                yield from _places(inner)


def _is_list(value: object) -> bool:
    return not isinstance(value, Message | str | bytes | int | float)


def _change_field(choices: Choices, model: onnx.ModelProto) -> None:
    places = list(_places(model))
    message, field = places[choices.whole(0, len(places) - 1)]
    value = getattr(message, field.name)
    if _is_list(value):
        _change_list(choices, field, value)
    elif field.type == FieldDescriptor.TYPE_MESSAGE or choices.chance(0.1):
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _other(choices, field, value))


def _change_list(choices: Choices, field: Any, values: Any) -> None:
    if not len(values):
        return
    place = choices.whole(0, len(values) - 1)
    kind = choices.pick(("change", "change", "delete", "double", "clear"))
    if kind == "clear":
        del values[:]
    elif kind == "delete":
        del values[place]
    elif kind == "double" and field.type == FieldDescriptor.TYPE_MESSAGE:
        values.add().CopyFrom(values[place])
    elif kind == "double":
        values.append(values[place])
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        values[place].CopyFrom(values[choices.whole(0, len(values) - 1)])
    else:
        values[place] = _other(choices, field, values[place])


def _other(choices: Choices, field: Any, value: Any) -> Any:
    """Another value of a scalar field's type."""
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return choices.pick(FLOATS)
    if field.type == FieldDescriptor.TYPE_STRING:
        return choices.pick(TEXTS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        cut = choices.whole(0, len(value))
        return choices.pick((value[:cut], value + value[:cut], b"", b"\x00\x00\x80\x7f" + value[4:]))
    if field.type == FieldDescriptor.TYPE_ENUM:
        return choices.pick(tuple(field.enum_type.values_by_number))
    near = choices.pick((value + 1, value - 1, -value, 2 * value))
    given = near if choices.chance(0.5) else choices.pick(INTEGERS)
    small = field.type in (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_UINT32)
    limit = (1 << 31) - 1 if small else (1 << 63) - 1
    return max(-limit - 1, min(limit, given))


def _change_tensor(choices: Choices, model: onnx.ModelProto) -> None:
    """An initialiser of another size or type, without data, elsewhere, or sparse."""
    if not model.graph.initializer:
        return
    tensor = model.graph.initializer[choices.whole(0, len(model.graph.initializer) - 1)]
    kind = choices.pick(("dims", "type", "data", "outside", "rename", "numbers"))
    if kind == "dims":
        dims = [choices.pick(INTEGERS) for _ in range(choices.whole(0, 5))]
        del tensor.dims[:]
        tensor.dims.extend(dims)
    elif kind == "type":
        tensor.data_type = choices.whole(0, 30)
    elif kind == "data":
        tensor.ClearField("raw_data")
    elif kind == "outside":
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, text in (("location", choices.pick(("weights.bin", "../x", "/dev/zero", "."))), ("offset", "-1")):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, text
    elif kind == "rename":
        tensor.name = choices.pick(TEXTS)
    elif tensor.data_type == onnx.TensorProto.FLOAT and tensor.raw_data:
        # Little-endian NaN, infinity, the largest and the smallest number in place of the first one.
        word = choices.pick((b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff\xff\x7f\x7f", b"\x01\x00\x00\x00"))
        tensor.raw_data = word + tensor.raw_data[4:]


def _change_node(choices: Choices, model: onnx.ModelProto) -> None:
    """Another operator, domain, input, output or attribute."""
    nodes = model.graph.node
    if not nodes:
        return
    node = nodes[choices.whole(0, len(nodes) - 1)]
    kind = choices.pick(("operator", "input", "extra", "attribute", "domain", "output", "missing"))
    names = [name for n in nodes for name in (*n.input, *n.output)] or ["x"]
    name = choices.pick(names)
    if kind == "operator":
        node.op_type = choices.pick(OPERATORS)
    elif kind == "input" and node.input:
        node.input[choices.whole(0, len(node.input) - 1)] = name
    elif kind == "extra":
        node.input.append(name)
    elif kind == "output" and node.output:
        node.output[0] = name
    elif kind == "domain":
        node.domain = choices.pick(("ai.onnx", "com.microsoft", "x"))
    elif kind == "missing" and node.input:
        node.input[choices.whole(0, len(node.input) - 1)] = ""
    elif kind == "attribute":
        key = choices.pick(("axis", "axes", "pads", "strides", "group", "auto_pad", "to", "perm", "value", "ceil_mode"))
        lists = [choices.pick(INTEGERS) for _ in range(choices.whole(0, 4))]
        value = choices.pick((choices.pick(INTEGERS), choices.pick(FLOATS), choices.pick(TEXTS), lists))
        if value != []:
            node.attribute.append(onnx.helper.make_attribute(key, value))


def _change_graph(choices: Choices, model: onnx.ModelProto) -> None:
    """A node fed by a later one, a graph inside a graph, other inputs or outputs, another opset, a local function."""
    graph = model.graph
    kind = choices.pick(("loop", "deep", "input", "output", "opset", "function", "swap", "many", "shape"))
    if kind == "loop" and len(graph.node) > 1 and graph.node[0].input and graph.node[-1].output:
        graph.node[0].input[0] = graph.node[-1].output[0]
    elif kind == "deep":
        _nest(graph, choices.pick((1, 3, 25)))
    elif kind == "input":
        graph.input.add().CopyFrom(graph.input[0] if graph.input else onnx.ValueInfoProto())
        graph.input[-1].name = choices.pick(("other", graph.input[0].name))
    elif kind == "output" and graph.node and graph.node[0].output:
        graph.output.insert(0, onnx.helper.make_empty_tensor_value_info(graph.node[0].output[0]))
    elif kind == "opset":
        for entry in model.opset_import:
            entry.version = choices.pick((*INTEGERS, 6, 8, 11, 14, 19, 24, 30))
    elif kind == "function" and graph.node:
        node = graph.node[0]
        body = [onnx.helper.make_node(node.op_type, ["a"], ["b"], domain=choices.pick(("", "own")))]
        model.functions.append(onnx.helper.make_function("own", node.op_type, ["a"], ["b"], body, model.opset_import))
        node.domain = "own"
    elif kind == "swap" and len(graph.node) > 1:
        first = onnx.NodeProto()
        first.CopyFrom(graph.node[0])
        graph.node[0].CopyFrom(graph.node[-1])
        graph.node[-1].CopyFrom(first)
    elif kind == "many" and graph.node:
        _repeat_last(graph, choices.pick((10, 25, 300)), choices.pick(("Add", "Relu", "Neg", "Concat", "Identity")))
    elif kind == "shape" and graph.input:
        tensor = graph.input[0].type.tensor_type
        tensor.shape.dim.add().dim_value = choices.pick(INTEGERS)
        tensor.shape.dim[choices.whole(0, len(tensor.shape.dim) - 1)].dim_value = choices.pick(INTEGERS)


def _nest(graph: onnx.GraphProto, depth: int) -> None:
    """``depth`` branches inside each other; protobuf itself refuses more than some thirty."""
    inner = onnx.helper.make_graph([], "inner", [], [onnx.helper.make_empty_tensor_value_info("x")])
    for _ in range(depth):
        node = onnx.helper.make_node("If", ["condition"], ["y"], then_branch=inner, else_branch=onnx.GraphProto())
        inner = onnx.helper.make_graph([node], "inner", [], [onnx.helper.make_empty_tensor_value_info("y")])
    graph.node.insert(0, onnx.helper.make_node("If", ["condition"], ["deep"], then_branch=inner, else_branch=inner))


def _repeat_last(graph: onnx.GraphProto, count: int, operator: str) -> None:
    """``count`` more operators behind the result, each reading the last value once or twice."""
    name = graph.output[0].name if graph.output else ""
    twice = operator in ("Add", "Concat")
    for k in range(count):
        graph.node.append(onnx.helper.make_node(operator, [name] * (1 + twice), [f"more{k}"]))
        if operator == "Concat":
            graph.node[-1].attribute.append(onnx.helper.make_attribute("axis", 1))
        name = f"more{k}"
    if graph.output:
        graph.output[0].name = name
