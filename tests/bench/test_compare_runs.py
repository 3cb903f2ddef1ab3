"""Two runs side by side: what is a loss, what is noise, and which runs are not compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from .compare import LEAST_NOISE, compared, differences, main

Json = dict[str, Any]

STILL = (1.0, 1.01, 0.99, 1.0, 1.0)


def row(tool: str = "spikec", values: tuple[float, ...] = STILL, **fields: Any) -> Json:
    given = {"part": "simulator", "net": "vgg16", "unit": "s", "timesteps": 4, "batch": 64, "threads": 2, "note": ""}
    return {**given, "tool": tool, "values": list(values), **fields}


def run(*rows: Json, **machine: Any) -> Json:
    described = {"cpu": "a", "cores": 2, "threads": [1, 2], "instruction_set": "avx2", "memory_gib": 8, "busy": False}
    versions = {"spikec": "0.1.0", "onnxruntime": "1.23"}
    return {"schema": "spikec-bench/1", "machine": {**described, "versions": versions, **machine}, "rows": list(rows)}


def times(factor: float) -> tuple[float, ...]:
    return tuple(factor * value for value in STILL)


def ended(folder: Path, old: Json, new: Json, *options: str) -> Result:
    files = [folder / "old.json", folder / "new.json"]
    for file, content in zip(files, (old, new), strict=True):
        file.write_text(json.dumps(content), encoding="utf-8")
    return CliRunner().invoke(main, [*map(str, files), *options])


@pytest.mark.parametrize(("factor", "code"), [(1.2, 1), (1.02, 0), (1.0, 0), (0.8, 0)])
def test_a_loss_ends_with_1_and_nothing_else_does(tmp_path: Path, factor: float, code: int) -> None:
    result = ended(tmp_path, run(row()), run(row(values=times(factor))))
    assert result.exit_code == code
    assert ("LOSS 1.20 times" in result.output) == (code == 1)


def test_a_loss_within_the_spread_of_rounds_is_noise(tmp_path: Path) -> None:
    restless = (1.0, 1.3, 0.7, 1.2, 0.8)
    slower = tuple(1.15 * value for value in restless)
    assert ended(tmp_path, run(row(values=restless)), run(row(values=slower))).exit_code == 0


def test_one_slow_round_hides_no_loss(tmp_path: Path) -> None:
    assert ended(tmp_path, run(row(values=(*STILL, 9.0))), run(row(values=times(1.3)))).exit_code == 1


def test_a_slower_machine_is_no_loss(tmp_path: Path) -> None:
    tools = ("onnxruntime", "onnxruntime, int8", "onnxruntime, ReLU")
    old, new = (run(row(values=times(factor)), *(row(tool, times(factor)) for tool in tools)) for factor in (1.0, 1.5))
    rows, factor = compared(old, new)
    assert factor == pytest.approx(1.5)
    assert {one.verdict for one in rows} == {"same"}
    # Of another version it tells nothing of the machine.
    new["machine"]["versions"]["onnxruntime"] = "1.24"
    assert ended(tmp_path, old, new).exit_code == 1


def test_processor_time_is_compared_where_it_is_asked_for(tmp_path: Path) -> None:
    busy = row(values=times(2), cpu=list(STILL))
    still = row(cpu=list(STILL))
    assert ended(tmp_path, run(still), run(busy)).exit_code == 1
    assert ended(tmp_path, run(still), run(busy), "--processor-time").exit_code == 0
    assert ended(tmp_path, run(still), run(row(cpu=list(times(2)))), "--processor-time").exit_code == 1
    assert ended(tmp_path, run(row()), run(row()), "--processor-time").exit_code == 2


def test_what_others_lose_is_not_ours(tmp_path: Path) -> None:
    assert ended(tmp_path, run(row(), row("sinabs")), run(row(), row("sinabs", times(2)))).exit_code == 0


def test_memory_and_rows_of_one_round_have_noise_too(tmp_path: Path) -> None:
    def memory(value: float) -> Json:
        return row(part="memory", unit="MiB", values=(value,))

    assert ended(tmp_path, run(memory(100)), run(memory(108))).exit_code == 0
    assert ended(tmp_path, run(memory(100)), run(memory(140))).exit_code == 1


def test_cells_and_weights_are_told_apart(tmp_path: Path) -> None:
    others = [row(batch=1), row(threads=1), row(timesteps=1), row(net="vgg16 (random weights)")]
    for other in others:
        result = ended(tmp_path, run(row()), run({**other, "values": list(times(9))}))
        assert result.exit_code == 2
        assert "no row of spikec in common" in result.output


@pytest.mark.parametrize(
    ("field", "value"), [("cpu", "b"), ("threads", [2]), ("instruction_set", "plain"), ("cores", 4)]
)
def test_other_machines_are_refused_unless_asked_for(tmp_path: Path, field: str, value: object) -> None:
    old, new = run(row()), run(row(), **{field: value})
    (line,) = differences(old, new)
    assert line.startswith(f"{field}: ")
    assert ended(tmp_path, old, new).exit_code == 2
    result = ended(tmp_path, old, new, "--across")
    assert result.exit_code == 0
    assert f"the runs differ in {field}" in result.output


def test_busy_machines_and_lost_rows_are_told(tmp_path: Path) -> None:
    new = run(row(), busy=True, cores_used_by_others=0.7)
    result = ended(tmp_path, run(row(), row(batch=1)), new)
    assert "BUSY in the new run: others used 0.7 cores" in result.output
    assert "not measured any more: 1 rows" in result.output


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "spikec-accuracy/1"}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content, encoding="utf-8")
    result = CliRunner().invoke(main, [str(file), str(file)])
    assert result.exit_code == 2
    assert "bench: " in result.output


@given(st.floats(0.2, 5.0))
def test_a_loss_one_way_is_a_gain_the_other(factor: float) -> None:
    there, back = (
        compared(run(row(values=times(one))), run(row(values=times(other))))[0][0]
        for one, other in ((1.0, factor), (factor, 1.0))
    )
    expected = {"loss": "gain", "gain": "loss", "same": "same"}
    assert back.noise == pytest.approx(there.noise)
    assert there.noise >= LEAST_NOISE
    # At the very edge of noise, rounding may decide each way by itself.
    if abs(abs(factor - 1) - there.noise) > 1e-6 and abs(abs(1 / factor - 1) - there.noise) > 1e-6:
        assert back.verdict == expected[there.verdict]
