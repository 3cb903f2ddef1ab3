"""What every tracked file must keep to, and that the package carries all that it needs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from spikec.compiler.passes.contract import Pass
from spikec.compiler.pipeline import PASSES
from spikec.models.shipped import shipped_checkpoint, shipped_model, shipped_samples

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
LINES = 400
FOLDERS = ("compiler", "models", "runtime", "targets")

# In pieces, so that this file does not contain what it looks for.
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "raise Not" + "ImplementedError")))
MACHINE = re.compile(r"(?<![\w.])/(?:home|root|Users|work|mnt|data)/\w+")
REGISTRY = re.compile("index" + r"-url|https?:/" + r"/[\w.-]*(?:pypi|artifactory|nexus|mirror|registry)")


def tracked() -> list[Path]:
    """Text files that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def occurrences(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        for number, line in enumerate((text_of(path) or "").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    return found


pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")


@pytest.mark.parametrize(("pattern", "sample"), [(UNFINISHED, "# TO" + "DO"), (MACHINE, "cd /ho" + "me/me/x")])
def test_nothing_unfinished_and_no_path_of_a_machine(pattern: re.Pattern[str], sample: str) -> None:
    assert pattern.search(sample)
    assert occurrences(pattern) == []


def test_no_package_registry() -> None:
    assert REGISTRY.search("pip install --index" + "-url x")
    assert REGISTRY.search("https://py" + "pi.example.org/simple")
    assert occurrences(REGISTRY) == []


def test_files_stay_small() -> None:
    sizes = {path.relative_to(ROOT).as_posix(): len((text_of(path) or "").splitlines()) for path in tracked()}
    assert {name: size for name, size in sizes.items() if name.endswith(".py") and size > LINES} == {}


def test_frozen_dataclasses_are_records() -> None:
    """Python's own take five times as long to make, and every command makes two hundred; see ``targets/records.py``."""
    makes_pythons = re.compile(r"from dataclasses import .*\bdataclass\b(?!\s+as)")
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    frozen = [
        p for p in files if "@dataclass(frozen=True" in (source := p.read_text()) and makes_pythons.search(source)
    ]
    assert frozen == []


def test_no_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}
    assert [path for path in tracked() if path.suffix == ".py" and path.stem in empty] == []


def test_tests_have_unique_names() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("kind", PASSES, ids=lambda kind: kind.__name__)
def test_every_pass_has_its_file_and_a_test(kind: type[Pass]) -> None:
    name, module = kind().name, kind.__module__.rsplit(".", 1)[1]
    assert module == name.replace("-", "_")
    tests = [text_of(path) or "" for path in (ROOT / "tests" / "compiler" / "passes").glob("*.py")]
    assert any(mark in text for text in tests for mark in (kind.__name__, name, f"passes.{module} import"))


def test_every_pass_file_is_in_the_pipeline_or_serves_it() -> None:
    classes = {kind.__module__.rsplit(".", 1)[1] for kind in PASSES}
    for path in (ROOT / "compiler" / "passes").glob("*.py"):
        defines_pass = re.search(r"^    name: str = |^    name = \"", path.read_text(), re.MULTILINE)
        assert not defines_pass or path.stem in classes or path.stem == "contract", path.name


def test_wheel_holds_every_folder() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["scikit-build"]["wheel"]["packages"]
    for folder in FOLDERS:
        assert table[f"spikec/{folder}"] == folder
    for name in ("__init__.py", "__main__.py"):
        assert table[f"spikec/{name}"] == name
    assert "spikec/py.typed" in table
    assert all((ROOT / source).exists() for source in table.values())
    top = {p.relative_to(ROOT).parts[0] for p in tracked() if p.suffix == ".py" and len(p.relative_to(ROOT).parts) > 1}
    assert top - {"tests", ".links", ".ci"} <= set(FOLDERS)


def test_links_name_what_the_wheel_holds() -> None:
    for name in (*FOLDERS, "__init__.py", "__main__.py"):
        assert (ROOT / ".links" / "spikec" / name).resolve() == ROOT / name


def test_package_data_is_found() -> None:
    package = files("spikec")
    assert package.joinpath("compiler/report/report.html.jinja").is_file()
    assert {p.name for p in package.joinpath("targets").iterdir() if p.name.endswith(".toml")} >= {
        "lava.toml",
        "loihi1.toml",
        "loihi2.toml",
    }
    for path in (shipped_model(), shipped_checkpoint(), shipped_samples()):
        assert path.stat().st_size > 1000


README = ROOT / "README.md"


def test_commands_of_the_readme_exist() -> None:
    text = README.read_text(encoding="utf-8")
    scripts = set(re.findall(r"bash (\.ci/[\w./-]+)", text))
    assert {".ci/spikec", ".ci/run"} <= scripts
    assert all((ROOT / script).is_file() for script in scripts)


def test_readme_maps_every_folder() -> None:
    text = README.read_text(encoding="utf-8")
    missing = [folder for folder in (*FOLDERS, "tests") if f"{folder}/" not in text]
    assert not missing
