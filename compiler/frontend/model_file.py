"""From a path or bytes to a parsed ONNX model with its weights loaded and its local functions inlined."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx.checker
import onnx.external_data_helper
import onnx.inliner
from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]

from ...targets.diagnostic import Diagnostic, Place, refuse
from ...targets.records import dataclass
from .opset_conversion import ConversionFailed, converted

OLDEST_OPSET = 11
"""Read as it is; from ``_OLDEST_CONVERTED`` on a model is converted to it first."""
_OLDEST_CONVERTED = 7
_LARGEST_INLINED = 1_000_000
_GET_AGAIN = "get the file again from where it was written, and check that it was copied whole"
_NEWER_OPSET = "have the model written with opset 17, by its exporter or by another converter"


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A parsed model without local functions; ``found`` are problems and remarks that do not keep it from being read.

    ``opset`` is None where the meaning of the operators is not known, which an E009 in ``found`` says: their names
    are all that can be judged then. Tensors whose external data is missing (E003) have none.
    """

    proto: onnx.ModelProto
    opset: int | None
    found: tuple[Diagnostic, ...]


def load_model(model: Path | bytes) -> LoadedModel:
    """Parse ``model``, load external tensors from beside the file, inline local functions, convert old operator sets.

    Raises UnusableInput for what is no model at all.
    """
    file = None if isinstance(model, bytes) else str(model)
    content = model if isinstance(model, bytes) else read_content(model)
    parsed = _parse(content, file)
    missing = _load_external_tensors(parsed, model if isinstance(model, Path) else None)
    inlined = _inlined(parsed, file)
    proto, version, remarks = _with_known_opset(inlined, file)
    return LoadedModel(proto, version, (*missing, *remarks))


