"""No name that a user's file or command line holds reaches a terminal as anything but visible characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from spikec.__main__ import spikec as command_line

Cli = Callable[..., tuple[int, str, str]]
EVIL = "\x1b]0;pwn\x07\x1b[2J\x9b31m\u202e\u2028\r\nerror E000: <script>|"
FORMS = ("text", "json", "html", "markdown")


def obeyed(text: str) -> set[str]:
    return {each for each in text if unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - {"\n"}


@pytest.fixture(scope="module")
def hostile(bench: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``net.onnx``, whose every name is hostile, and ``data.npz``, which has a hostile key."""
    model = onnx.load(bench / "net.onnx")
    names = {each for node in model.graph.node for each in (*node.input, *node.output)}
    renamed = {name: f"{EVIL}{name}" for name in names}
    for node in model.graph.node:
        node.name = f"{EVIL}/{node.op_type}"
        for values in (node.input, node.output):
            values[:] = [renamed[each] for each in values]
    for named in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        named.name = renamed[named.name]
    model.graph.name = EVIL
    folder = tmp_path_factory.mktemp("hostile")
    onnx.save(model, folder / "net.onnx")
    with np.load(bench / "data.npz") as archive:
        np.savez(folder / "data.npz", **archive, **{EVIL.replace("/", ""): np.zeros(1)})
        np.savez(folder / "other.npz", **{EVIL.replace("/", ""): np.zeros(1)})
    return folder


def test_names_of_a_model_in_every_command(cli: Cli, hostile: Path, tmp_path: Path) -> None:
    model, data, out = hostile / "net.onnx", hostile / "data.npz", tmp_path / f"out{EVIL.replace('/', '')}"
    calls: list[tuple[object, ...]] = [
        ("compile", model, "-o", out, "-v"),
        *(("check", model, "--target", "loihi1", "--format", form) for form in FORMS),
        *(("report", out, "--format", form) for form in FORMS),
        ("run", out, "--data", data),
        ("verify", out, "--data", data, "--backends", "reference,simulator"),
        ("profile", out, "--data", data),
        ("evaluate", model, "--data", data, "--timesteps", "1", "--methods", "qc-ann"),
        ("tradeoff", model, "--data", data, "--calibration", data, "--timesteps", "1", "--points", "2"),
        ("compile", model, "-o", out, "--schedule", "mixed", "--exact-layers", "none"),
        ("run", out, "--data", hostile / "other.npz"),
    ]
    for call in calls:
        code, printed, told = cli(*call)
        assert code in (0, 1, 2), (call, told)
        assert "E9" not in told
        assert obeyed(printed + told) == set(), call
        assert not any(line.startswith("error E000") for line in (printed + told).splitlines())


def test_names_of_what_is_refused(cli: Cli, model: Callable[..., bytes], tmp_path: Path) -> None:
    refused = onnx.load_model_from_string(model(pool="LpPool <kernel_shape = [2, 2], strides = [2, 2]> (m)"))
    for node in refused.graph.node:
        node.name = f"{EVIL}/{node.op_type}"
    onnx.save(refused, tmp_path / "net.onnx")
    for form in FORMS:
        code, printed, told = cli("check", tmp_path / "net.onnx", "--format", form)
        assert code == 2
        assert "error E101" in told
        assert obeyed(printed + told) == set()


@pytest.mark.parametrize("name", sorted(command_line.commands))
def test_arguments_are_echoed_in_visible_characters(cli: Cli, name: str, tmp_path: Path) -> None:
    command = command_line.commands[name]
    flags = [each for each in command.params if each.opts[0].startswith("-")]
    given: list[list[str]] = [[EVIL], [EVIL, EVIL], [f"--{EVIL}"]]
    given += [[EVIL, flag.opts[-1], EVIL] for flag in flags if flag.opts[-1] not in ("--output", "--output-directory")]
    for arguments in given:
        code, printed, told = cli(name, *arguments)
        assert code in (0, 2), (arguments, told)
        assert obeyed(printed + told) == set(), arguments
        assert told.count("\n") == len([line for line in told.splitlines() if line[:6] in ("error ", "warnin")])
    assert cli(EVIL)[0] == 2
    assert obeyed(cli(EVIL)[2]) == set()


def test_texts_of_a_chip(cli: Cli, tmp_path: Path) -> None:
    chip = tmp_path / "chip.toml"
    quoted = EVIL.encode("unicode_escape").decode().replace("\\x", "\\u00")
    chip.write_text(f'name = "evil"\ntitle = "{quoted}"\nextends = "loihi1"\nnotes = ["{quoted}"]\n')
    code, printed, told = cli("targets", chip)
    assert code == 0, told
    assert obeyed(printed + told) == set()
    chip.write_text(f'name = "evil"\ntitle = "x"\nextends = "{quoted}"\n"{quoted}" = 1\n')
    code, printed, told = cli("targets", chip)
    assert code == 2
    assert obeyed(printed + told) == set()


def test_nothing_else_prints() -> None:
    """Text leaves by ``targets/terminal`` alone, the table of ``targets`` and the progress bar apart."""
    root = Path(__file__).parents[2]
    allowed = {"targets/terminal", "__main__.py", "targets/commands.py", "runtime/progress.py"}
    printing = [
        path.relative_to(root).as_posix()
        for folder in ("compiler", "models", "runtime", "targets")
        for path in (root / folder).rglob("*.py")
        if any(word in path.read_text() for word in ("click.echo", "print(", "Console("))
    ]
    assert [name for name in printing if not any(name.startswith(each) for each in allowed)] == []
