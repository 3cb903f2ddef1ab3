"""Samples with a frame for every step: what is sent, what they add up to, and that every backend computes the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spikec
from spikec.compiler.compilation import compile_model
from spikec.compiler.options import CompileOptions
from spikec.runtime.agreement import compare
from spikec.runtime.encoded_samples import check_samples
from spikec.runtime.encoding import encode
from spikec.runtime.lava import availability, run_lava
from spikec.runtime.program import InputEncoding, Program
from spikec.runtime.program.neuron_models import srp
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples, checked_samples
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput

needs_lava = pytest.mark.skipif(not availability(), reason=str(availability()))
Frames = np.ndarray[Any, np.dtype[np.uint8]]


def frames_of(count: int, timesteps: int, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (count, timesteps, 1, 8, 8)).astype(np.uint8)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Conv, quantise-and-clip with 4 levels, dense."""
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,1,8,8] x) => (float[N,3] y) {'
        "c = Conv <pads = [1, 1, 1, 1]> (x, w1) d = Div (c, unit) r = Round (d) k = Clip (r, zero, top)"
        "m = Mul (k, unit) f = Flatten (m) y = Gemm <transB = 1> (f, w2) }"
    )
    random = np.random.default_rng(0)
    tensors = {"w1": 0.4 * random.normal(size=(4, 1, 3, 3)), "w2": 0.3 * random.normal(size=(3, 256))}
    for name, value in {**tensors, "unit": 0.25, "zero": 0.0, "top": 4.0}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    file = tmp_path_factory.mktemp("frames") / "net.onnx"
    file.write_bytes(model.SerializeToString())
    return file


def program_of(net: Path, timesteps: int = 4, **options: Any) -> Program:
    return compile_model(net, CompileOptions(timesteps=timesteps, **options)).program


def refusal(program: Program, encoded: Any) -> str:
    with pytest.raises(UnusableInput) as caught:
        check_samples(program, encoded)
    return caught.value.diagnostics[0].code


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.booleans(), st.integers(-9, 0), st.integers(1, 9), st.integers(0, 1 << 20))
def test_messages_of_frames_stay_within_those_of_constant_samples(
    timesteps: int, spread: bool, low: int, high: int, seed: int
) -> None:
    encoding = InputEncoding((3,), (0,), (3,), 1.0, low, high, spread=spread)
    drawn = np.random.default_rng(seed).integers(low, high + 1, (5, timesteps, 3)).astype(np.float32)
    drawn[0] = drawn[0, :1]
    encoded, remarks = encode(encoding, drawn)
    assert not remarks
    if timesteps == 1:
        np.testing.assert_array_equal(encoded, drawn[:, 0])
        return
    constant, _ = encode(encoding, drawn[:1, 0])
    messages = [encoding.messages(constant, step, timesteps) for step in range(timesteps)]
    np.testing.assert_array_equal(encoded[:1], np.stack(messages, axis=1))
    sums = drawn.sum(axis=1).astype(np.int64)
    np.testing.assert_array_equal(encoded.sum(axis=1), sums // timesteps if spread else sums)
    least, largest = encoding.message_range(timesteps)
    assert least <= encoded.min()
    assert encoded.max() <= largest


def test_the_counterpart_of_frames_is_their_mean() -> None:
    frames = frames_of(3, 5)
    frames[0] = frames[0, :1]
    samples = checked_samples(frames, None, (1, 8, 8))
    assert samples.frames
    floats = samples.as_float()
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats[0], Samples(frames[:1, 0], None).as_float()[0])
    np.testing.assert_allclose(floats, frames.mean(axis=1) / 255, rtol=1e-6)
    assert not samples.constant().frames


def test_a_long_recording_is_windows_in_a_row() -> None:
    frames = frames_of(2, 12)
    samples = checked_samples(frames, np.array([5, 7]), (1, 8, 8)).in_windows(4)
    assert samples.inputs.shape == (6, 4, 1, 8, 8)
    np.testing.assert_array_equal(samples.inputs[4], frames[1, 4:8])
    assert samples.labels is not None
    assert samples.labels.tolist() == [5, 5, 5, 7, 7, 7]
    with pytest.raises(UnusableInput, match=r"E027 .* 12 frames"):
        checked_samples(frames, None, (1, 8, 8)).in_windows(5)
    with pytest.raises(UnusableInput, match=r"E027 .* 12 frames"):
        checked_samples(frames, None, (1, 8, 8)).in_one_window(4)
    assert checked_samples(frames, None, (1, 8, 8)).in_one_window(12).frames


def test_unusable_frames_are_refused() -> None:
    for frames in (frames_of(2, 0), frames_of(0, 4), np.full((1, 4, 1, 8, 8), np.nan), frames_of(1, 4)[:, None]):
        with pytest.raises(UnusableInput, match="E603"):
            checked_samples(frames, None, (1, 8, 8))