def opset(model: onnx.ModelProto) -> int:
    """Version of the default operator set; 0 where the model imports none."""
    return max((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def read_content(path: Path) -> bytes:
    """Bytes of a model file; E001 where it cannot be opened."""
    if path.is_dir():
        raise refuse("E001", f"{path} is a folder", file=path, hint="give the .onnx file inside it")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise refuse("E001", f"{path} does not exist", file=path, hint="check the path and the spelling") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise refuse("E001", f"{path} cannot be read: {reason}", file=path, hint="check its permissions") from None


def _parse(content: bytes, file: str | None) -> onnx.ModelProto:
    if not content:
        raise refuse("E002", "the model file is empty", file=file, hint=_GET_AGAIN)
    try:
        parsed = onnx.load_model_from_string(content)
    except (DecodeError, UnicodeDecodeError, ValueError):
        what = "a text file" if _is_text(content) else "truncated or damaged, or in another format"
        raise refuse("E002", f"the file is not an ONNX model: it is {what}", file=file, hint=_GET_AGAIN) from None
    if not parsed.HasField("graph") or not (parsed.graph.node or parsed.graph.input or parsed.graph.output):
        raise refuse("E002", "the file is not an ONNX model: it holds no graph", file=file, hint=_GET_AGAIN)
    if not _names_are_text(parsed):
        raise refuse("E002", "the file is damaged: it holds names that are not text", file=file, hint=_GET_AGAIN)
    return parsed


def _names_are_text(message: Message) -> bool:
    """Whether every string is valid; protobuf hands out bytes where one is not."""
    for field, value in message.ListFields():
        if field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE):
            continue
        for part in (value,) if isinstance(value, str | bytes | Message) else value:
            if isinstance(part, bytes) or (isinstance(part, Message) and not _names_are_text(part)):
                return False
    return True


def _is_text(content: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\r\n" for byte in content[:512])


def _with_known_opset(
    model: onnx.ModelProto, file: str | None
) -> tuple[onnx.ModelProto, int | None, tuple[Diagnostic, ...]]:
    """The model in an operator set that the reader knows, that set, and what has to be said about it."""
    version, newest = opset(model), onnx.defs.onnx_opset_version()
    place = Place(file=file)
    if OLDEST_OPSET <= version <= newest:
        return model, version, ()
    if version == 0 and not any(node.domain in ("", "ai.onnx") for node in model.graph.node):
        return model, newest, ()
    if version > newest:
        message = f"the model uses opset {version}, newer than the installed onnx package knows ({newest})"
        hint = f"update the onnx package, or have the model written with opset {newest} or an older one"
        return model, None, (_unknown_opset(message, version, newest, hint, place),)
    if version < _OLDEST_CONVERTED:
        message = f"the model uses opset {version}, older than {_OLDEST_CONVERTED}"
        if version == 0:
            message = "the model does not say which opset its operators are of"
        return model, None, (_unknown_opset(message, version, _OLDEST_CONVERTED, _NEWER_OPSET, place),)
    try:
        proto = converted(model, OLDEST_OPSET)
    except ConversionFailed as failure:
        message = f"the model uses opset {version}, and onnx's version converter fails on it: {failure}"
        return model, None, (_unknown_opset(message, version, OLDEST_OPSET, _NEWER_OPSET, place),)
    remark = Diagnostic(
        "I020",
        f"the model uses opset {version} and was converted to {OLDEST_OPSET} by onnx's version converter",
        place,
        measured=version,
        unit="opset version",
        hint="nothing to do; accuracy on labelled data shows whether the conversion kept the function",
    )
    return proto, OLDEST_OPSET, (remark,)


def _unknown_opset(message: str, version: int, limit: int, hint: str, place: Place) -> Diagnostic:
    return Diagnostic("E009", message, place, measured=version, limit=limit, unit="opset version", hint=hint)


def _load_external_tensors(model: onnx.ModelProto, path: Path | None) -> list[Diagnostic]:
    file = None if path is None else str(path)
    problems = []
    for tensor in _tensors(model):
        if not onnx.external_data_helper.uses_external_data(tensor):
            continue
        problem = (
            "a model given as bytes has no folder to look in" if path is None else _load_tensor(tensor, path.parent)
        )
        if problem is not None:
            location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
            problems.append(
                Diagnostic(
                    "E003",
                    f"tensor {tensor.name} lies in the external file {location}, which cannot be used: {problem}",
                    Place(file=file),
                    hint=_external_hint(location, path),
                )
            )
    return problems


def _external_hint(location: str, path: Path | None) -> str:
    if path is None:
        return "give the path of the model, so that files beside it are found"
    if not location or Path(location).is_absolute() or ".." in Path(location).parts:
        return "have the weights stored in the model itself, or in a file in the model's own folder"
    if (path.parent / location).exists():
        return f"get {location} again from where the model comes from: it is not the file that was written with it"
    return f"put the file {location} into the folder {path.parent}"


def _load_tensor(tensor: onnx.TensorProto, folder: Path) -> str | None:
    try:
        onnx.external_data_helper.load_external_data_for_tensor(tensor, str(folder.resolve()))
    except (OSError, ValueError, onnx.checker.ValidationError, RuntimeError) as error:
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]
    return None


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from model.graph.initializer
    groups = [model.graph.node, *(function.node for function in model.functions)]
    for nodes in groups:
        for node in nodes:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t


def _inlined(model: onnx.ModelProto, file: str | None) -> onnx.ModelProto:
    if not model.functions:
        return model
    hint = "have the model written without local functions"
    size = _inlined_size(model)
    if size is None or size > _LARGEST_INLINED:
        what = "call each other in a circle" if size is None else f"expand to more than {_LARGEST_INLINED} nodes"
        raise refuse("E005", f"the local functions of the model {what}", file=file, hint=hint)
    try:
        return onnx.inliner.inline_local_functions(model)
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[:1]
        raise refuse(
            "E005", f"the local functions of the model cannot be inlined: {''.join(reason)}", file=file, hint=hint
        ) from None


def _inlined_size(model: onnx.ModelProto) -> int | None:
    """Count the nodes after inlining without doing it; None for a recursive call."""
    bodies = {(f.domain, f.name): [(node.domain, node.op_type) for node in f.node] for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}
    open_calls: set[tuple[str, str]] = set()
    pending = list(bodies)
    while pending:
        function = pending[-1]
        callees = [callee for callee in bodies[function] if callee in bodies and callee not in sizes]
        if function in sizes or not callees:
            sizes[function] = sum(sizes.get(callee, 1) for callee in bodies[function])
            open_calls.discard(function)
            pending.pop()
        elif function in open_calls:
            return None
        else:
            open_calls.add(function)
            pending.extend(callees)
    return sum(sizes.get((node.domain, node.op_type), 1) for node in model.graph.node)
