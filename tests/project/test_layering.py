"""Which folder may import which, and where each outside library may be imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("compiler", "models", "runtime", "targets")
SOURCES = tuple(sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")))

MAY_IMPORT = {
    "targets": {"targets"},
    "runtime": {"runtime", "targets"},
    "compiler": {"compiler", "runtime", "targets"},
    "models": {"models", "compiler", "runtime", "targets"},
}
ONLY_IN = {
    "onnx": ("compiler/frontend/",),
    "lava": ("runtime/lava/",),
    "torch": ("models/", "runtime/simulator/tensors.py", "runtime/witnesses/on_sinabs.py", "runtime/nir/check.py"),
    "torchvision": ("models/",),
    "networkx": ("compiler/",),
    "sinabs": ("runtime/witnesses/on_sinabs.py", "runtime/nir/check.py"),
    "nir": ("runtime/nir/",),
    "snntorch": ("runtime/nir/check.py",),
    "brian2": ("runtime/witnesses/on_brian2.py",),
    "distributed": ("runtime/dask_workers.py",),
    "dask": ("runtime/dask_workers.py",),
    "jinja2": ("compiler/report/",),
}
LAVA_EXECUTES = "models.py"
"""Lava loads these files as top-level modules, where relative imports fail."""


def imported(path: Path, nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Dotted names that ``nodes`` import, with relative imports resolved to ``spikec....``."""
    package = ("spikec", *path.parent.parts)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            module = (*parents, *(node.module or "").split(".")) if node.module else parents
            yield from (".".join((*module, alias.name)) for alias in node.names)


def every_import(path: Path) -> set[str]:
    return set(imported(path, ast.walk(ast.parse((ROOT / path).read_text()))))


def imports_on_loading(path: Path) -> set[str]:
    """Imports outside of functions and of ``if TYPE_CHECKING``."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not typing_only:
                yield child
                yield from walk(child)

    return set(imported(path, walk(ast.parse((ROOT / path).read_text()))))


def test_imports_are_resolved() -> None:
    assert "spikec.targets.diagnostic.refuse" in every_import(Path("runtime/program/storage.py"))
    assert "spikec.compiler.diagnostics.code.Code" in every_import(Path("compiler/diagnostics/codes/inputs.py"))
    tensors = Path("runtime/simulator/tensors.py")
    assert "torch" in every_import(tensors) - imports_on_loading(tensors)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_folders_import_downwards(path: Path) -> None:
    ours = {name.split(".")[1] for name in every_import(path) if name.startswith("spikec.")}
    assert ours <= MAY_IMPORT[path.parts[0]]


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_outside_libraries_stay_in_their_place(path: Path) -> None:
    libraries = {name.split(".")[0] for name in every_import(path)}
    strays = {name for name in libraries & set(ONLY_IN) if not path.as_posix().startswith(ONLY_IN[name])}
    assert not strays


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[0] != "models"], ids=str)
def test_heavy_libraries_are_not_loaded_with_the_package(path: Path) -> None:
    heavy = {"torch", "torchvision"}
    assert not heavy & {name.split(".")[0] for name in imports_on_loading(path)}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_inside_the_package_are_relative(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text())
    absolute = [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "spikec")
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "spikec" for alias in node.names))
    ]
    if path.parts[:2] == ("runtime", "lava") and path.name == LAVA_EXECUTES:
        assert absolute
    else:
        assert not absolute
