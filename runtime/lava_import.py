"""Makes lava-nc 0.10.0, which was written for Python 3.10 and numpy 1, importable on what is newer.

No installed file changes: a finder compiles two of them with other lines, and keeps no bytecode.

* From Python 3.11 on, ``dataclass`` refuses defaults that cannot be hashed. ``var_model.py`` has eight, each a new
  instance of a data class; ``field(default_factory=...)`` in their place gives every record an instance of its own.
* ``numpy.reshape`` of numpy 2.4 has no argument ``newshape`` any more, which is called ``shape`` since 2.1. Ports that
  reshape, which ``ports.py`` makes, name it.

A third thing is no line of theirs. From Python 3.14 on, processes are not forked unless one asks for it. Lava asks as
it is imported, and fails where a lock of another library has settled on the platform's method before:
``unsettle_start_method`` undoes that.

Of the rest of lava-nc nothing has to change, with scipy 1.17, networkx 3 and asteval 1 as well.
"""

from __future__ import annotations

import ast
import inspect
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

LAVA_VERSION = "0.10.0"
"""The only lava-nc whose sources were read and run on newer Pythons."""

_SETS_START_METHOD = "lava.magma.runtime.message_infrastructure.multiprocessing"


def needs_mending() -> bool:
    """Whether this Python is one for which lava-nc was not written."""
    return sys.version_info[:2] > (3, 10)


def make_importable() -> None:
    """Let ``import lava...`` work in this process and those it forks, whichever Python runs it."""
    if needs_mending() and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def unsettle_start_method() -> None:
    """Free multiprocessing's start method where the platform's own was settled on, until Lava has set its own."""
    if _SETS_START_METHOD in sys.modules:
        return
    platform_method = multiprocessing.get_all_start_methods()[0]
    if multiprocessing.get_start_method(allow_none=True) in ("fork", platform_method):
        multiprocessing.set_start_method(None, force=True)


def with_factories(tree: ast.Module) -> ast.Module:
    """``tree`` with ``x: T = field(default_factory=T)`` for ``x: T = T()`` in data classes, T being one of the module.

    A module without such defaults, because somebody has mended it already, comes back as it is.
    """
    records = [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_dataclass(node)]
    names = {record.name for record in records}
    fields = [field for record in records for field in record.body if isinstance(field, ast.AnnAssign)]
    mended = False
    for field in fields:
        default = field.value
        if isinstance(default, ast.Call) and isinstance(default.func, ast.Name) and default.func.id in names:
            field.value = ast.copy_location(_factory_of(default.func), default)
            mended = True
    if mended:
        tree.body.insert(_after_future_imports(tree), ast.Import([ast.alias("dataclasses")]))
    return ast.fix_missing_locations(tree)


def with_numpys_keyword(tree: ast.Module) -> ast.Module:
    """``tree`` with the argument ``newshape`` of ``numpy.reshape`` called as the installed numpy calls it."""
    import numpy as np

    if "shape" in inspect.signature(np.reshape).parameters:
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "newshape":
                node.arg = "shape"
    return tree


MENDED: dict[str, Callable[[ast.Module], ast.Module]] = {
    "lava.magma.compiler.var_model": with_factories,
    "lava.magma.core.process.ports.ports": with_numpys_keyword,
}
"""The modules that what is newer would not run, and what is done about each."""


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "dataclass" for each in node.decorator_list)


def _factory_of(kind: ast.Name) -> ast.Call:
    field = ast.Attribute(ast.Name("dataclasses", ast.Load()), "field", ast.Load())
    return ast.Call(field, [], [ast.keyword("default_factory", kind)])


def _after_future_imports(tree: ast.Module) -> int:
    last = -1
    for index, node in enumerate(tree.body):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            last = index
    return last + 1


class _Loader(SourceFileLoader):
    # The cache beside the source holds the code as it was installed, and is to stay that.
    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path), self.path)
        return compile(MENDED[fullname](tree), self.path, "exec", dont_inherit=True)


class _Finder:
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in MENDED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec
