"""Outside of ``compiler/arithmetic`` the compiler sums, multiplies and convolves nothing but integers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

COMPILER = Path(__file__).parents[2] / "compiler"
OF_INTEGERS = {
    *("analysis/energy.py", "analysis/residuals.py", "analysis/axons.py", "analysis/traffic.py", "analysis/cost.py"),
    *("checks/numbers.py", "commands/profile.py"),
    "frontend/constants.py",
}
"""Files, with the folder ``mapping``, whose sums are of counts, addresses and integer weights."""
SOURCES = tuple(
    path.relative_to(COMPILER).as_posix()
    for path in sorted(COMPILER.rglob("*.py"))
    if path.relative_to(COMPILER).parts[0] not in ("arithmetic", "mapping")
)
REDUCTIONS = {"sum", "mean", "var", "std", "dot", "trace", "cumsum"}
MACHINE_DEPENDENT = {
    *("einsum", "dot", "matmul", "tensordot", "inner", "vdot", "average", "convolve", "linalg", "interp"),
    *("sum", "mean", "var", "std", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "float_power"),
    *("sin", "cos", "tan", "tanh", "arctan"),
}


def machine_dependent(tree: ast.AST) -> Iterator[str]:
    """Operations whose float results depend on the machine, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            yield f"{node.lineno}: @"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
            if node.attr in MACHINE_DEPENDENT:
                yield f"{node.lineno}: np.{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in REDUCTIONS:
            integers = any(k.arg == "dtype" and "int" in ast.unparse(k.value) for k in node.keywords)
            of_numpy = isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "math")
            if not integers and not of_numpy:
                yield f"{node.lineno}: .{node.func.attr}()"


@pytest.mark.parametrize("source", [source for source in SOURCES if source not in OF_INTEGERS])
def test_floats_are_summed_in_one_place(source: str) -> None:
    assert list(machine_dependent(ast.parse((COMPILER / source).read_text(encoding="utf-8")))) == []


def test_what_is_looked_for_is_found() -> None:
    source = "a @ b\nnp.exp(a)\na.sum(axis=0)\na.sum(dtype=np.int64)\nnp.linalg.cholesky(a)\nnp.maximum(a, b)\n"
    assert sorted(machine_dependent(ast.parse(source))) == ["1: @", "2: np.exp", "3: .sum()", "5: np.linalg"]
