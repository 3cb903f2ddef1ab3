"""lava-nc on Pythons and a numpy that are newer than it: what is mended as it is imported, and what is refused."""

from __future__ import annotations

import ast
import dataclasses
import importlib.metadata
import importlib.util
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from spikec.runtime import lava_import
from spikec.runtime.lava.availability import availability, require_lava
from spikec.runtime.lava_import import MENDED, with_factories, with_numpys_keyword
from spikec.targets.diagnostic import DiagnosticWarning, UnusableInput

# The package has a function of the module's name.
SEARCH = sys.modules[availability.__module__]

needs_lava = pytest.mark.skipif(not availability().available, reason=availability().detail)

EIGHT = {
    *(("CoreEncoder", name) for name in "xyp"),
    *(("ChipEncoder", name) for name in "xyz"),
    *(("AxonEncoder", name) for name in ("hi", "lo")),
}

VAR_MODEL, PORTS = MENDED

# Stands for a Python of 3.14: a lock has settled on its start method before anything of Lava is imported.
ON_A_NEWER_PYTHON = f"""
import multiprocessing, sys
from spikec.runtime import lava_import
methods = ["forkserver", "spawn", "fork"]
multiprocessing.get_all_start_methods = lambda: methods
multiprocessing.set_start_method("forkserver", force=True)
lava_import.needs_mending = lambda: True
lava_import.make_importable()
lava_import.make_importable()
from spikec.runtime.lava import require_lava
require_lava()
import lava.magma.runtime.runtime
require_lava()
import {VAR_MODEL} as mended
import {PORTS} as ports
chip = mended.ChipEncoder
print(type(mended.__loader__).__name__, type(ports.__loader__).__name__, chip().x is chip().x)
print(sum(type(finder).__module__ == lava_import.__name__ for finder in sys.meta_path))
print(multiprocessing.get_start_method())
"""


def installed_source(module: str = VAR_MODEL) -> Path:
    folder = importlib.util.find_spec(module.rpartition(".")[0])
    assert folder is not None
    spec = PathFinder.find_spec(module, folder.submodule_search_locations)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def refused_defaults(module: ModuleType) -> set[tuple[str, str]]:
    """Fields whose default Python 3.11 refuses, by the rule of its ``dataclasses``."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]
    return {
        (kind.__name__, field.name)
        for kind in kinds
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING and field.default.__class__.__hash__ is None
    }


def executed(tree: ast.Module, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("executed_var_model")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(tree, "var_model.py", "exec", dont_inherit=True), vars(module))
    return module


@needs_lava
def test_the_eight_defaults_of_the_installed_lava_are_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    source = installed_source().read_text()
    if sys.version_info < (3, 11):
        assert refused_defaults(executed(ast.parse(source), monkeypatch)) == EIGHT
    module = executed(with_factories(ast.parse(source)), monkeypatch)
    assert not refused_defaults(module)
    kinds = {name: getattr(module, name) for name, _ in EIGHT}
    factories = {
        (name, field.name)
        for name, kind in kinds.items()
        for field in dataclasses.fields(kind)
        if field.default_factory is module.ByteEncoder
    }
    assert factories == EIGHT
    assert module.ChipEncoder() == module.ChipEncoder()
    assert module.ChipEncoder().x is not module.ChipEncoder().x


@needs_lava
def test_nothing_else_of_it_changes() -> None:
    source = installed_source().read_text()
    before, after = (ast.unparse(tree).splitlines() for tree in (ast.parse(source), with_factories(ast.parse(source))))
    assert after.pop(1 if after[0].startswith("from __future__") else 0) == "import dataclasses"
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == len(EIGHT)
    for old, new in changed:
        assert new == old.replace("ByteEncoder()", "dataclasses.field(default_factory=ByteEncoder)")


def test_only_records_of_the_module_made_without_arguments_are_mended() -> None:
    source = (
        "'''doc'''\nfrom __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Leaf:\n    n: int = int()\n"
        "@dataclass\nclass Whole:\n    leaf: Leaf = Leaf()\n    none: Leaf = None\n"
        "class Plain:\n    leaf: Leaf = Leaf()\n"
    )
    mended = ast.unparse(with_factories(ast.parse(source)))
    assert mended.count("default_factory") == 1
    assert "    leaf: Leaf = dataclasses.field(default_factory=Leaf)\n    none: Leaf = None" in mended
    assert mended.index("__future__") < mended.index("import dataclasses")
    assert ast.dump(with_factories(ast.parse(mended))) == ast.dump(ast.parse(mended))


@pytest.mark.parametrize(("name", "changes"), [("newshape", 0), ("shape", 2)])
@needs_lava
def test_ports_name_the_shape_as_numpy_does(monkeypatch: pytest.MonkeyPatch, name: str, changes: int) -> None:
    scope: dict[str, Any] = {}
    exec(f"def reshape(a, {name}, order='C'): ...", scope)
    monkeypatch.setattr(np, "reshape", scope["reshape"])
    source = installed_source(PORTS).read_text()
    before, after = (ast.unparse(t).splitlines() for t in (ast.parse(source), with_numpys_keyword(ast.parse(source))))
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == changes
    assert all(new == old.replace("newshape=", "shape=") and "np.reshape" in new for old, new in changed)


def cached(source: Path) -> list[Path]:
    return list(source.parent.glob(f"__pycache__/{source.stem}.*"))


@needs_lava
def test_lava_is_imported_and_its_files_and_bytecode_stay() -> None:
    sources = [installed_source(module) for module in MENDED]
    files = [path for source in sources for path in (source, *cached(source))]
    before = [path.read_bytes() for path in files]
    printed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ON_A_NEWER_PYTHON], capture_output=True, text=True, check=False
    )
    assert printed.stdout.splitlines() == ["_Loader _Loader False", "1", "fork"], printed.stderr
    assert [path.read_bytes() for path in files] == before
    assert {path for source in sources for path in cached(source)} == set(files) - set(sources)


def with_version(monkeypatch: pytest.MonkeyPatch, version: str, *, newer: bool) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: version)
    monkeypatch.setattr(SEARCH, "_is_missing", lambda _: False)
    monkeypatch.setattr(SEARCH, "needs_mending", lambda: newer)


def test_another_lava_is_refused_on_newer_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    with_version(monkeypatch, "0.11.0", newer=True)
    assert not availability().available
    with pytest.raises(UnusableInput, match=r"takes lava-nc 0\.10\.0, this is 0\.11\.0") as caught:
        require_lava()
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E655"]


def test_another_lava_is_told_on_the_python_it_was_written_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with_version(monkeypatch, "0.11.0", newer=False)
    with pytest.warns(DiagnosticWarning, match=r"W655 .* this is 0\.11\.0"):
        require_lava()


def test_what_lava_imports_is_missed_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with_version(monkeypatch, "0.10.0", newer=True)
    assert availability().available
    monkeypatch.setattr(SEARCH, "_is_missing", lambda name: name in ("asteval", "scipy"))
    with pytest.raises(UnusableInput, match=r"without asteval, scipy") as caught:
        require_lava()
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E501"]
    assert "spikec doctor --install-lava" in str(caught.value.diagnostics[0].hint)


def test_this_python_is_mended_where_it_has_to_be() -> None:
    assert lava_import.needs_mending() == (sys.version_info >= (3, 11))
    installed = [finder for finder in sys.meta_path if type(finder).__module__ == lava_import.__name__]
    assert len(installed) == lava_import.needs_mending()