@pytest.mark.parametrize("schedule", ["pipelined", "exact"])
def test_equal_frames_are_the_constant_sample(net: Path, schedule: str) -> None:
    program = program_of(net, schedule=schedule, input="frames")
    images = frames_of(3, 1)[:, 0]
    repeated = np.repeat(images[:, None], 4, axis=1)
    constant = simulate(program, encode(program.input, images)[0], record=True)
    timed = simulate(program, encode(program.input, repeated)[0], record=True)
    assert compare(program, [constant, timed]).equal
    assert constant.spike_counts == timed.spike_counts
    if schedule == "pipelined":
        plain = program_of(net)
        assert compare(program, [timed, simulate(plain, encode(plain.input, images)[0], record=True)]).equal


@pytest.mark.parametrize(
    "options", [{}, {"schedule": "exact", "input": "frames"}, {"target": "loihi1", "timesteps": 6}], ids=str
)
def test_reference_and_simulator_agree_on_frames(net: Path, options: dict[str, Any]) -> None:
    program = program_of(net, **options)
    frames = frames_of(2, program.timesteps)
    encoded, _ = encode(program.input, frames)
    runs = [run_reference(program, encoded, record=True), simulate(program, encoded, record=True)]
    assert all(runs[0].spike_counts.values())
    assert compare(program, runs).equal
    mean = encode(program.input, checked_samples(frames, None, (1, 8, 8)).as_float())[0]
    assert not compare(program, [runs[1], simulate(program, mean, record=True)]).equal


@needs_lava
@pytest.mark.parametrize("options", [{}, {"schedule": "exact", "input": "frames"}], ids=str)
def test_lava_agrees_on_frames(net: Path, options: dict[str, Any]) -> None:
    program = program_of(net, **options)
    encoded, _ = encode(program.input, frames_of(3, 4))
    runs = [
        simulate(program, encoded, record=True),
        run_lava(program, encoded, record=True, deadline=300.0),
        run_lava(program, encoded, record=True, fused=False, deadline=300.0),
    ]
    assert compare(program, runs).equal


def test_a_program_that_is_exact_for_constant_input_refuses_frames(net: Path) -> None:
    """Its first layer has no gate, because equal messages need none."""
    program = program_of(net, schedule="exact")
    encoded, _ = encode(program.input, frames_of(1, 4))
    assert refusal(program, encoded) == "E028"
    assert not program.populations[0].gated
    assert program_of(net, schedule="exact", input="frames").populations[0].gated


def test_neurons_that_measure_first_refuse_frames(net: Path) -> None:
    program = replace(program_of(net), neuron=srp(4))
    assert refusal(program, encode(program.input, frames_of(1, 4))[0]) == "E028"
    with pytest.raises(UnusableInput, match="E028"):
        program_of(net, neuron="srp", input="frames")


def test_encoded_frames_of_another_program_are_refused(net: Path) -> None:
    program = program_of(net)
    encoded, _ = encode(program.input, frames_of(2, 4))
    assert refusal(program, encoded[:, :3]) == "E506"
    assert refusal(program, encoded + program.input.maximum) == "E506"
    spread = replace(program, input=replace(program.input, spread=True))
    late = np.zeros_like(encoded)
    late[:, 0] = -(-program.input.maximum // 4)
    check_samples(spread, np.flip(late, axis=1))
    assert refusal(spread, late) == ("E506" if program.input.maximum % 4 else "")


def test_exact_counts_of_frames_are_those_of_the_mean(net: Path) -> None:
    """The quantised network on the sum of the window is what gates compute, whatever comes when."""
    program = program_of(net, schedule="exact", input="frames")
    frames = frames_of(3, 4)
    in_order = simulate(program, encode(program.input, frames)[0])
    turned = simulate(program, encode(program.input, frames[:, ::-1])[0])
    np.testing.assert_array_equal(in_order.readout, turned.readout)


def test_the_python_call_takes_frames(net: Path) -> None:
    program = program_of(net)
    frames = frames_of(2, 8)
    found = spikec.simulate(program, frames)
    assert len(found.readout) == 4
    np.testing.assert_array_equal(found.readout[1], spikec.simulate(program, frames[:1, 4:]).readout[0])


def test_calibration_frames_make_a_program_for_frames(net: Path) -> None:
    samples = Samples(frames_of(16, 4), None, frames=True)
    timed = compile_model(net, CompileOptions(calibration=samples)).program
    assert timed.input.frames
    constant = compile_model(net, CompileOptions(calibration=samples, input="constant")).program
    assert not constant.input.frames
    with pytest.raises(UnusableInput, match="E027"):
        compile_model(net, CompileOptions(calibration=samples, timesteps=3))
